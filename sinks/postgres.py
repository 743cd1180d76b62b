"""History in Postgres: COPY into a temporary table, then one INSERT that leaves existing rows alone."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, LiteralString, overload

import msgspec
import psycopg
from psycopg import sql
from psycopg_pool import AsyncConnectionPool, PoolTimeout

import telemetry
from core.positions import SourcePosition
from core.timestamps import to_rfc3339
from sinks.history_rows import split_by_table
from sinks.history_store import (
    Chart,
    ChartPoint,
    HistoryPoint,
    PastFreeze,
    PastOverride,
    Place,
    StoreError,
    describe_error,
    migrations,
)

LOCK_ID = 0x50524943  # "PRIC"
OPTIONS: dict[str, str | int] = {
    "connect_timeout": 3,
    "application_name": "pricewax",
    "options": "-c statement_timeout=10000 -c lock_timeout=5000 -c timezone=UTC",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
}
READ_WITHIN_S = 5.0
WRITE_WITHIN_S = 30.0
POOL_SIZE_MAX = 8

log = telemetry.get_logger("postgres")

_STAGING = (
    """CREATE TEMPORARY TABLE staged_prices (
        decided json, cause text, source_topic text, source_partition integer, source_offset bigint)
        ON COMMIT DELETE ROWS""",
    """CREATE TEMPORARY TABLE staged_overrides (
        position bigserial, product_id text, override_price numeric, reason text, set_by text,
        set_ms bigint, expires_ms bigint, removed_ms bigint, source_topic text, source_partition integer,
        source_offset bigint) ON COMMIT DELETE ROWS""",
    """CREATE TEMPORARY TABLE staged_freezes (
        position bigserial, scope text, reason text, set_by text, set_ms bigint, lifted_ms bigint,
        source_topic text, source_partition integer, source_offset bigint) ON COMMIT DELETE ROWS""",
)
_EPOCH = "timestamptz '1970-01-01 00:00:00+00' + interval '1 millisecond' *"
_COPY_PRICES = "COPY staged_prices FROM STDIN"
_INSERT_PRICES = f"""
    INSERT INTO price_history (product_id, price, demand, price_source, event_time, version, policy,
        adjustments, cause, source_topic, source_partition, source_offset)
    SELECT product_id, new_price, demand, price_source, {_EPOCH} event_time_ms, version, policy, adjustments,
        cause, source_topic, source_partition, source_offset
    FROM staged_prices, json_to_record(decided) AS given (product_id text, new_price numeric,
        demand double precision, price_source text, event_time_ms bigint, version bigint, policy text,
        adjustments jsonb)
    ON CONFLICT ON CONSTRAINT price_history_position DO NOTHING"""  # noqa: S608
_COPY_OVERRIDES = """COPY staged_overrides (product_id, override_price, reason, set_by, set_ms, expires_ms,
    removed_ms, source_topic, source_partition, source_offset) FROM STDIN"""
# The start and the end of an override may be in one batch: the end is the row that counts.
_UPSERT_OVERRIDES = f"""
    INSERT INTO price_overrides AS stored (product_id, override_price, reason, set_by, set_time,
        expires_time, removed_time, source_topic, source_partition, source_offset)
    SELECT DISTINCT ON (source_topic, source_partition, source_offset)
        product_id, override_price, reason, set_by, {_EPOCH} set_ms, {_EPOCH} expires_ms,
        {_EPOCH} removed_ms, source_topic, source_partition, source_offset
    FROM staged_overrides
    ORDER BY source_topic, source_partition, source_offset, removed_ms NULLS LAST, position
    ON CONFLICT (source_topic, source_partition, source_offset) DO UPDATE
        SET removed_time = coalesce(stored.removed_time, excluded.removed_time)"""  # noqa: S608
_COPY_FREEZES = """COPY staged_freezes (scope, reason, set_by, set_ms, lifted_ms, source_topic,
    source_partition, source_offset) FROM STDIN"""
_UPSERT_FREEZES = f"""
    INSERT INTO price_freezes AS stored (scope, reason, set_by, set_time, lifted_time, source_topic,
        source_partition, source_offset)
    SELECT DISTINCT ON (source_topic, source_partition, source_offset)
        scope, reason, set_by, {_EPOCH} set_ms, {_EPOCH} lifted_ms, source_topic, source_partition,
        source_offset
    FROM staged_freezes
    ORDER BY source_topic, source_partition, source_offset, lifted_ms NULLS LAST, position
    ON CONFLICT (source_topic, source_partition, source_offset) DO UPDATE
        SET lifted_time = coalesce(stored.lifted_time, excluded.lifted_time)"""  # noqa: S608
_IN_RANGE = """FROM price_history
    WHERE product_id = %(product_id)s
        AND event_time >= coalesce(%(since)s, '-infinity'::timestamptz)
        AND event_time < coalesce(%(until)s, 'infinity'::timestamptz)"""
_SELECT = f"""
    SELECT price, event_time, price_source, demand, version, policy, adjustments::text, cause, source_topic,
        source_partition, source_offset
    {_IN_RANGE} ORDER BY event_time DESC, version DESC LIMIT %(limit)s"""
# The last price of each of so many equal spans of time: what a chart of that many points can show.
_CHART = f"""
    WITH found AS (
        SELECT price, event_time, price_source, demand, version {_IN_RANGE}),
    edges AS (SELECT min(event_time) AS first, max(event_time) AS last FROM found),
    spans AS (
        SELECT found.*, floor(extract(epoch FROM event_time - first) * %(points)s
            / greatest(extract(epoch FROM last - first), 0.001)) AS span
        FROM found, edges)
    SELECT DISTINCT ON (span) price, event_time, price_source, demand, version, (SELECT count(*) FROM found)
    FROM spans ORDER BY span, event_time DESC, version DESC"""  # noqa: S608
_OVERRIDES = """
    SELECT product_id, override_price, reason, set_by, set_time, expires_time, removed_time, source_partition,
        source_offset
    FROM price_overrides
    WHERE (%(product_id)s::text IS NULL OR product_id = %(product_id)s)
        AND (set_time < %(before)s OR (set_time = %(before)s
            AND (source_partition, source_offset) < (%(partition)s, %(offset)s)))
    ORDER BY set_time DESC, source_partition DESC, source_offset DESC LIMIT %(limit)s"""
_FREEZES = """
    SELECT scope, reason, set_by, set_time, lifted_time, source_partition, source_offset
    FROM price_freezes
    WHERE set_time < %(before)s OR (set_time = %(before)s
        AND (source_partition, source_offset) < (%(partition)s, %(offset)s))
    ORDER BY set_time DESC, source_partition DESC, source_offset DESC LIMIT %(limit)s"""


class PostgresWriter:
    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection | None = None

    def write(self, rows: list[bytes]) -> None:
        tables = split_by_table(rows)
        try:
            connection = self._connection or self._connect()
            with _time_limit(connection), connection.transaction(), connection.cursor() as cursor:
                for found, into_staging, from_staging in (
                    (tables.prices, _COPY_PRICES, _INSERT_PRICES),
                    (tables.overrides, _COPY_OVERRIDES, _UPSERT_OVERRIDES),
                    (tables.freezes, _COPY_FREEZES, _UPSERT_FREEZES),
                ):
                    if found:
                        with cursor.copy(into_staging) as copy:
                            copy.write(b"\n".join(found) + b"\n")
                        cursor.execute(from_staging)
        except psycopg.Error as error:
            # A new connection each time: after a fail-over the old one may be to a read-only server.
            self.close()
            raise StoreError(describe_error(error)) from None

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> psycopg.Connection:
        connection = psycopg.connect(self._url, autocommit=True, **OPTIONS)  # type: ignore[arg-type]
        try:
            with _time_limit(connection):
                migrate(connection)
                for statement in _STAGING:
                    connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection


@contextmanager
def _time_limit(connection: psycopg.Connection) -> Iterator[None]:
    """Cut the connection where the server does not answer: its own time limits do not help where it, or the line to
    it, stands still."""

    # Of our own, so that it cannot be another file by the time it is cut.
    line = socket.socket(fileno=os.dup(connection.fileno()))

    def cut() -> None:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(WRITE_WITHIN_S, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        line.close()


def migrate(connection: psycopg.Connection) -> None:
    """Apply what is missing, under a lock, so that any number of processes may start at once."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_ID,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS pricewax_migrations"
            " (version integer PRIMARY KEY, applied_at timestamp with time zone NOT NULL DEFAULT now())"
        )
        done = {row[0] for row in connection.execute("SELECT version FROM pricewax_migrations")}
        for version, statements in migrations("postgres"):
            if version in done:
                continue
            for statement in statements:
                connection.execute(sql.SQL(statement))
            connection.execute("INSERT INTO pricewax_migrations (version) VALUES (%s)", (version,))
            log.info("migration applied", version=version)


