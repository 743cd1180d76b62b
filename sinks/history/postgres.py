"""History in Postgres: COPY into a temporary table, then one INSERT. Rows that are stored already do not change."""

import re
import time
from datetime import date, timedelta
from functools import cache
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg._encodings import pg2pyenc

import telemetry
from clients import postgres
from core.errors import SchemaError, StoreError, describe_error
from sinks.history.schema import check_columns, foreign_table, migrations, note_refusal
from sinks.history.store import Dialect, end_within
from sinks.history.tables import (
    DAY_US,
    PRICE_DECIMALS,
    PRICE_INTEGERS,
    Column,
    Kind,
    Table,
    days_of,
    prices_to_widen,
    split_by_table,
)

LOCK_ID = 0x50524943  # "PRIC"
MIGRATE_WITHIN_S = 3600.0
"""Time limit of all migrations. The index of a large table takes minutes."""

DIALECT = Dialect(
    name="postgres",
    moment="{}::timestamptz",
    text="""to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')""",
    micros="{}::timestamptz",
    text_us="""to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
    seconds="extract(epoch FROM {})",
    json="{}::text",
    true="true",
)

_TYPES: dict[Kind, str] = {
    "text": "text",
    "price": "numeric",
    "amount": "numeric",
    "double": "double precision",
    "integer": "bigint",
    "time": "bigint",
    "micros": "bigint",
    "json": "jsonb",
    "boolean": "boolean",
}
_ACCEPTED: dict[Kind, tuple[str, ...]] = {
    "text": ("text", "character varying"),
    "price": ("numeric",),
    "amount": ("numeric",),
    "double": ("double precision",),
    "integer": ("bigint", "integer"),
    "time": ("timestamp with time zone",),
    "micros": ("timestamp with time zone",),
    "json": ("jsonb", "json"),
    "boolean": ("boolean",),
}
"""Kind of a column to its types in the tables."""

_ANY_TEXT = ("UTF8", "SQL_ASCII")
_REFUSALS = ("42", "3F")
"""Classes of SQLSTATE for statements that do not fit the tables, and for missing rights."""

_SINCE = "timestamptz '1970-01-01 00:00:00+00' + interval '1 {}' *"
_MOMENTS: dict[Kind, str] = {"time": _SINCE.format("millisecond"), "micros": _SINCE.format("microsecond")}

DROP_EVERY_S = 600.0
"""Pause between two looks for days to drop."""

log = telemetry.get_logger("postgres")


def staging_statement(table: Table) -> str:
    """The statement that makes the temporary table for COPY. If the table has an `end`, the column `position` is
    the order of rows. Other tables have none, because a sequence costs the server time for every row."""
    order = ["position bigserial"] if table.end else []
    document = ["document json"] if table.document else []
    fields = [f"{field.name} {_TYPES[field.kind]}" for field in table.fields]
    columns = ", ".join([*order, *document, *fields])
    return f"CREATE TEMPORARY TABLE staged_{table.name} ({columns}) ON COMMIT DELETE ROWS"


def copy_statement(table: Table) -> str:
    """The statement that copies rows without their tags into the temporary table."""
    document = ["document"] if table.document else []
    return (
        f"COPY staged_{table.name} ({', '.join([*document, *(field.name for field in table.fields)])}) FROM STDIN"
    )


def insert_statement(table: Table) -> str:
    """The statement that moves rows from the temporary table into the table.

    If the key of a row is stored already, only a missing `end` of the stored row is filled in, or the row with the
    higher `version` stays. Of several new rows of a key, the one with the end or the highest version is used."""
    names, key = ", ".join(column.name for column in table.columns), ", ".join(table.key)
    source = f"staged_{table.name}"
    if table.document:
        parts = (f"{table.document[c.name]} {_TYPES[c.kind]}" for c in table.columns if c.name in table.document)
        source += f", json_to_record(document) AS given ({', '.join(parts)})"
    values = ", ".join(_value(table, column) for column in table.columns)
    if table.keeps_first:
        return f"INSERT INTO {table.name} ({names}) SELECT {values} FROM {source} ON CONFLICT ({key}) DO NOTHING"  # noqa: S608
    if table.version is not None:
        others = [column.name for column in table.columns if column.name not in table.key]
        return (
            f"INSERT INTO {table.name} AS stored ({names}) SELECT DISTINCT ON ({key}) {values} FROM {source}"  # noqa: S608
            f" ORDER BY {key}, {table.version} DESC ON CONFLICT ({key}) DO UPDATE"
            f" SET {', '.join(f'{name} = excluded.{name}' for name in others)}"
            f" WHERE excluded.{table.version} > stored.{table.version}"
        )
    return (
        f"INSERT INTO {table.name} AS stored ({names}) SELECT DISTINCT ON ({key}) {values} FROM {source}"  # noqa: S608
        f" ORDER BY {key}, {source}.{table.end} NULLS LAST, position"
        f" ON CONFLICT ({key}) DO UPDATE SET {table.end} = coalesce(stored.{table.end}, excluded.{table.end})"
    )


def _value(table: Table, column: Column) -> str:
    name = table.document.get(column.name, column.name)
    return f"{_MOMENTS[column.kind]} {name}" if column.kind in _MOMENTS else name


def partition_name(table: Table, day: int) -> str:
    """The partition of a day, such as `price_ticks_enriched_20111205`. day: number since 1970."""
    return f"{table.name}_{date(1970, 1, 1) + timedelta(days=day):%Y%m%d}"


def partition_statement(table: Table, day: int) -> str:
    """The statement that makes the partition of a day, if it is missing."""
    first = date(1970, 1, 1) + timedelta(days=day)
    bounds = (f"'{each.isoformat()} 00:00:00+00'" for each in (first, first + timedelta(days=1)))
    return (
        f"CREATE TABLE IF NOT EXISTS {partition_name(table, day)} PARTITION OF {table.name}"
        f" FOR VALUES FROM ({next(bounds)}) TO ({next(bounds)})"
    )


class PostgresWriter:
    """The `HistoryWriter` of Postgres. Belongs to one thread."""

    def __init__(self, url: str, tables: tuple[Table, ...], schema: str | None = None) -> None:
        self._url = url
        self._tables = tables
        self._schema = schema
        self._statements = {table.name: (copy_statement(table), insert_statement(table)) for table in tables}
        self._connection: psycopg.Connection | None = None
        self._staged = False
        self._codec: str | None = None
        # Table and day of each partition that is known to be there.
        self._days: set[tuple[str, int]] = set()
        self._drop_at_s = 0.0

    def write(self, rows: list[bytes]) -> int:
        repeated = 0
        try:
            connection = self._connection or self._connect()
            if self._codec is not None:
                rows = [_fit(row, self._codec) for row in rows]
            split = split_by_table(self._tables, rows)
            for table, found in split:
                self._make_partitions(connection, table, days_of(table, found))
            self._drop_old_days(connection)
            with postgres.time_limit(connection):
                if rows and not self._staged:
                    for table in self._tables:
                        connection.execute(_safe(staging_statement(table)))
                    self._staged = True
                with connection.transaction(), connection.cursor() as cursor:
                    for table, found in split:
                        into_staging, from_staging = self._statements[table.name]
                        with cursor.copy(_safe(into_staging)) as copy:
                            copy.write(b"\n".join(found) + b"\n")
                        cursor.execute(_safe(from_staging))
                        if table.keeps_first:
                            repeated += len(found) - cursor.rowcount
        except (psycopg.Error, SchemaError) as error:
            # A new connection after every error: after a fail-over the old server may be read-only.
            self.close()
            described = store_error(error)
            if isinstance(described, SchemaError):
                note_refusal(described)
            raise described from None
        note_refusal(None)
        return repeated

    def close(self) -> None:
        """Close the connection. The server rolls back rows that are not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _make_partitions(self, connection: psycopg.Connection, table: Table, days: set[int]) -> None:
        for day in sorted(days):
            if (table.name, day) in self._days:
                continue
            with postgres.time_limit(connection), connection.transaction():
                # Two writers that make a partition at once would wait for each other.
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_ID,))
                connection.execute(_safe(partition_statement(table, day)))
            self._days.add((table.name, day))

    def _drop_old_days(self, connection: psycopg.Connection) -> None:
        """Drop the partitions of days that are not kept. Rows of such a day that come later make it again."""
        kept = [table for table in self._tables if table.keep_days]
        if not kept or time.monotonic() < self._drop_at_s:
            return
        self._drop_at_s = time.monotonic() + DROP_EVERY_S
        today = time.time_ns() // 1000 // DAY_US
        for table in kept:
            before = partition_name(table, today - table.keep_days)
            with postgres.time_limit(connection), connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_ID,))
                statement = """SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
                    WHERE inhparent = to_regclass(%s) AND relname < %s ORDER BY relname"""
                old = [row[0] for row in connection.execute(statement, (table.name, before))]
                for name in old:
                    connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
            if old:
                self._days.clear()
                log.info("days that are not kept any more are dropped", table=table.name, days=len(old))

    def _connect(self) -> psycopg.Connection:
        connection = postgres.connect(self._url, self._schema)
        try:
            migrate(connection, self._tables, self._schema)
            with postgres.time_limit(connection):
                check_tables(connection, self._tables)
            widen_prices(connection, self._tables)
        except BaseException:
            connection.close()
            raise
        self._staged = False
        self._days.clear()
        self._codec = _codec_of(connection)
        self._connection = connection
        return connection


