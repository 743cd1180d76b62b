"""Postgres clients: the only place that makes a connection to Postgres."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool

SCHEMES = ("postgresql://", "postgres://")
READ_WITHIN_S = 5.0
WRITE_WITHIN_S = 30.0
POOL_SIZE_MAX = 8

DEFAULTS: dict[str, str | int] = {
    "connect_timeout": 3,
    "application_name": "pricewax",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
}
"""Connection parameters. A parameter in the URL replaces the one of the same name."""

SERVER_OPTIONS = "-c statement_timeout=10000 -c lock_timeout=5000 -c timezone=UTC"
"""Options of the server session. The URL's options follow them; for each name the last one is in force."""


def check_url(url: str) -> None:
    """Check a URL. Raises ValueError, without any part of the URL, if libpq cannot read it."""
    if not url.startswith(SCHEMES):
        raise ValueError("is not a Postgres URL")
    try:
        parsed = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # libpq's message quotes the URL, and with it the password.
        raise ValueError("cannot be read") from None
    ports = str(parsed.get("port") or "5432").split(",")
    if not all(port.isdigit() and 0 < int(port) < 65536 for port in ports):
        raise ValueError("has a bad port")


def parameters(url: str) -> dict[str, Any]:
    """Connection parameters of a URL: all that it has, and `DEFAULTS` for the others."""
    given = conninfo_to_dict(url)
    options = f"{SERVER_OPTIONS} {given['options']}" if given.get("options") else SERVER_OPTIONS
    return {**DEFAULTS, **given, "options": options}


def connect(url: str) -> psycopg.Connection:
    """A connection in autocommit mode. Raises psycopg.Error."""
    return psycopg.connect(**parameters(url), autocommit=True)


def make_pool(url: str) -> AsyncConnectionPool:
    """A pool of connections in autocommit mode for an event loop. It is not open yet."""
    return AsyncConnectionPool(
        kwargs={**parameters(url), "autocommit": True},
        min_size=0,
        max_size=POOL_SIZE_MAX,
        timeout=READ_WITHIN_S,
        reconnect_timeout=READ_WITHIN_S,
        open=False,
    )


@contextmanager
def time_limit(connection: psycopg.Connection, within_s: float = WRITE_WITHIN_S) -> Iterator[None]:
    """A context manager that cuts the connection if its block takes longer than `within_s`. The statement that runs
    then raises psycopg.Error. The server's own time limits do not help if the server or the network stops."""
    # A duplicate: when the connection closes its own descriptor, the number may be reused for another file.
    line = socket.socket(fileno=os.dup(connection.fileno()))

    def cut() -> None:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(within_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        line.close()