class PostgresReader:
    def __init__(self, url: str) -> None:
        self._pool = AsyncConnectionPool(
            url,
            kwargs={**OPTIONS, "autocommit": True},
            min_size=0,
            max_size=POOL_SIZE_MAX,
            timeout=READ_WITHIN_S,
            reconnect_timeout=READ_WITHIN_S,
            open=False,
        )
        self._opened = False

    async def read(self, product_id: str, limit: int, from_ms: int | None, to_ms: int | None) -> list[HistoryPoint]:
        rows = await self._fetch(_SELECT, {**_range(product_id, from_ms, to_ms), "limit": limit})
        return [
            HistoryPoint(
                float(price),
                _text(event_time),
                source,
                demand,
                version,
                policy,
                msgspec.Raw(adjustments.encode()),
                cause,
                SourcePosition(topic, partition, offset),
            )
            for (
                price,
                event_time,
                source,
                demand,
                version,
                policy,
                adjustments,
                cause,
                topic,
                partition,
                offset,
            ) in rows
        ]

    async def chart(self, product_id: str, points: int, from_ms: int | None, to_ms: int | None) -> Chart:
        rows = await self._fetch(_CHART, {**_range(product_id, from_ms, to_ms), "points": points - 1})
        return Chart(
            [
                ChartPoint(_ms(event_time), float(price), demand, source, version)
                for price, event_time, source, demand, version, _ in rows
            ],
            rows[0][5] if rows else 0,
        )

    async def overrides(self, product_id: str | None, limit: int, before: Place) -> list[PastOverride]:
        rows = await self._fetch(_OVERRIDES, {**_before(before), "product_id": product_id, "limit": limit})
        return [
            PastOverride(
                product_id, float(price), reason, set_by, _text(set_at), _text(expires), _text(removed),
                Place(_ms(set_at), partition, offset),
            )
            for product_id, price, reason, set_by, set_at, expires, removed, partition, offset in rows
        ]  # fmt: skip

    async def freezes(self, limit: int, before: Place) -> list[PastFreeze]:
        rows = await self._fetch(_FREEZES, {**_before(before), "limit": limit})
        return [
            PastFreeze(scope, reason, set_by, _text(set_at), _text(lifted), Place(_ms(set_at), partition, offset))
            for scope, reason, set_by, set_at, lifted, partition, offset in rows
        ]

    async def ping(self) -> bool:
        try:
            return bool(await self._fetch("SELECT 1", {}))
        except StoreError:
            return False

    async def _fetch(self, query: LiteralString, values: dict[str, Any]) -> list[Any]:
        try:
            if not self._opened:
                await self._pool.open()
                self._opened = True
            async with self._pool.connection(timeout=READ_WITHIN_S) as connection:
                return await (await connection.execute(query, values)).fetchall()
        except psycopg.errors.UndefinedTable:
            return []
        except (psycopg.Error, PoolTimeout) as error:
            raise StoreError(describe_error(error)) from None

    async def close(self) -> None:
        await self._pool.close()


_EPOCH_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)


def _range(product_id: str, from_ms: int | None, to_ms: int | None) -> dict[str, Any]:
    return {"product_id": product_id, "since": _moment(from_ms), "until": _moment(to_ms)}


def _before(place: Place) -> dict[str, Any]:
    return {"before": _moment(place.at_ms), "partition": place.partition, "offset": place.offset}


@overload
def _text(moment: datetime) -> str: ...
@overload
def _text(moment: None) -> None: ...
def _text(moment: datetime | None) -> str | None:
    return None if moment is None else to_rfc3339(_ms(moment))


def _moment(ms: int | None) -> datetime | None:
    if ms is None:
        return None
    return datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)


def _ms(moment: datetime) -> int:
    since = moment - _EPOCH_MOMENT
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
