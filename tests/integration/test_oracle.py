"""History in a real Oracle, if `ORACLE_DSN` names one."""

import asyncio
import os
import uuid

import msgspec
import pytest

from sinks.history.oracle import OracleDatabase, OracleWriter
from sinks.history.pricing import TABLES
from sinks.history.reader import HistoryReader
from tests.support.history import rows_of
from tests.support.signals import T0, event, override

DSN = os.environ.get("ORACLE_DSN")
pytestmark = pytest.mark.skipif(not DSN, reason="ORACLE_DSN is not set: Oracle was not tested against a server")


def test_rows_are_written_once_and_read_newest_first() -> None:
    url = "oracle://" + (DSN or "").replace("/", ":", 1)
    product = f"t-{uuid.uuid4().hex[:12]}"
    steps = [event(10.0), override(9.5), event(10.0, at_ms=T0 + 5)]
    swaps = {
        b'"product_id":"A"': f'"product_id":"{product}"'.encode(),
        b"O\tA\t": f"O\t{product}\t".encode(),
        b"\tevents\t": f"\t{product}\t".encode(),
        b"\toverrides\t": f"\t{product}\t".encode(),
    }
    rows = rows_of(*steps)
    for old, new in swaps.items():
        rows = [row.replace(old, new) for row in rows]
    writer = OracleWriter(url, TABLES)
    writer.write(rows)
    writer.write(rows)
    writer.close()
    reader = HistoryReader(OracleDatabase(url))

    async def read() -> list[object]:
        points = await reader.read(product, 50, None, None)
        await reader.close()
        return [msgspec.to_builtins(point) for point in points]

    points = asyncio.run(read())
    assert [point["version"] for point in points] == [2, 1]  # type: ignore[index]
