"""History in Oracle through python-oracledb's thin mode: array binds, and rows that are stored already do not
change.

Times and amounts are sent as text, and the server converts them. The driver's datetime has no time zone for
`TIMESTAMP WITH TIME ZONE`, and a float would be rounded."""

import contextlib
import time
from typing import Any

import oracledb

import telemetry
from clients import oracle
from core.errors import SchemaError, StoreError, describe_error
from sinks.history.schema import check_columns, foreign_table, migrations, note_refusal
from sinks.history.store import Dialect, bind_time, end_within
from sinks.history.tables import (
    PRICE_DECIMALS,
    PRICE_INTEGERS,
    Column,
    Kind,
    Table,
    Value,
    parse_row,
    prices_to_widen,
    split_by_table,
)

DUPLICATE = 1  # ORA-00001: unique constraint violated
# Name already used by an object; no such constraint; such a unique key exists; name used by a constraint.
DONE_BEFORE = (955, 2443, 2261, 2264)

CLOSE_WITHIN_S = 1.0
DELETE_ROWS = 10_000
DELETE_EVERY_S = 600.0
"""Pause between two looks for days to delete, once all are deleted."""

NO_TABLE = 942
REFUSALS = (904, 942, 1031, 1435, 1950)
"""Invalid identifier; no such table; no right; no such user; no right to the tablespace."""

DIALECT = Dialect(
    name="oracle",
    moment="""TO_TIMESTAMP_TZ({}, 'YYYY-MM-DD"T"HH24:MI:SS.FF3TZH:TZM')""",
    text="""TO_CHAR(SYS_EXTRACT_UTC({}), 'YYYY-MM-DD"T"HH24:MI:SS.FF3"Z"')""",
    micros="""TO_TIMESTAMP_TZ({}, 'YYYY-MM-DD"T"HH24:MI:SS.FF6TZH:TZM')""",
    text_us="""TO_CHAR(SYS_EXTRACT_UTC({}), 'YYYY-MM-DD"T"HH24:MI:SS.FF6"Z"')""",
    # The difference of two DATEs is a number of days.
    seconds="(CAST(SYS_EXTRACT_UTC({}) AS DATE) - DATE '1970-01-01') * 86400",
    json="{}",
    true="1",
)

_NUMBER = "TO_NUMBER({}, '99999999990D9999', 'NLS_NUMERIC_CHARACTERS=''.,''')"
_AMOUNT = _NUMBER.replace("99999999990D9999", "99999999999999999990D99999999")
_BINDS: dict[Kind, str] = {"price": _NUMBER, "amount": _AMOUNT, "time": DIALECT.moment, "micros": DIALECT.micros}
_ACCEPTED: dict[Kind, tuple[str, ...]] = {
    "text": ("VARCHAR2", "NVARCHAR2"),
    "price": ("NUMBER",),
    "amount": ("NUMBER",),
    "double": ("BINARY_DOUBLE", "NUMBER", "FLOAT"),
    "integer": ("NUMBER",),
    "time": ("TIMESTAMP(6) WITH TIME ZONE", "TIMESTAMP(3) WITH TIME ZONE", "TIMESTAMP(9) WITH TIME ZONE"),
    "micros": ("TIMESTAMP(6) WITH TIME ZONE", "TIMESTAMP(9) WITH TIME ZONE"),
    "json": ("CLOB", "JSON", "VARCHAR2"),
    "boolean": ("NUMBER",),
}
"""Kind of a column to its types in the tables."""

_INPUT_TYPES: dict[Kind, Any] = {
    "text": oracledb.DB_TYPE_VARCHAR,
    "price": oracledb.DB_TYPE_VARCHAR,
    "amount": oracledb.DB_TYPE_VARCHAR,
    "time": oracledb.DB_TYPE_VARCHAR,
    "micros": oracledb.DB_TYPE_VARCHAR,
    "json": oracledb.DB_TYPE_CLOB,
    # A float is sent as an exact NUMBER.
    "double": oracledb.DB_TYPE_NUMBER,
    "integer": oracledb.DB_TYPE_NUMBER,
    "boolean": oracledb.DB_TYPE_NUMBER,
}

log = telemetry.get_logger("oracle")


def write_statement(table: Table) -> str:
    """The statement that writes a row, with a positional bind for each column.

    It is an INSERT, which fails for a duplicate. For a table with an `end` it is a MERGE, which fills in the end of
    a stored row; for a table with a `version`, a MERGE that replaces a stored row of a lower version."""
    names = [column.name for column in table.columns]
    binds = [_BINDS.get(column.kind, "{}").format(f":{n}") for n, column in enumerate(table.columns, 1)]
    if table.keeps_first:
        return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join(binds)})"  # noqa: S608
    given = ", ".join(f"{bind} AS {name}" for name, bind in zip(names, binds, strict=True))
    same = " AND ".join(f"stored.{name} = given.{name}" for name in table.key)
    return (
        f"MERGE INTO {table.name} stored USING (SELECT {given} FROM dual) given ON ({same})"  # noqa: S608
        f" WHEN MATCHED THEN UPDATE SET {_update(table)}"
        f" WHEN NOT MATCHED THEN INSERT ({', '.join(names)})"
        f" VALUES ({', '.join(f'given.{name}' for name in names)})"
    )


