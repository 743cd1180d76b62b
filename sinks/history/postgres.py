"""History in Postgres: COPY into a temporary table, then one INSERT. Rows that are stored already do not change."""

import re
from functools import cache
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg_pool import PoolTimeout

import telemetry
from clients import postgres
from core.errors import StoreError, describe_error
from sinks.history.schema import migrations
from sinks.history.store import Dialect
from sinks.history.tables import Column, Kind, Table, split_by_table

LOCK_ID = 0x50524943  # "PRIC"
MIGRATE_WITHIN_S = 3600.0
"""Time limit of all migrations. The index of a large table takes minutes."""

DIALECT = Dialect(
    name="postgres",
    moment="{}::timestamptz",
    text="""to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')""",
    seconds="extract(epoch FROM {})",
    json="{}::text",
)

_TYPES: dict[Kind, str] = {
    "text": "text",
    "price": "numeric",
    "double": "double precision",
    "integer": "bigint",
    "time": "bigint",
    "json": "jsonb",
}
_EPOCH = "timestamptz '1970-01-01 00:00:00+00' + interval '1 millisecond' *"

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

    If the key of a row is stored already, only a missing `end` of the stored row is filled in. Of several new rows
    of a key, the one with the end is used."""
    names, key = ", ".join(column.name for column in table.columns), ", ".join(table.key)
    source = f"staged_{table.name}"
    if table.document:
        parts = (f"{table.document[c.name]} {_TYPES[c.kind]}" for c in table.columns if c.name in table.document)
        source += f", json_to_record(document) AS given ({', '.join(parts)})"
    values = ", ".join(_value(table, column) for column in table.columns)
    if table.end is None:
        return f"INSERT INTO {table.name} ({names}) SELECT {values} FROM {source} ON CONFLICT ({key}) DO NOTHING"  # noqa: S608
    return (
        f"INSERT INTO {table.name} AS stored ({names}) SELECT DISTINCT ON ({key}) {values} FROM {source}"  # noqa: S608
        f" ORDER BY {key}, {source}.{table.end} NULLS LAST, position"
        f" ON CONFLICT ({key}) DO UPDATE SET {table.end} = coalesce(stored.{table.end}, excluded.{table.end})"
    )


def _value(table: Table, column: Column) -> str:
    name = table.document.get(column.name, column.name)
    return f"{_EPOCH} {name}" if column.kind == "time" else name


class PostgresWriter:
    """The `HistoryWriter` of Postgres. Belongs to one thread."""

    def __init__(self, url: str, tables: tuple[Table, ...]) -> None:
        self._url = url
        self._tables = tables
        self._statements = {table.name: (copy_statement(table), insert_statement(table)) for table in tables}
        self._connection: psycopg.Connection | None = None

    def write(self, rows: list[bytes]) -> None:
        try:
            connection = self._connection or self._connect()
            with postgres.time_limit(connection), connection.transaction(), connection.cursor() as cursor:
                for table, found in split_by_table(self._tables, rows):
                    into_staging, from_staging = self._statements[table.name]
                    with cursor.copy(_safe(into_staging)) as copy:
                        copy.write(b"\n".join(found) + b"\n")
                    cursor.execute(_safe(from_staging))
        except psycopg.Error as error:
            # A new connection after every error: after a fail-over the old server may be read-only.
            self.close()
            raise StoreError(describe_error(error)) from None

    def close(self) -> None:
        """Close the connection. The server rolls back rows that are not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> psycopg.Connection:
        connection = postgres.connect(self._url)
        try:
            migrate(connection)
            with postgres.time_limit(connection):
                for table in self._tables:
                    connection.execute(_safe(staging_statement(table)))
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection


def migrate(connection: psycopg.Connection) -> None:
    """Apply missing migrations. A lock allows any number of processes to start at once. Raises psycopg.Error.

    A migration may take long, because an index of a large table does. Other processes try again meanwhile."""
    with postgres.time_limit(connection):
        if not _pending(connection):
            return
    with postgres.time_limit(connection, MIGRATE_WITHIN_S), connection.transaction():
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_ID,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS pricewax_migrations"
            " (version integer PRIMARY KEY, applied_at timestamp with time zone NOT NULL DEFAULT now())"
        )
        for version, statements in _pending(connection):
            for statement in statements:
                connection.execute(sql.SQL(_safe(statement)))
            connection.execute("INSERT INTO pricewax_migrations (version) VALUES (%s)", (version,))
            log.info("migration applied", version=version)


def _pending(connection: psycopg.Connection) -> list[tuple[int, list[str]]]:
    """The migrations that are not applied yet."""
    known = connection.execute("SELECT to_regclass('pricewax_migrations')").fetchone()
    if known is None or known[0] is None:
        return migrations("postgres")
    done = {row[0] for row in connection.execute("SELECT version FROM pricewax_migrations")}
    return [(version, statements) for version, statements in migrations("postgres") if version not in done]


class PostgresDatabase:
    """The `Database` of Postgres. Belongs to one event loop."""

    dialect = DIALECT

    def __init__(self, url: str) -> None:
        self._pool = postgres.make_pool(url)
        self._opened = False

    async def fetch(self, statement: str, binds: dict[str, Any]) -> list[Any]:
        try:
            if not self._opened:
                await self._pool.open()
                self._opened = True
            async with self._pool.connection(timeout=postgres.READ_WITHIN_S) as connection:
                return await (await connection.execute(_named_binds(statement), binds)).fetchall()
        except psycopg.errors.UndefinedTable:
            return []
        except (psycopg.Error, PoolTimeout) as error:
            raise StoreError(describe_error(error)) from None

    async def ping(self) -> bool:
        try:
            return bool(await self.fetch("SELECT 1", {}))
        except StoreError:
            return False

    async def close(self) -> None:
        await self._pool.close()


@cache
def _named_binds(statement: str) -> LiteralString:
    """A statement with `:name` in psycopg's form of a bind. `::type` does not change."""
    return _safe(re.sub(r"(?<![:\w]):([a-z_]+)", r"%(\1)s", statement))


def _safe(statement: str) -> LiteralString:
    """The statement, for the type checker: all statements are made of constants of the code, and values are
    binds."""
    return statement
