"""The choice between Postgres and Oracle, by the URL of the history database."""

from clients import oracle as oracle_client
from sinks.history.store import Database, HistoryWriter
from sinks.history.tables import Table


def open_writer(url: str, tables: tuple[Table, ...], schema: str | None = None) -> HistoryWriter:
    """The writer for the database of a URL, not connected yet. schema: the schema of the tables; None for the one
    that the database chooses for the login."""
    if url.startswith(oracle_client.SCHEME):
        from sinks.history.oracle import OracleWriter

        return OracleWriter(url, tables, schema and schema.upper())
    from sinks.history.postgres import PostgresWriter

    return PostgresWriter(url, tables, schema)


def open_database(url: str, schema: str | None = None) -> Database:
    """The read side of the database of a URL, not connected yet. schema: as in `open_writer`."""
    if url.startswith(oracle_client.SCHEME):
        from sinks.history.oracle import OracleDatabase

        return OracleDatabase(url, schema and schema.upper())
    from sinks.history.postgres import PostgresDatabase

    return PostgresDatabase(url, schema)
