"""Postgres as people have it: frozen, in other encodings, behind poolers, with few rights, with other tables."""

import asyncio
import contextlib
import os
import signal
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import psycopg
import pytest

import telemetry
from clients import postgres as postgres_client
from core.errors import SchemaError
from core.timestamps import DAY_MS, parse_rfc3339
from sinks.history.databases import open_database, open_writer
from sinks.history.pricing import TABLES
from sinks.history.reader import NEWEST, HistoryPoint, HistoryReader
from sinks.history.schema import note_refusal, refusal
from stack.postgres import PostgresServer
from tests.support.history import rows_of
from tests.support.pipeline import KEY, ROOT, Pipeline, wait_for
from tests.support.signals import T0, event, override

REASON = "Räumung – 7 €"


@contextmanager
def database(postgres: PostgresServer, options: str = "") -> Iterator[str]:
    """The URL of a new database."""
    name = f"d{time.time_ns()}"
    with psycopg.connect(postgres.url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" {options}'.encode())
        yield postgres.url.rsplit("/", 1)[0] + f"/{name}"
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def write(url: str, rows: list[bytes], schema: str | None = None) -> None:
    with closing(open_writer(url, TABLES, schema)) as writer:
        writer.write(rows)


def read(url: str, schema: str | None = None) -> list[HistoryPoint]:
    async def points() -> list[HistoryPoint]:
        reader = HistoryReader(open_database(url, schema))
        try:
            assert await reader.ping()
            return await reader.read("A", 50, None, None)
        finally:
            await reader.close()

    return asyncio.run(points())


def reasons(url: str) -> list[str]:
    async def past() -> list[str]:
        reader = HistoryReader(open_database(url))
        try:
            return [each.reason for each in await reader.overrides(None, 10, NEWEST)]
        finally:
            await reader.close()

    return asyncio.run(past())


ROWS = rows_of(event(10.0), msgspec.structs.replace(override(99), reason=REASON))


@pytest.mark.parametrize(
    ("encoding", "kept"), [("SQL_ASCII", REASON), ("LATIN1", "Räumung ? 7 ?"), ("UTF8", REASON)]
)
def test_text_survives_in_a_database_of_any_encoding(postgres: PostgresServer, encoding: str, kept: str) -> None:
    options = f"ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    with database(postgres, options) as url:
        write(url, ROWS)
        write(url, ROWS)
        assert [point.cause for point in read(url)] == ["override_set", "event"]
        assert reasons(url) == [kept]


class Pooler(socketserver.BaseRequestHandler):
    """A pooler that refuses start-up options, as PgBouncer does. It passes on the first message of all others."""

    port = 0

    def handle(self) -> None:
        start = self.request.recv(8192)
        if b"\0options\0" in start:
            text = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
            self.request.sendall(b"E" + struct.pack("!i", len(text) + 4) + text)
            return
        with socket.create_connection(("127.0.0.1", self.port)) as server:
            server.sendall(start)
            back = threading.Thread(target=_pass_on, args=(server, self.request))
            back.start()
            _pass_on(self.request, server)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)


def test_a_pooler_that_refuses_options_is_used_with_the_same_limits(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pooler, "port", postgres.port)
    with database(postgres) as url, socketserver.ThreadingTCPServer(("127.0.0.1", 0), Pooler) as pooler:
        threading.Thread(target=pooler.serve_forever).start()
        url = f"{url.replace(str(postgres.port), str(pooler.server_address[1]))}?sslmode=disable&gssencmode=disable"
        write(url, ROWS)
        assert len(read(url)) == 2
        with postgres_client.connect(url) as connection:
            assert connection.execute("SHOW statement_timeout").fetchone() == ("10s",)
        pooler.shutdown()


