"""The tables as the database has them: their columns, the names of rows, and the publication that holds them."""

from collections.abc import Mapping
from typing import Any

import msgspec
import psycopg
from psycopg import sql

import telemetry
from connectors.postgres_cdc.rows import Table
from core.errors import ReadRefusedError

STORED_GENERATED_FROM = 180_000
COLUMN_LISTS_FROM = 150_000
"""Versions of Postgres from which a publication may hold generated columns, and lists of columns."""

_SERVER = """
SELECT current_setting('wal_level'),
       (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user)
       OR EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication' AND pg_has_role(oid, 'MEMBER'))
"""
_TABLE = """
SELECT c.oid::int8, n.nspname, c.relname, c.relkind::text, c.relreplident::text
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = to_regclass(%s)
"""
_COLUMNS = """
SELECT attname, attgenerated <> '' FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
"""
_INDEXES = """
SELECT i.indisprimary, i.indisreplident, i.indisunique AND i.indimmediate AND i.indpred IS NULL AND i.indisvalid,
       (SELECT array_agg(a.attname::text) FROM pg_attribute a
         WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]))
  FROM pg_index i WHERE i.indrelid = %s
"""
_PUBLICATION = "SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate FROM pg_publication WHERE pubname = %s"

log = telemetry.get_logger("cdc")


class FoundTable(msgspec.Struct, frozen=True):
    """A table in the database. oid: names it in the stream. columns: those in use, of the table and of the
    publication."""

    oid: int
    schema: str
    name: str
    columns: tuple[str, ...]

    @property
    def identifier(self) -> sql.Identifier:
        """Its name, quoted."""
        return sql.Identifier(self.schema, self.name)


def find_tables(
    connection: psycopg.Connection, wanted: Mapping[str, Table], publication: str, *, makes: bool
) -> dict[str, FoundTable]:
    """The tables, by their names in `wanted`, once all that a reading needs is there. makes: the publication is
    made if there is none. Raises ReadRefusedError with what is missing, and psycopg.Error."""
    found: dict[str, FoundTable] = {}
    generated = False
    for name, table in wanted.items():
        found[name], has_generated = _find_table(connection, name, table)
        generated |= has_generated
    _hold_to_publication(connection, wanted, found, publication, makes=makes, generated=generated)
    return {
        name: msgspec.structs.replace(each, columns=_published(connection, wanted[name], each, publication))
        for name, each in found.items()
    }


def check_server(connection: psycopg.Connection) -> None:
    """Check that the server and the role can replicate at all. Raises ReadRefusedError and psycopg.Error."""
    ((wal_level, may_replicate),) = connection.execute(_SERVER).fetchall()
    if wal_level != "logical":
        raise ReadRefusedError(f"wal_level of this Postgres is {wal_level}; set it to logical and restart Postgres")
    if not may_replicate:
        raise ReadRefusedError("the role of CDC_URL needs REPLICATION: ALTER ROLE … REPLICATION")


def _find_table(connection: psycopg.Connection, name: str, table: Table) -> tuple[FoundTable, bool]:
    """A table, and if one of its columns in use is generated."""
    rows = connection.execute(_TABLE, (name,)).fetchall()
    if not rows:
        raise ReadRefusedError(f"there is no table {name}, or the role of CDC_URL may not use its schema")
    oid, schema, plain, kind, identity = rows[0]
    if kind not in ("r", "p"):
        raise ReadRefusedError(f"{name} is not a table")
    columns: dict[str, bool] = dict(connection.execute(_COLUMNS, (oid,)).fetchall())
    if missing := [column for column in table.needed if column not in columns]:
        raise ReadRefusedError(f"the table {name} has no column {', '.join(missing)}, which is needed")
    indexes = connection.execute(_INDEXES, (oid,)).fetchall()
    if not any(is_unique and names == [table.key] for _, _, is_unique, names in indexes):
        raise ReadRefusedError(
            f"{table.key} of the table {name} must be its primary key, or have a unique constraint of its own that"
            " is not deferrable: rows are told apart by it"
        )
    named = identity == "f" or any(
        (primary if identity == "d" else replica and identity == "i") and table.key in names
        for primary, replica, _, names in indexes
    )
    if not named:
        raise ReadRefusedError(
            f"the replica identity of the table {name} does not hold {table.key}, so that removed rows have no"
            f" name: ALTER TABLE {name} REPLICA IDENTITY FULL"
        )
    used = tuple(column for column in table.columns if column in columns)
    return FoundTable(oid, schema, plain, used), any(columns[column] for column in used)


def _hold_to_publication(
    connection: psycopg.Connection,
    wanted: Mapping[str, Table],
    found: Mapping[str, FoundTable],
    publication: str,
    *,
    makes: bool,
    generated: bool,
) -> None:
    """Make the publication if there is none, and check what it tells."""
    rows = connection.execute(_PUBLICATION, (publication,)).fetchall()
    if not rows:
        if not makes:
            raise ReadRefusedError(
                f"there is no publication {publication} any more; changes may have been missed. Start with"
                " START_OVER=yes: all tables are then read again"
            )
        _make_publication(connection, list(found.values()), publication, generated=generated)
        rows = [(True,)]
    if rows != [(True,)]:
        raise ReadRefusedError(
            f"the publication {publication} leaves out changes: ALTER PUBLICATION {publication} SET (publish ="
            " 'insert, update, delete, truncate')"
        )


def _make_publication(
    connection: psycopg.Connection, tables: list[FoundTable], publication: str, *, generated: bool
) -> None:
    options = "publish_via_partition_root = true"
    if generated and connection.info.server_version >= STORED_GENERATED_FROM:
        options += ", publish_generated_columns = stored"
    statement = sql.SQL("CREATE PUBLICATION {} FOR TABLE {} WITH ({})").format(
        sql.Identifier(publication),
        sql.SQL(", ").join(table.identifier for table in tables),
        sql.SQL(options),
    )
    try:
        connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege as error:
        raise ReadRefusedError(
            f"there is no publication {publication}, and the role of CDC_URL may not make it"
            f" ({error.diag.message_primary}); run as the owner: {statement.as_string(connection)}"
        ) from None
    log.info("the publication is made", publication=publication)


def _published(
    connection: psycopg.Connection, table: Table, found: FoundTable, publication: str
) -> tuple[str, ...]:
    """The columns in use that the publication holds."""
    lists = connection.info.server_version >= COLUMN_LISTS_FROM
    columns = "attnames::text[], rowfilter" if lists else "NULL, NULL"
    rows: list[tuple[Any, ...]] = connection.execute(
        f"SELECT {columns} FROM pg_publication_tables"  # noqa: S608
        " WHERE pubname = %s AND schemaname = %s AND tablename = %s",
        (publication, found.schema, found.name),
    ).fetchall()
    name = f"{found.schema}.{found.name}"
    if not rows:
        raise ReadRefusedError(
            f"the publication {publication} does not hold the table {name}: ALTER PUBLICATION {publication} ADD"
            f" TABLE {name} (with partitions it needs publish_via_partition_root), and start with START_OVER=yes"
        )
    names, row_filter = rows[0]
    if row_filter is not None:
        raise ReadRefusedError(f"the publication {publication} leaves out rows of {name} (its WHERE)")
    used = found.columns if names is None else tuple(column for column in found.columns if column in names)
    if missing := [column for column in table.needed if column not in used]:
        raise ReadRefusedError(
            f"the publication {publication} leaves out the column {', '.join(missing)} of {name}. A generated"
            " column is published from Postgres 18 on, by publish_generated_columns = stored"
        )
    return used