def _update(table: Table) -> str:
    """The part of a MERGE that changes a stored row."""
    if table.version is None:
        return f"{table.end} = COALESCE(stored.{table.end}, given.{table.end})"
    others = [column.name for column in table.columns if column.name not in table.key]
    newer = f"WHERE given.{table.version} > stored.{table.version}"
    return f"{', '.join(f'stored.{name} = given.{name}' for name in others)} {newer}"


def input_types(table: Table) -> list[Any]:
    """The driver's types for the binds of `write_statement`, in order."""
    return [_INPUT_TYPES[column.kind] for column in table.columns]


def binds_of(table: Table, row: bytes) -> list[Value]:
    """The binds of `write_statement` for one row without its tag."""
    return [_bind(column, value) for column, value in zip(table.columns, parse_row(table, row), strict=True)]


def _bind(column: Column, value: Value) -> Value:
    if column.kind == "time" and value is not None:
        return bind_time(int(value))
    if column.kind == "micros" and value is not None:
        ms, us = divmod(int(value), 1000)
        return bind_time(ms).replace("+00:00", f"{us:03d}+00:00")
    return value


class OracleWriter:
    """The `HistoryWriter` of Oracle. Belongs to one thread."""

    def __init__(self, url: str, tables: tuple[Table, ...], schema: str | None = None) -> None:
        self._url = url
        self._tables = tables
        self._schema = schema
        self._connection: oracledb.Connection | None = None
        self._delete_at_s = 0.0

    def write(self, rows: list[bytes]) -> int:
        repeated = 0
        try:
            connection = self._connection or self._connect()
            for table, found in split_by_table(self._tables, rows):
                with connection.cursor() as cursor:
                    cursor.setinputsizes(*input_types(table))
                    binds = [binds_of(table, row) for row in found]
                    cursor.executemany(write_statement(table), binds, batcherrors=table.keeps_first)
                    if table.keeps_first:
                        repeated += check_batch_errors(cursor.getbatcherrors())
            connection.commit()
            self._delete_old_days(connection)
        except (oracledb.Error, SchemaError) as error:
            self.close()
            described = store_error(error)
            if isinstance(described, SchemaError):
                note_refusal(described)
            raise described from None
        note_refusal(None)
        return repeated

    def _delete_old_days(self, connection: oracledb.Connection) -> None:
        """Delete some rows of days that are not kept, now and then."""
        kept = [table for table in self._tables if table.keep_days]
        if not kept or time.monotonic() < self._delete_at_s:
            return
        deleted = 0
        for table in kept:
            with connection.cursor() as cursor:
                cursor.execute(delete_statement(table), [DELETE_ROWS])
                deleted = max(deleted, cursor.rowcount)
            connection.commit()
        self._delete_at_s = time.monotonic() + (DELETE_EVERY_S if deleted < DELETE_ROWS else 0.0)

    def close(self) -> None:
        """Close the connection. The server rolls back rows that are not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except oracledb.Error as error:
                log.debug("connection not closed cleanly", error=describe_error(error))

    def _connect(self) -> oracledb.Connection:
        connection = oracle.connect(self._url, self._schema)
        try:
            with connection.cursor() as cursor:
                if not {version for version, _ in migrations("oracle")} <= _applied(cursor):
                    migrate(self._url, self._tables, self._schema)
                check_tables(cursor, self._tables)
                widen_prices(cursor, self._tables)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection


def delete_statement(table: Table) -> str:
    """The statement that deletes rows of days that are not kept, at most as many as its bind."""
    return (
        f"DELETE FROM {table.name} WHERE {table.days}"  # noqa: S608
        f" < FROM_TZ(CAST(TRUNC(SYS_EXTRACT_UTC(SYSTIMESTAMP)) AS TIMESTAMP), 'UTC') - {table.keep_days}"
        " AND ROWNUM <= :1"
    )


def widen_prices(cursor: oracledb.Cursor, tables: tuple[Table, ...]) -> None:
    """Give columns of prices the decimals of the currency. Does nothing for a currency with two or fewer."""
    for table in tables:
        if table.decimals <= PRICE_DECIMALS:
            continue
        scales = _columns(cursor, table.name, "data_scale")
        for name in prices_to_widen(table, scales):
            wider = f"NUMBER({PRICE_INTEGERS + table.decimals}, {table.decimals})"
            cursor.execute(f"ALTER TABLE {table.name} MODIFY ({name} {wider})")
            log.info("prices have more decimals now", table=table.name, column=name, type=wider)


def store_error(error: oracledb.Error | SchemaError) -> StoreError:
    """The error of a statement: a SchemaError if the tables or the rights are not as they must be."""
    if isinstance(error, SchemaError):
        return error
    code = getattr(error.args[0], "code", 0) if error.args else 0
    return SchemaError(describe_error(error)) if code in REFUSALS else StoreError(describe_error(error))


def check_batch_errors(errors: list[Any]) -> int:
    """Ignore duplicates, which a replay brings, and return their number. Raises oracledb.DatabaseError for any
    other error of a batch."""
    for error in errors:
        if error.code != DUPLICATE:
            raise oracledb.DatabaseError(error)
    return len(errors)


def migrate(url: str, tables: tuple[Table, ...], schema: str | None = None) -> None:
    """Apply missing migrations. In Oracle, DDL commits, which would release a lock. So one session holds the lock,
    and another one does the work. Raises oracledb.Error, and SchemaError if another program made a table with a
    name of ours."""
    with oracle.connect(url, schema) as locking, oracle.connect(url, schema) as working:
        with locking.cursor() as lock, working.cursor() as cursor:
            _check_not_taken(cursor, tables)
            _create(lock, "CREATE TABLE pricewax_migration_lock (held NUMBER(1))")
            lock.execute("LOCK TABLE pricewax_migration_lock IN EXCLUSIVE MODE")
            _create(
                cursor,
                "CREATE TABLE pricewax_migrations (version NUMBER(10) PRIMARY KEY,"
                " applied_at TIMESTAMP WITH TIME ZONE DEFAULT SYSTIMESTAMP NOT NULL)",
            )
            done = _applied(cursor)
            for version, statements in migrations("oracle"):
                if version in done:
                    continue
                for statement in statements:
                    _create(cursor, statement)
                cursor.execute("INSERT INTO pricewax_migrations (version) VALUES (:1)", [version])
                working.commit()
                log.info("migration applied", version=version)
        locking.rollback()


def _applied(cursor: oracledb.Cursor) -> set[int]:
    """Numbers of the migrations that were applied."""
    try:
        cursor.execute("SELECT version FROM pricewax_migrations")
    except oracledb.DatabaseError as error:
        if error.args[0].code == NO_TABLE:
            return set()
        raise
    return {row[0] for row in cursor.fetchall()}


def _columns(cursor: oracledb.Cursor, table: str, what: str = "data_type") -> dict[str, Any]:
    """Columns of a table of the current schema, name in lower case to its type in upper case, or to another column
    of Oracle's `all_tab_columns`. Empty without the table."""
    cursor.execute(
        f"SELECT LOWER(column_name), {what} FROM all_tab_columns"  # noqa: S608
        " WHERE owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') AND table_name = UPPER(:1)",
        [table],
    )
    return dict(cursor.fetchall())


