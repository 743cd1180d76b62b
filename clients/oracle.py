"""Oracle clients: the only place that makes a connection to Oracle, in python-oracledb's thin mode."""

import re
from urllib.parse import unquote

import oracledb

SCHEME = "oracle://"
CALL_WITHIN_MS = 10_000
READ_WITHIN_S = 3.0
CONNECT_WITHIN_S = 3.0
POOL_SIZE_MAX = 8

_URL = re.compile(r"oracle://(?P<user>[^:/@\s]+):(?P<password>[^\s]*)@(?P<dsn>[^@\s]+)")


def parse_url(url: str) -> dict[str, str]:
    """user, password and dsn of `oracle://user:password@host:port/service`. Raises ValueError for any other
    form."""
    match = _URL.fullmatch(url)
    if not match:
        raise ValueError("an Oracle URL looks like oracle://user:password@host:port/service")
    return {name: unquote(value) for name, value in match.groupdict().items()}


def connect(url: str, schema: str | None = None) -> oracledb.Connection:
    """A connection whose calls end within `CALL_WITHIN_MS`. schema: the schema of tables without a schema in their
    names; None for the user's own. Raises oracledb.Error."""
    connection = oracledb.connect(**parse_url(url), tcp_connect_timeout=CONNECT_WITHIN_S)
    connection.call_timeout = CALL_WITHIN_MS
    if schema is not None:
        connection.current_schema = schema
    return connection


def make_pool(url: str) -> oracledb.AsyncConnectionPool:
    """A pool of connections for an event loop. It connects when it is first used."""
    return oracledb.create_pool_async(
        **parse_url(url), min=0, max=POOL_SIZE_MAX, tcp_connect_timeout=CONNECT_WITHIN_S
    )
