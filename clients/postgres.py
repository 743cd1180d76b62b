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
"""Parameters that hold unless the URL gives others."""

SERVER_OPTIONS = "-c statement_timeout=10000 -c lock_timeout=5000 -c timezone=UTC"
"""Start-up options. Those of the URL follow them, and the last one of a name holds."""


def check_url(url: str) -> None:
    """Raises ValueError if libpq cannot read the URL."""
    if not url.startswith(SCHEMES):
        raise ValueError("is not a Postgres URL")
    try:
        parsed = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # libpq's words quote the URL, and so the password.
        raise ValueError("cannot be read") from None
    ports = str(parsed.get("port") or "5432").split(",")
    if not all(port.isdigit() and 0 < int(port) < 65536 for port in ports):
        raise ValueError("has a bad port")


def parameters(url: str) -> dict[str, Any]:
    """Connection parameters of a URL: all that it gives, and our defaults for what it does not."""
    given = conninfo_to_dict(url)
    options = f"{SERVER_OPTIONS} {given['options']}" if given.get("options") else SERVER_OPTIONS
    return {**DEFAULTS, **given, "options": options}


def connect(url: str) -> psycopg.Connection:
    """A connection in autocommit mode. Raises psycopg.Error."""
    return psycopg.connect(**parameters(url), autocommit=True)


def make_pool(url: str) -> AsyncConnectionPool:
    """A pool of connections in autocommit mode, not open yet."""
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
    """Cut the connection if the block takes longer. The server's own time limits do not help if the server, or the
    line to it, stands still."""
    # A descriptor of its own, so that it cannot be another file by the time it is cut.
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
