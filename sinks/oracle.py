"""History in Oracle through python-oracledb's thin mode: array binds, duplicates left as they are.

Times and amounts travel as text and are converted by the server: the driver's datetime has no time zone for
`TIMESTAMP WITH TIME ZONE`, and a float would be rounded.
"""

import re
from typing import Any
from urllib.parse import unquote

import msgspec
import oracledb

import telemetry
from core.positions import SourcePosition
from core.timestamps import parse_rfc3339, to_rfc3339
from sinks.history_rows import (
    FreezeRow,
    OverrideRow,
    PriceRow,
    parse_freeze,
    parse_override,
    parse_price,
    split_by_table,
)
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

CALL_WITHIN_MS = 10_000
CONNECT_WITHIN_S = 3.0
POOL_SIZE_MAX = 8
DUPLICATE = 1  # ORA-00001: unique constraint violated
# Name already used by an object; no such constraint; such a unique key exists; name used by a constraint.
DONE_BEFORE = (955, 2443, 2261, 2264)

_URL = re.compile(r"oracle://(?P<user>[^:/@]+):(?P<password>.*)@(?P<dsn>[^@]+)")
_TIME_FORMAT = """'YYYY-MM-DD"T"HH24:MI:SS.FF3TZH:TZM'"""

log = telemetry.get_logger("oracle")


def _time(bind: str) -> str:
    return f"TO_TIMESTAMP_TZ({bind}, {_TIME_FORMAT})"


INSERT_PRICE = f"""
    INSERT INTO price_history (product_id, price, demand, price_source, event_time, version, policy,
        adjustments, cause, source_topic, source_partition, source_offset)
    VALUES (:1, TO_NUMBER(:2, '99999999990D99', 'NLS_NUMERIC_CHARACTERS=''.,'''), :3, :4, {_time(":5")}, :6,
        :7, :8, :9, :10, :11, :12)"""  # noqa: S608
MERGE_OVERRIDE = f"""
    MERGE INTO price_overrides stored USING (
        SELECT :1 AS product_id, TO_NUMBER(:2, '99999999990D99', 'NLS_NUMERIC_CHARACTERS=''.,''') AS price,
            :3 AS reason, :4 AS set_by, {_time(":5")} AS set_time, {_time(":6")} AS expires_time,
            {_time(":7")} AS removed_time, :8 AS topic, :9 AS part, :10 AS position
        FROM dual) given
    ON (stored.source_topic = given.topic AND stored.source_partition = given.part
        AND stored.source_offset = given.position)
    WHEN MATCHED THEN UPDATE SET removed_time = COALESCE(stored.removed_time, given.removed_time)
    WHEN NOT MATCHED THEN INSERT (product_id, override_price, reason, set_by, set_time, expires_time,
        removed_time, source_topic, source_partition, source_offset)
        VALUES (given.product_id, given.price, given.reason, given.set_by, given.set_time,
            given.expires_time, given.removed_time, given.topic, given.part, given.position)"""  # noqa: S608
MERGE_FREEZE = f"""
    MERGE INTO price_freezes stored USING (
        SELECT :1 AS scope, :2 AS reason, :3 AS set_by, {_time(":4")} AS set_time,
            {_time(":5")} AS lifted_time, :6 AS topic, :7 AS part, :8 AS position
        FROM dual) given
    ON (stored.source_topic = given.topic AND stored.source_partition = given.part
        AND stored.source_offset = given.position)
    WHEN MATCHED THEN UPDATE SET lifted_time = COALESCE(stored.lifted_time, given.lifted_time)
    WHEN NOT MATCHED THEN INSERT (scope, reason, set_by, set_time, lifted_time, source_topic,
        source_partition, source_offset)
        VALUES (given.scope, given.reason, given.set_by, given.set_time, given.lifted_time, given.topic,
            given.part, given.position)"""  # noqa: S608


def _text(column: str) -> str:
    return f"""TO_CHAR(SYS_EXTRACT_UTC({column}), 'YYYY-MM-DD"T"HH24:MI:SS.FF3"Z"')"""


