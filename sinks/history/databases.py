"""The choice between Postgres and Oracle, by the URL of the history database."""

from clients import oracle as oracle_client
from sinks.history.store import Database, HistoryWriter
from sinks.history.tables import Table


def open_writer(url: str, tables: tuple[Table, ...]) -> HistoryWriter:
    """The writer for the database of a URL, not connected yet."""
    if url.startswith(oracle_client.SCHEME):
        from sinks.history.oracle import OracleWriter

        return OracleWriter(url, tables)
    from sinks.history.postgres import PostgresWriter

    return PostgresWriter(url, tables)


def open_database(url: str) -> Database:
    """The read side of the database of a URL, not connected yet."""
    if url.startswith(oracle_client.SCHEME):
        from sinks.history.oracle import OracleDatabase

        return OracleDatabase(url)
    from sinks.history.postgres import PostgresDatabase

    return PostgresDatabase(url)
