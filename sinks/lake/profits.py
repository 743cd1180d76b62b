"""Rows of `sales_profit` in the lake: the view of the history database, as of a moment."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any

import pyarrow as pa

import telemetry
from clients.throttle import Throttle
from sinks.history.store import Database
from sinks.lake.table import LakeTable, reason_of

QUERY = "SELECT product_id, product_name, total_orders, revenue_estimate FROM sales_profit"

CENTS = Decimal("0.0001")

Profit = tuple[str, str | None, int, Decimal]

log = telemetry.get_logger("lake")


class Profits:
    """The writer of `sales_profit`: all products of the view, if one has changed. Belongs to the worker's thread.

    open_database: makes the read side of the history database. every_s: seconds between two looks. While the
    database or the lake is away, rows of that time are left out: the next ones have the sums of all."""

    def __init__(self, table: LakeTable, open_database: Callable[[], Database], every_s: float) -> None:
        self._table = table
        self._open_database = open_database
        self._every_s = every_s
        self._next_s = 0.0
        self._throttle = Throttle()
        self._last: list[Profit] | None = None

    def run(self, *, is_last: bool) -> None:
        """Look at the view, if that is due or the flow ends, and commit a row for each product if one is new."""
        now = time.monotonic()
        if now < self._next_s and not is_last:
            return
        self._next_s = now + self._every_s
        try:
            found = asyncio.run(self._read())
            self._table.refresh()
            if self._last is None:
                self._last = newest(self._table)
            if found and found != self._last:
                as_of = datetime.now(UTC)
                self._table.append(to_rows(found, as_of), as_of.isoformat())
                self._last = found
                telemetry.SINK_WRITES.labels("lake_profit").inc(len(found))
                log.info("committed", table=self._table.kind.name, rows=len(found))
        except Exception as error:
            # The library, the store and the catalogue have no common error.
            self._last = None
            telemetry.SINK_ERRORS.labels("lake_profit").inc()
            if self._throttle.is_due():
                log.warning("sales are not in the lake yet; tried again", reason=reason_of(error))

    async def _read(self) -> list[Profit]:
        database = self._open_database()
        try:
            # The database's own order depends on its language.
            return sorted((_profit(*row) for row in await database.fetch(QUERY, {})), key=itemgetter(0))
        finally:
            await database.close()


def _profit(product_id: str, name: str | None, units: Any, revenue: Any) -> Profit:
    return product_id, name, int(units), Decimal(revenue).quantize(CENTS)


def newest(table: LakeTable) -> list[Profit]:
    """The rows of the newest commit, by product."""
    mark = table.mark()
    if mark is None:
        return []
    columns = ("product_id", "product_name", "total_orders", "revenue_estimate")
    rows = table.rows(columns, f"as_of = '{mark}'").to_pylist()
    return sorted((_profit(*(row[name] for name in columns)) for row in rows), key=itemgetter(0))


def to_rows(profits: list[Profit], as_of: datetime) -> pa.Table:
    """The rows of a commit."""
    ids, names, units, revenues = zip(*profits, strict=True)
    return pa.table(
        {
            "product_id": pa.array(ids, pa.large_string()),
            "product_name": pa.array(names, pa.large_string()),
            "total_orders": pa.array(units, pa.int64()),
            "revenue_estimate": pa.array(revenues, pa.decimal128(28, 4)),
            "as_of": pa.array([as_of] * len(ids), pa.timestamp("us", "UTC")),
        }
    )