def _check_not_taken(cursor: oracledb.Cursor, tables: tuple[Table, ...]) -> None:
    """Raises SchemaError if the schema has tables with names of ours, and no migration was ever begun there."""
    if not _columns(cursor, "pricewax_migrations"):
        taken = [table.name for table in tables if _columns(cursor, table.name)]
        if taken:
            raise foreign_table(taken)


def check_tables(cursor: oracledb.Cursor, tables: tuple[Table, ...]) -> None:
    """Check the columns of the tables. Raises SchemaError."""
    for table in tables:
        check_columns(table, _columns(cursor, table.name), _ACCEPTED)


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

    def __init__(self, url: str, schema: str | None = None) -> None:
        # Checked here, so that a bad URL is an error at the start.
        oracle.parse_url(url)
        self._url = url
        self._schema = schema
        self._pool: oracledb.AsyncConnectionPool | None = None

    async def fetch(self, statement: str, binds: dict[str, Any]) -> list[Any]:
        try:
            return await end_within(self._fetch(statement, binds), oracle.READ_WITHIN_S)
        except oracledb.Error as error:
            raise store_error(error) from None

    async def _fetch(self, statement: str, binds: dict[str, Any]) -> list[Any]:
        if self._pool is None:
            self._pool = oracle.make_pool(self._url)
        async with self._pool.acquire() as connection:
            # The driver gives up a call that takes longer, and with it the connection.
            connection.call_timeout = int(oracle.READ_WITHIN_S * 1000)
            if self._schema is not None:
                connection.current_schema = self._schema
            return list(await connection.fetchall(statement, binds, fetch_lobs=False))

    async def close(self) -> None:
        if self._pool is not None:
            with contextlib.suppress(StoreError, oracledb.Error):
                await end_within(self._pool.close(force=True), CLOSE_WITHIN_S)