def store_error(error: psycopg.Error | SchemaError) -> StoreError:
    """The error of a statement: a SchemaError if the tables or the rights are not as they must be."""
    if isinstance(error, SchemaError):
        return error
    if (error.sqlstate or "").startswith(_REFUSALS):
        return SchemaError(describe_error(error))
    return StoreError(describe_error(error))


def _codec_of(connection: psycopg.Connection) -> str | None:
    """Python's codec of the database's encoding; None if the database takes any text."""
    encoding = connection.info.parameter_status("server_encoding") or "UTF8"
    if encoding in _ANY_TEXT:
        return None
    log.warning(
        "the database takes no text outside its encoding; such characters are stored as ?", encoding=encoding
    )
    return pg2pyenc(encoding.encode())


def _fit(row: bytes, codec: str) -> bytes:
    """A row with `?` for each character that the database's encoding does not have."""
    return row if row.isascii() else row.decode().encode(codec, "replace").decode(codec).encode()


def migrate(connection: psycopg.Connection, tables: tuple[Table, ...], schema: str | None = None) -> None:
    """Apply missing migrations. A lock allows any number of processes to start at once. If there are none, no right
    to make tables is needed. schema: the schema of the tables, which is made if it is missing. Raises
    psycopg.Error, and SchemaError if another program made a table with a name of ours.

    A migration may take long, because an index of a large table does. Other processes try again meanwhile."""
    wanted = migrations("postgres")
    with postgres.time_limit(connection):
        if {version for version, _ in wanted} <= _applied(connection):
            return
    with postgres.time_limit(connection, MIGRATE_WITHIN_S), connection.transaction():
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_ID,))
        if schema is not None and connection.execute("SELECT current_schema()").fetchone() == (None,):
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        done = _applied(connection)
        if not done and (taken := _existing(connection, tables)):
            raise foreign_table(taken)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS pricewax_migrations"
            " (version integer PRIMARY KEY, applied_at timestamp with time zone NOT NULL DEFAULT now())"
        )
        for version, statements in wanted:
            if version in done:
                continue
            for statement in statements:
                connection.execute(sql.SQL(_safe(statement)))
            connection.execute("INSERT INTO pricewax_migrations (version) VALUES (%s)", (version,))
            log.info("migration applied", version=version)