def test_a_role_without_the_right_to_make_tables_writes_those_that_are_there(postgres: PostgresServer) -> None:
    with database(postgres) as url:
        write(url, [])
        execute(
            url,
            "CREATE ROLE writer LOGIN PASSWORD 'w'",
            "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO writer",
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
            "CREATE ROLE reader LOGIN PASSWORD 'r'",
            "GRANT SELECT ON pricewax_migrations TO reader",
        )
        try:
            write(url.replace("pricewax:pricewax", "writer:w"), ROWS)
            assert len(read(url)) == 2
            with pytest.raises(SchemaError, match="permission denied for table price_history"):
                write(url.replace("pricewax:pricewax", "reader:r"), ROWS)
            assert telemetry.alerts_in_force() == [("history_unusable", refusal())]
            write(url, ROWS)
            assert telemetry.alerts_in_force() == []
        finally:
            execute(url, "DROP OWNED BY writer", "DROP ROLE writer", "DROP OWNED BY reader", "DROP ROLE reader")


OLD_TABLE = """CREATE TABLE price_history (id serial PRIMARY KEY, product_id varchar(50), price double precision,
    demand integer, price_source varchar(20), event_time timestamptz DEFAULT now())"""


def test_history_stands_beside_a_table_of_another_program_and_takes_its_rows(postgres: PostgresServer) -> None:
    with database(postgres) as url:
        execute(
            url,
            OLD_TABLE,
            "INSERT INTO price_history (product_id, price, demand, event_time)"
            " VALUES ('A', 9.999, 3, '2011-12-05 08:00Z'), ('A', 8.5, NULL, '2011-12-06 08:00Z')",
        )
        for _ in range(2):
            with pytest.raises(SchemaError, match=r"table price_history that another program made.*HISTORY_SCHEMA"):
                write(url, ROWS)
        assert telemetry.alerts_in_force() == [("history_unusable", refusal())]
        with pytest.raises(SchemaError, match="does not exist"):
            reasons_or_points(url)
        write(url, ROWS, "pricewax")
        assert telemetry.alerts_in_force() == []
        assert len(read(url, "pricewax")) == 2
        # The statement that the documentation gives.
        text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
        statement = text.split("```sql\n")[1].split("```")[0]
        execute(url, statement, statement)
        found = [(point.price, point.demand, point.cause) for point in read(url, "pricewax")]
        assert sorted(found[2:]) == [(8.5, 0.0, "imported"), (10.0, 3.0, "imported")]
        assert len(found) == 4


def test_the_lowest_price_of_a_span_is_one_that_was_in_force_in_it(postgres: PostgresServer) -> None:
    """Event day and price by version. The third is of a late event, and came into force on day 20."""
    decided = [(1, 10.0), (20, 8.0), (5, 6.0), (25, 9.0), (40, 7.0)]

    async def lowest(url: str, since: float, until: float) -> tuple[float, int] | None:
        reader = HistoryReader(open_database(url))
        try:
            found = await reader.lowest("A", T0 + round(since * DAY_MS), T0 + round(until * DAY_MS))
            return None if found is None else (found.price, found.version)
        finally:
            await reader.close()

    with database(postgres) as url:
        write(url, [])
        for version, (day, price) in enumerate(decided, start=1):
            insert_price(url, version, day, price)

        def found(since: float, until: float) -> tuple[float, int] | None:
            return asyncio.run(lowest(url, since, until))

        # Before the first price; the price from before the span counts; the late one from day 20 on.
        assert found(0, 1) is None
        assert found(2, 20) == (10.0, 1)
        assert found(2, 20.1) == (6.0, 3)
        assert found(21, 24) == (6.0, 3)
        assert found(25, 40) == (9.0, 4)
        assert found(24, 40) == (6.0, 3)
        # A price from the moment of the reduction on does not count.
        assert found(26, 40.5) == (7.0, 5)
        assert found(100, 130) == (7.0, 5)


def test_a_price_is_in_force_since_the_last_other_one(postgres: PostgresServer) -> None:
    """Event day and price by version. The third is of a late event, and came into force on day 20."""
    decided = [(1, 8.0), (20, 10.0), (5, 8.0), (25, 8.0), (26, 8.0)]

    async def since(url: str, price: float) -> str | None:
        reader = HistoryReader(open_database(url))
        try:
            return await reader.in_force_since("A", price)
        finally:
            await reader.close()

    with database(postgres) as url:
        write(url, [])
        assert asyncio.run(since(url, 8.0)) is None
        for version, (day, price) in enumerate(decided, start=1):
            insert_price(url, version, day, price)
        found = asyncio.run(since(url, 8.0))
        assert found is not None
        assert parse_rfc3339(found) == T0 + 20 * DAY_MS
        # Redis has a price that history does not have yet.
        assert asyncio.run(since(url, 7.0)) is None