_IN_RANGE = f"""FROM price_history
    WHERE product_id = :product_id
        AND event_time >= {_time(":since")} AND event_time < {_time(":until")}"""
SELECT_HISTORY = f"""
    SELECT price, {_text("event_time")}, price_source, demand, version, policy, adjustments, cause, source_topic,
        source_partition, source_offset
    {_IN_RANGE} ORDER BY event_time DESC, version DESC FETCH FIRST :limit ROWS ONLY"""
# Time zone conversions aside, the difference of two DATEs is a number of days.
SELECT_CHART = f"""
    WITH found AS (
        SELECT price, event_time, price_source, demand, version,
            CAST(SYS_EXTRACT_UTC(event_time) AS DATE) AS at_day {_IN_RANGE}),
    spans AS (
        SELECT found.*, COUNT(*) OVER () AS prices,
            FLOOR((at_day - MIN(at_day) OVER ()) * :points
                / GREATEST(MAX(at_day) OVER () - MIN(at_day) OVER (), 0.00001)) AS span
        FROM found),
    ranked AS (
        SELECT spans.*, ROW_NUMBER() OVER (PARTITION BY span ORDER BY event_time DESC, version DESC) AS place
        FROM spans)
    SELECT {_text("event_time")}, price, demand, price_source, version, prices
    FROM ranked WHERE place = 1 ORDER BY span"""  # noqa: S608
_BEFORE = f"""(set_time < {_time(":before")} OR (set_time = {_time(":before")}
        AND (source_partition < :part OR (source_partition = :part AND source_offset < :position))))
    ORDER BY set_time DESC, source_partition DESC, source_offset DESC FETCH FIRST :limit ROWS ONLY"""
SELECT_OVERRIDES = f"""
    SELECT product_id, override_price, reason, set_by, {_text("set_time")}, {_text("expires_time")},
        {_text("removed_time")}, source_partition, source_offset
    FROM price_overrides
    WHERE (:product_id IS NULL OR product_id = :product_id) AND {_BEFORE}"""  # noqa: S608
SELECT_FREEZES = f"""
    SELECT scope, reason, set_by, {_text("set_time")}, {_text("lifted_time")}, source_partition, source_offset
    FROM price_freezes WHERE {_BEFORE}"""  # noqa: S608

_EARLIEST_MS, _LATEST_MS = 0, 4_133_980_800_000


def connect_parameters(url: str) -> dict[str, str]:
    """user, password and dsn of `oracle://user:password@host:port/service`. Raises ValueError."""
    match = _URL.fullmatch(url)
    if not match:
        raise ValueError("an Oracle URL looks like oracle://user:password@host:port/service")
    return {name: unquote(value) for name, value in match.groupdict().items()}


def time_text(ms: int | None) -> str | None:
    return None if ms is None else to_rfc3339(ms).replace("Z", "+00:00")


def price_binds(row: PriceRow) -> tuple[Any, ...]:
    """Positional binds of INSERT_PRICE. Demand as a float, which the driver sends as an exact NUMBER."""
    return (
        row.product_id,
        repr(row.price),
        row.demand,
        row.price_source,
        time_text(row.event_time_ms),
        row.version,
        row.policy,
        row.adjustments,
        row.cause,
        row.source_topic,
        row.source_partition,
        row.source_offset,
    )


def override_binds(row: OverrideRow) -> tuple[Any, ...]:
    """Positional binds of MERGE_OVERRIDE."""
    return (
        row.product_id,
        row.override_price,
        row.reason,
        row.set_by,
        time_text(row.set_time_ms),
        time_text(row.expires_time_ms),
        time_text(row.removed_time_ms),
        row.source_topic,
        row.source_partition,
        row.source_offset,
    )


PRICE_INPUT_SIZES = (
    oracledb.DB_TYPE_VARCHAR,
    oracledb.DB_TYPE_VARCHAR,
    oracledb.DB_TYPE_NUMBER,
    oracledb.DB_TYPE_VARCHAR,
    oracledb.DB_TYPE_VARCHAR,
    oracledb.DB_TYPE_NUMBER,
    oracledb.DB_TYPE_VARCHAR,
    oracledb.DB_TYPE_CLOB,
    oracledb.DB_TYPE_VARCHAR,
    oracledb.DB_TYPE_VARCHAR,
    oracledb.DB_TYPE_NUMBER,
    oracledb.DB_TYPE_NUMBER,
)


