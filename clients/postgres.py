"""Postgres clients: the only place that makes a connection to Postgres."""

import asyncio
import contextlib
import os
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool

SCHEMES = ("postgresql://", "postgres://")
READ_WITHIN_S = 3.0
WRITE_WITHIN_S = 10.0
CONNECT_WITHIN_S = 3.0
CLOSE_WITHIN_S = 1.0
POOL_SIZE_MAX = 8

DEFAULTS: dict[str, str | int] = {
    "connect_timeout": int(CONNECT_WITHIN_S),
    "application_name": "pricewax",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
}
"""Connection parameters. A parameter in the URL replaces the one of the same name."""

SESSION = {"statement_timeout": "10000", "lock_timeout": "5000", "timezone": "UTC"}
"""Settings of a server session, unless the URL's `options` name them. They are set after the connection is made,
because poolers such as PgBouncer refuse `options` at the start of a connection."""

READ_SESSION = {**SESSION, "statement_timeout": f"{READ_WITHIN_S * 1000:.0f}"}
"""The same for sessions that only read."""

_IN_OPTIONS = re.compile(r"(?:-c\s*|--)([A-Za-z_.-]+)=")


def check_url(url: str) -> None:
    """Check a URL. Raises ValueError, without any part of the URL, if libpq cannot read it, or would read it in
    another way than its author meant."""
    if not url.startswith(SCHEMES):
        raise ValueError("is not a Postgres URL")
    try:
        parsed = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # libpq's message quotes the URL, and with it the password.
        raise ValueError("cannot be read; special characters in a password are percent-encoded") from None
    if any("@" in str(parsed.get(name, "")) for name in ("host", "dbname")):
        # libpq ends a password at the first @ or slash, and takes its rest for a host or a database.
        raise ValueError("in a user or a password, @ is written %40 and a slash %2F")
    ports = str(parsed.get("port") or "5432").split(",")
    if not all(port.isdigit() and 0 < int(port) < 65536 for port in ports):
        raise ValueError("has a bad port; special characters in a password are percent-encoded")


def parameters(url: str) -> dict[str, Any]:
    """Connection parameters of a URL: all that it has, and `DEFAULTS` for the others. Text is sent and received as
    UTF-8, whatever the encoding of the database is."""
    return {**DEFAULTS, **conninfo_to_dict(url), "client_encoding": "UTF8"}


def session_settings(url: str, schema: str | None, defaults: Mapping[str, str] = SESSION) -> dict[str, str]:
    """Settings to make in a new session, name to value: `defaults` without those that the URL's `options` name, and
    the search path if `schema` is given."""
    options = str(conninfo_to_dict(url).get("options") or os.environ.get("PGOPTIONS") or "")
    named = {name.lower().replace("-", "_") for name in _IN_OPTIONS.findall(options)}
    found = {name: value for name, value in defaults.items() if name not in named}
    if schema is not None:
        found["search_path"] = '"{}"'.format(schema.replace('"', '""'))
    return found


def _statement(settings: Mapping[str, str]) -> tuple[str, list[str]]:
    calls = ", ".join(["set_config(%s, %s, false)"] * len(settings))
    return f"SELECT {calls}", [part for setting in settings.items() for part in setting]


def connect(url: str, schema: str | None = None) -> psycopg.Connection:
    """A connection in autocommit mode. schema: the schema of tables without a schema in their names; None for the
    server's choice. Raises psycopg.Error."""
    connection = psycopg.connect(**parameters(url), autocommit=True)
    try:
        if settings := session_settings(url, schema):
            statement, binds = _statement(settings)
            with time_limit(connection, CONNECT_WITHIN_S):
                connection.execute(statement.encode(), binds)
    except BaseException:
        connection.close()
        raise
    return connection


def make_pool(url: str, schema: str | None = None) -> AsyncConnectionPool:
    """A pool of connections in autocommit mode for an event loop, for reading. It is not open yet. schema: as in
    `connect`."""
    settings = session_settings(url, schema, READ_SESSION)

    async def configure(connection: psycopg.AsyncConnection) -> None:
        statement, binds = _statement(settings)
        async with time_limit_async(connection, READ_WITHIN_S):
            await connection.execute(statement.encode(), binds)

    return AsyncConnectionPool(
        # No prepared statements: a pooler may give the next statement to another session.
        kwargs={**parameters(url), "autocommit": True, "prepare_threshold": None},
        min_size=0,
        max_size=POOL_SIZE_MAX,
        timeout=READ_WITHIN_S,
        reconnect_timeout=READ_WITHIN_S,
        configure=configure if settings else None,
        open=False,
    )


@asynccontextmanager
async def time_limit_async(connection: psycopg.AsyncConnection, within_s: float) -> AsyncIterator[None]:
    """As `time_limit`, for a connection of an event loop. To cancel the task is not enough: psycopg then asks the
    server to cancel the statement, and waits for it."""
    with _cut(connection.fileno()) as cut:
        timer = asyncio.get_running_loop().call_later(within_s, cut)
        try:
            yield
        finally:
            timer.cancel()


@contextmanager
def time_limit(connection: psycopg.Connection, within_s: float = WRITE_WITHIN_S) -> Iterator[None]:
    """A context manager that cuts the connection if its block takes longer than `within_s`. The statement that runs
    then raises psycopg.Error. The server's own time limits do not help if the server or the network stops."""
    with _cut(connection.fileno()) as cut:
        timer = threading.Timer(within_s, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


@contextmanager
def _cut(descriptor: int) -> Iterator[Callable[[], None]]:
    """A function that shuts down the connection of a socket. It may be called in its block."""
    # A duplicate: when the connection closes its own descriptor, the number may be reused for another file.
    line = socket.socket(fileno=os.dup(descriptor))

    def cut() -> None:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    try:
        yield cut
    finally:
        line.close()