def insert_price(url: str, version: int, day: float, price: float) -> None:
    at = f"to_timestamp({T0 / 1000} + {day} * 86400)"
    execute(
        url,
        "INSERT INTO price_history (product_id, price, demand, price_source, event_time, version, policy,"
        " adjustments, cause, source_topic, source_partition, source_offset) VALUES"
        f" ('A', {price}, 1, 'dynamic', {at}, {version}, 'p', '[]', 'event', 't', 0, {version})",
    )


def reasons_or_points(url: str) -> None:
    async def points() -> None:
        reader = HistoryReader(open_database(url))
        try:
            assert not await reader.ping()
            await reader.read("A", 50, None, None)
        finally:
            await reader.close()

    asyncio.run(points())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("ALTER TABLE price_history DROP COLUMN policy", "has no column policy"),
        (
            "ALTER TABLE price_overrides ALTER set_time TYPE timestamp",
            "price_overrides.set_time is of type timestamp",
        ),
        ("DROP TABLE price_freezes", "the table price_freezes is missing"),
        ("DROP INDEX price_history_rows", "no unique or exclusion constraint"),
    ],
)
def test_a_table_that_was_changed_by_hand_is_named(postgres: PostgresServer, change: str, says: str) -> None:
    with database(postgres) as url:
        write(url, ROWS)
        execute(url, change)
        with pytest.raises(SchemaError, match=says):
            write(url, ROWS)
        assert says in (refusal() or "")
        note_refusal(None)


def test_the_search_path_of_the_url_is_in_force(postgres: PostgresServer) -> None:
    with database(postgres) as url:
        execute(url, OLD_TABLE, "CREATE SCHEMA shop")
        own = f"{url}?options=-csearch_path%3Dshop"
        write(own, ROWS)
        assert len(read(own)) == 2


@contextmanager
def frozen(postgres: PostgresServer) -> Iterator[None]:
    """Postgres with all its processes stopped: it answers nothing and closes nothing."""
    assert postgres.program is not None
    main = postgres.program.process.pid
    children = Path(f"/proc/{main}/task/{main}/children").read_text(encoding="utf-8").split()
    pids = [main, *map(int, children)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_every_read_ends_in_time_while_postgres_is_frozen(pipeline: Pipeline, postgres: PostgresServer) -> None:
    pipeline.start_api()
    pipeline.start_flow()
    pipeline.event("A", 10.0)
    pipeline.flush()
    pipeline.wait_for_history(1)
    wait_for(pipeline.api_ready)
    headers = {"X-API-Key": KEY}
    paths = ["/history/A", "/history/A?detail=true", "/history/A/chart"]
    paths += ["/overrides/audit", "/freezes/audit"]
    for path in paths:
        assert pipeline.http.get(path, headers=headers).status_code == 200, path
    with frozen(postgres), ThreadPoolExecutor(32) as pool:

        def ask(path: str) -> tuple[str, int, bool]:
            began = time.monotonic()
            status = pipeline.http.get(path, headers=headers).status_code
            return path, status, time.monotonic() - began < 5

        # More requests than the pool has connections, and a second round after the first has lost them.
        for _ in range(2):
            for path, status, in_time in pool.map(ask, paths * 3):
                assert (status, in_time) == (503, True), path
        assert ask("/status") == ("/status", 200, True)
        assert ask("/price/A") == ("/price/A", 200, True)
        assert pipeline.http.get("/status").json()["dependencies"]["history"] == "down"

        def has_backlog() -> bool:
            # A row that is being written stays in the snapshot; those that wait behind it go to the backlog.
            pipeline.event("A", 11.0)
            pipeline.flush()
            return len(pipeline.read("history-backlog")) > 0

        wait_for(has_backlog, what=pipeline.output)
        pipeline.stop_flow()
        began = time.monotonic()
        pipeline.stop_api()
        assert time.monotonic() - began < 10
    pipeline.start_flow()
    pipeline.wait_for_history(2)
    pipeline.stop_flow()
