"""History in Oracle through python-oracledb's thin mode: array binds, and rows that are stored already do not
change.

Times and amounts are sent as text, and the server converts them. The driver's datetime has no time zone for
`TIMESTAMP WITH TIME ZONE`, and a float would be rounded."""

from typing import Any

import oracledb

import telemetry
from clients import oracle
from core.errors import StoreError, describe_error
from sinks.history.schema import migrations
from sinks.history.store import Dialect, bind_time
from sinks.history.tables import Column, Kind, Table, Value, parse_row, split_by_table

DUPLICATE = 1  # ORA-00001: unique constraint violated
# Name already used by an object; no such constraint; such a unique key exists; name used by a constraint.
DONE_BEFORE = (955, 2443, 2261, 2264)

DIALECT = Dialect(
    name="oracle",
    moment="""TO_TIMESTAMP_TZ({}, 'YYYY-MM-DD"T"HH24:MI:SS.FF3TZH:TZM')""",
    text="""TO_CHAR(SYS_EXTRACT_UTC({}), 'YYYY-MM-DD"T"HH24:MI:SS.FF3"Z"')""",
    # The difference of two DATEs is a number of days.
    seconds="(CAST(SYS_EXTRACT_UTC({}) AS DATE) - DATE '1970-01-01') * 86400",
    json="{}",
)

_NUMBER = "TO_NUMBER({}, '99999999990D99', 'NLS_NUMERIC_CHARACTERS=''.,''')"
_BINDS: dict[Kind, str] = {"price": _NUMBER, "time": DIALECT.moment}
_INPUT_TYPES: dict[Kind, Any] = {
    "text": oracledb.DB_TYPE_VARCHAR,
    "price": oracledb.DB_TYPE_VARCHAR,
    "time": oracledb.DB_TYPE_VARCHAR,
    "json": oracledb.DB_TYPE_CLOB,
    # A float is sent as an exact NUMBER.
    "double": oracledb.DB_TYPE_NUMBER,
    "integer": oracledb.DB_TYPE_NUMBER,
}

log = telemetry.get_logger("oracle")


def write_statement(table: Table) -> str:
    """The statement that writes a row, with a positional bind for each column.

    It is an INSERT, which fails for a duplicate. For a table with an `end` it is a MERGE, which fills in the end of
    a stored row."""
    names = [column.name for column in table.columns]
    binds = [_BINDS.get(column.kind, "{}").format(f":{n}") for n, column in enumerate(table.columns, 1)]
    if table.end is None:
        return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join(binds)})"  # noqa: S608
    given = ", ".join(f"{bind} AS {name}" for name, bind in zip(names, binds, strict=True))
    same = " AND ".join(f"stored.{name} = given.{name}" for name in table.key)
    return (
        f"MERGE INTO {table.name} stored USING (SELECT {given} FROM dual) given ON ({same})"  # noqa: S608
        f" WHEN MATCHED THEN UPDATE SET {table.end} = COALESCE(stored.{table.end}, given.{table.end})"
        f" WHEN NOT MATCHED THEN INSERT ({', '.join(names)})"
        f" VALUES ({', '.join(f'given.{name}' for name in names)})"
    )


def input_types(table: Table) -> list[Any]:
    """The driver's types for the binds of `write_statement`, in order."""
    return [_INPUT_TYPES[column.kind] for column in table.columns]


def binds_of(table: Table, row: bytes) -> list[Value]:
    """The binds of `write_statement` for one row without its tag."""
    return [_bind(column, value) for column, value in zip(table.columns, parse_row(table, row), strict=True)]


def _bind(column: Column, value: Value) -> Value:
    if column.kind == "time" and value is not None:
        return bind_time(int(value))
    return value


class OracleWriter:
    """The `HistoryWriter` of Oracle. Belongs to one thread."""

    def __init__(self, url: str, tables: tuple[Table, ...]) -> None:
        self._url = url
        self._tables = tables
        self._connection: oracledb.Connection | None = None

    def write(self, rows: list[bytes]) -> None:
        try:
            connection = self._connection or self._connect()
            for table, found in split_by_table(self._tables, rows):
                with connection.cursor() as cursor:
                    cursor.setinputsizes(*input_types(table))
                    binds = [binds_of(table, row) for row in found]
                    cursor.executemany(write_statement(table), binds, batcherrors=table.end is None)
                    if table.end is None:
                        check_batch_errors(cursor.getbatcherrors())
            connection.commit()
        except oracledb.Error as error:
            self.close()
            raise StoreError(describe_error(error)) from None

    def close(self) -> None:
        """Close the connection. The server rolls back rows that are not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except oracledb.Error as error:
                log.debug("connection not closed cleanly", error=describe_error(error))

    def _connect(self) -> oracledb.Connection:
        migrate(self._url)
        self._connection = oracle.connect(self._url)
        return self._connection


def check_batch_errors(errors: list[Any]) -> None:
    """Ignore duplicates, which a replay brings. Raises oracledb.DatabaseError for any other error of a batch."""
    for error in errors:
        if error.code != DUPLICATE:
            raise oracledb.DatabaseError(error)


def migrate(url: str) -> None:
    """Apply missing migrations. In Oracle, DDL commits, which would release a lock. So one session holds the lock,
    and another one does the work. Raises oracledb.Error."""
    with oracle.connect(url) as locking, oracle.connect(url) as working:
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
    """Run DDL. An object that exists already is no error: a crash may have come between two statements."""
    try:
        cursor.execute(statement)
    except oracledb.DatabaseError as error:
        if error.args[0].code not in DONE_BEFORE:
            raise


class OracleDatabase:
    """The `Database` of Oracle. Belongs to one event loop. Raises ValueError for a bad URL."""

    dialect = DIALECT

    def __init__(self, url: str) -> None:
        # Checked here, so that a bad URL is an error at the start.
        oracle.parse_url(url)
        self._url = url
        self._pool: oracledb.AsyncConnectionPool | None = None

    async def fetch(self, statement: str, binds: dict[str, Any]) -> list[Any]:
        try:
            if self._pool is None:
                self._pool = oracle.make_pool(self._url)
            async with self._pool.acquire() as connection:
                connection.call_timeout = oracle.CALL_WITHIN_MS
                return list(await connection.fetchall(statement, binds, fetch_lobs=False))
        except oracledb.Error as error:
            raise StoreError(describe_error(error)) from None

    async def ping(self) -> bool:
        try:
            return bool(await self.fetch("SELECT 1 FROM dual", {}))
        except StoreError:
            return False

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close(force=True)