def _applied(connection: psycopg.Connection) -> set[int]:
    """Numbers of the migrations that were applied."""
    if connection.execute("SELECT to_regclass('pricewax_migrations')").fetchone() == (None,):
        return set()
    return {row[0] for row in connection.execute("SELECT version FROM pricewax_migrations")}


def _existing(connection: psycopg.Connection, tables: tuple[Table, ...]) -> list[str]:
    """Names of these tables that are in the schema in which new tables are made, sorted."""
    statement = """SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = current_schema() AND relname = ANY(%s) ORDER BY relname"""
    return [row[0] for row in connection.execute(statement, ([table.name for table in tables],))]


def check_tables(connection: psycopg.Connection, tables: tuple[Table, ...]) -> None:
    """Check the columns of the tables. Raises SchemaError."""
    statement = """SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
        WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"""
    for table in tables:
        check_columns(table, dict(connection.execute(statement, (table.name,)).fetchall()), _ACCEPTED)


def widen_prices(connection: psycopg.Connection, tables: tuple[Table, ...]) -> None:
    """Give columns of prices the decimals of the currency. Does nothing for a currency with two or fewer."""
    statement = """SELECT column_name, numeric_scale FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = %s"""
    for table in tables:
        if table.decimals <= PRICE_DECIMALS:
            continue
        with postgres.time_limit(connection):
            scales: dict[str, int | None] = dict(connection.execute(statement, (table.name,)).fetchall())
        narrow = prices_to_widen(table, scales)
        if not narrow:
            continue
        wider = f"numeric({PRICE_INTEGERS + table.decimals}, {table.decimals})"
        changes = ", ".join(f"ALTER COLUMN {name} TYPE {wider}" for name in narrow)
        # Postgres writes the whole table again.
        with postgres.time_limit(connection, MIGRATE_WITHIN_S), connection.transaction():
            connection.execute("SET LOCAL statement_timeout = 0")
            connection.execute(_safe(f"ALTER TABLE {table.name} {changes}"))
        log.info("prices have more decimals now", table=table.name, columns=narrow, type=wider)


class PostgresDatabase:
    """The `Database` of Postgres. Belongs to one event loop."""

    dialect = DIALECT

    def __init__(self, url: str, schema: str | None = None) -> None:
        self._pool = postgres.make_pool(url, schema)
        self._opened = False

    async def fetch(self, statement: str, binds: dict[str, Any]) -> list[Any]:
        try:
            return await end_within(self._fetch(statement, binds), postgres.READ_WITHIN_S)
        except psycopg.errors.UndefinedTable:
            return []
        except psycopg.Error as error:
            raise store_error(error) from None

    async def _fetch(self, statement: str, binds: dict[str, Any]) -> list[Any]:
        if not self._opened:
            await self._pool.open()
            self._opened = True
        async with (
            self._pool.connection(timeout=postgres.READ_WITHIN_S) as connection,
            postgres.time_limit_async(connection, postgres.READ_WITHIN_S),
        ):
            return await (await connection.execute(_named_binds(statement), binds)).fetchall()

    async def close(self) -> None:
        await self._pool.close(postgres.CLOSE_WITHIN_S)


@cache
def _named_binds(statement: str) -> LiteralString:
    """A statement with `:name` in psycopg's form of a bind. `::type` does not change."""
    return _safe(re.sub(r"(?<![:\w]):([a-z_]+)", r"%(\1)s", statement))


def _safe(statement: str) -> LiteralString:
    """The statement, for the type checker: all statements are made of constants of the code, and values are
    binds."""
    return statement