def freeze_binds(row: FreezeRow) -> tuple[Any, ...]:
    """Positional binds of MERGE_FREEZE."""
    return (
        row.scope,
        row.reason,
        row.set_by,
        time_text(row.set_time_ms),
        time_text(row.lifted_time_ms),
        row.source_topic,
        row.source_partition,
        row.source_offset,
    )


OVERRIDE_INPUT_SIZES = (*[oracledb.DB_TYPE_VARCHAR] * 8, oracledb.DB_TYPE_NUMBER, oracledb.DB_TYPE_NUMBER)
FREEZE_INPUT_SIZES = (*[oracledb.DB_TYPE_VARCHAR] * 6, oracledb.DB_TYPE_NUMBER, oracledb.DB_TYPE_NUMBER)


class OracleWriter:
    def __init__(self, url: str) -> None:
        self._parameters = connect_parameters(url)
        self._connection: oracledb.Connection | None = None

    def write(self, rows: list[bytes]) -> None:
        tables = split_by_table(rows)
        try:
            connection = self._connection or self._connect()
            with connection.cursor() as cursor:
                if tables.prices:
                    cursor.setinputsizes(*PRICE_INPUT_SIZES)
                    binds = [price_binds(parse_price(row)) for row in tables.prices]
                    cursor.executemany(INSERT_PRICE, binds, batcherrors=True)
                    check_batch_errors(cursor.getbatcherrors())
            with connection.cursor() as cursor:
                if tables.overrides:
                    cursor.setinputsizes(*OVERRIDE_INPUT_SIZES)
                    binds = [override_binds(parse_override(row)) for row in tables.overrides]
                    cursor.executemany(MERGE_OVERRIDE, binds)
            with connection.cursor() as cursor:
                if tables.freezes:
                    cursor.setinputsizes(*FREEZE_INPUT_SIZES)
                    binds = [freeze_binds(parse_freeze(row)) for row in tables.freezes]
                    cursor.executemany(MERGE_FREEZE, binds)
            connection.commit()
        except oracledb.Error as error:
            self.close()
            raise StoreError(describe_error(error)) from None

    def close(self) -> None:
        """Give up the connection; what is not committed is rolled back by the server."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except oracledb.Error as error:
                log.debug("connection not closed cleanly", error=describe_error(error))

    def _connect(self) -> oracledb.Connection:
        migrate(self._parameters)
        connection = _open(self._parameters)
        self._connection = connection
        return connection


def check_batch_errors(errors: list[Any]) -> None:
    """Duplicates are what a replay brings, and are left. Any other error raises oracledb.DatabaseError."""
    for error in errors:
        if error.code != DUPLICATE:
            raise oracledb.DatabaseError(error)


def _open(parameters: dict[str, str]) -> oracledb.Connection:
    connection = oracledb.connect(**parameters, tcp_connect_timeout=CONNECT_WITHIN_S)
    connection.call_timeout = CALL_WITHIN_MS
    return connection


def migrate(parameters: dict[str, str]) -> None:
    """Apply what is missing. DDL commits in Oracle: one session holds the lock, another does the work."""
    with _open(parameters) as locking, _open(parameters) as working:
        with locking.cursor() as lock, working.cursor() as cursor:
            _create(lock, "CREATE TABLE pricewax_migration_lock (held NUMBER(1))")
            lock.execute("LOCK TABLE pricewax_migration_lock IN EXCLUSIVE MODE")
            _create(
                cursor,
                "CREATE TABLE pricewax_migrations (version NUMBER(10) PRIMARY KEY,"
                " applied_at TIMESTAMP WITH TIME ZONE DEFAULT SYSTIMESTAMP NOT NULL)",
            )
            cursor.execute("SELECT version FROM pricewax_migrations")
            done = {row[0] for row in cursor.fetchall()}
            for version, statements in migrations("oracle"):
                if version in done:
                    continue
                for statement in statements:
                    _create(cursor, statement)
                cursor.execute("INSERT INTO pricewax_migrations (version) VALUES (:1)", [version])
                working.commit()
                log.info("migration applied", version=version)
        locking.rollback()


def _create(cursor: oracledb.Cursor, statement: str) -> None:
    """Run DDL; what is there already is left: a crash may have come between two statements."""
    try:
        cursor.execute(statement)
    except oracledb.DatabaseError as error:
        if error.args[0].code not in DONE_BEFORE:
            raise


class OracleReader:
    def __init__(self, url: str) -> None:
        self._parameters = connect_parameters(url)
        self._pool: oracledb.AsyncConnectionPool | None = None

    async def read(self, product_id: str, limit: int, from_ms: int | None, to_ms: int | None) -> list[HistoryPoint]:
        rows = await self._fetch(SELECT_HISTORY, {**_range(product_id, from_ms, to_ms), "limit": limit})
        return [
            HistoryPoint(
                float(price),
                event_time,
                source,
                float(demand),
                int(version),
                policy,
                _json(adjustments),
                cause,
                SourcePosition(topic, part, pos),
            )
            for price, event_time, source, demand, version, policy, adjustments, cause, topic, part, pos in rows
        ]

    async def chart(self, product_id: str, points: int, from_ms: int | None, to_ms: int | None) -> Chart:
        rows = await self._fetch(SELECT_CHART, {**_range(product_id, from_ms, to_ms), "points": points - 1})
        found = [
            ChartPoint(parse_rfc3339(event_time), float(price), float(demand), source, int(version))
            for event_time, price, demand, source, version, _ in rows
        ]
        return Chart(found, int(rows[0][5]) if rows else 0)

    async def overrides(self, product_id: str | None, limit: int, before: Place) -> list[PastOverride]:
        binds = {**_before(before), "product_id": product_id, "limit": limit}
        return [
            PastOverride(
                product_id,
                float(price),
                reason,
                set_by,
                set_at,
                expires_at,
                removed_at,
                Place(parse_rfc3339(set_at), part, position),
            )
            for product_id, price, reason, set_by, set_at, expires_at, removed_at, part, position in (
                await self._fetch(SELECT_OVERRIDES, binds)
            )
        ]

    async def freezes(self, limit: int, before: Place) -> list[PastFreeze]:
        return [
            PastFreeze(scope, reason, set_by, set_at, lifted_at, Place(parse_rfc3339(set_at), part, position))
            for scope, reason, set_by, set_at, lifted_at, part, position in (
                await self._fetch(SELECT_FREEZES, {**_before(before), "limit": limit})
            )
        ]

    async def ping(self) -> bool:
        try:
            return bool(await self._fetch("SELECT 1 FROM dual", {}))
        except StoreError:
            return False

    async def _fetch(self, query: str, binds: dict[str, Any]) -> list[Any]:
        try:
            if self._pool is None:
                self._pool = oracledb.create_pool_async(
                    **self._parameters, min=0, max=POOL_SIZE_MAX, tcp_connect_timeout=CONNECT_WITHIN_S
                )
            async with self._pool.acquire() as connection:
                connection.call_timeout = CALL_WITHIN_MS
                return list(await connection.fetchall(query, binds, fetch_lobs=False))
        except oracledb.Error as error:
            raise StoreError(describe_error(error)) from None

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close(force=True)


def _json(value: Any) -> msgspec.Raw:
    """JSON of a column that has to be JSON: the driver gives its text, or what it means, by its version."""
    return msgspec.Raw(value.encode() if isinstance(value, str) else msgspec.json.encode(value))


def _range(product_id: str, from_ms: int | None, to_ms: int | None) -> dict[str, Any]:
    return {
        "product_id": product_id,
        "since": time_text(_EARLIEST_MS if from_ms is None else from_ms),
        "until": time_text(_LATEST_MS if to_ms is None else to_ms),
    }


def _before(place: Place) -> dict[str, Any]:
    return {"before": time_text(place.at_ms), "part": place.partition, "position": place.offset}
