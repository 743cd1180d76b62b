"""Redis clients: the only place that makes a connection to Redis.

An endpoint is one server, or the sentinels that know the master. Forms of a URL:

    redis://[user]:password@host:port/db        rediss://...     the same over TLS
    redis+sentinel://[user]:password@host:port,host:port/service/db      rediss+sentinel://... over TLS

Query parameters: `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile` (paths, TLS only), `sentinel_username`,
`sentinel_password`. Special characters in a user or a password are percent-encoded.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec
import redis
import redis.asyncio as aioredis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

WRITE_WITHIN_S = 2.0
READ_WITHIN_S = 1.0
WAIT_FOR_CONNECTION_S = 3.0
CONNECTIONS_MAX = 64

_URL = re.compile(
    r"(?P<scheme>rediss?)(?P<sentinel>\+sentinel)?://(?:(?P<login>[^@/?#]*)@)?(?P<hosts>[^@/?#]+)"
    r"(?P<path>(?:/[^/?#]*)*)(?:\?(?P<query>[^#]*))?"
)
_HOST = re.compile(r"(?P<host>[A-Za-z0-9_.-]+|\[[0-9a-fA-F:]+\])(?::(?P<port>\d{1,5}))?", re.ASCII)
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_SENTINEL_LOGIN = ("sentinel_username", "sentinel_password")
PORT, SENTINEL_PORT = 6379, 26379
DATABASE_MAX = 1_000_000

Protocol = TypeVar("Protocol", bound=asyncio.Protocol)


class RedisEndpoint(msgspec.Struct, frozen=True):
    """The addresses and the login of a Redis. `hosts` are the sentinels if `service` is set, else the one server.

    tls: None without TLS, else redis-py's arguments with paths of files; empty for the system's CAs.
    sentinel_login: redis-py's arguments for the login to the sentinels."""

    hosts: tuple[tuple[str, int], ...]
    username: str | None = None
    password: str | None = None
    database: int = 0
    tls: dict[str, str] | None = None
    service: str | None = None
    sentinel_login: dict[str, str] = {}

    def __repr__(self) -> str:
        # Without the password, because a repr may be logged.
        return f"RedisEndpoint({','.join(f'{host}:{port}' for host, port in self.hosts)})"


def parse_address(address: str, password: str | None = None) -> RedisEndpoint:
    """The endpoint of `host:port`. The host may be an IPv6 address in brackets. Raises ValueError."""
    return RedisEndpoint((_parse_host(address, PORT),), password=password)


def parse_url(url: str) -> RedisEndpoint:
    """The endpoint of a URL in a form of the module's description. Raises ValueError, without any secret of the URL
    in its text."""
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError("is not a Redis URL")
    sentinel = found["sentinel"] is not None
    tls: dict[str, str] | None = {} if found["scheme"] == "rediss" else None
    sentinel_login: dict[str, str] = {}
    for name, value in parse_qsl(found["query"] or "", keep_blank_values=True, strict_parsing=bool(found["query"])):
        if name in _TLS_FILES and tls is not None:
            if not Path(value).is_file():
                raise ValueError(f"{name} names no file")
            tls[name] = value
        elif name in _SENTINEL_LOGIN and sentinel:
            sentinel_login[name.removeprefix("sentinel_")] = value
        else:
            raise ValueError("has a parameter that is not known")
    username, colon, password = (found["login"] or "").partition(":")
    if username and not colon:
        raise ValueError("a user needs a password, as user:password")
    service, database = _parse_path(found["path"].split("/")[1:], sentinel=sentinel)
    hosts = [host.strip() for host in found["hosts"].split(",") if host.strip()]
    if len(hosts) > 1 and not sentinel:
        raise ValueError("takes one host; several are sentinels")
    return RedisEndpoint(
        tuple(_parse_host(host, SENTINEL_PORT if sentinel else PORT) for host in hosts),
        unquote(username) or None,
        unquote(password) or None,
        database,
        tls,
        service,
        sentinel_login,
    )


def _parse_path(parts: list[str], *, sentinel: bool) -> tuple[str | None, int]:
    """Name of the sentinels' service (None without sentinels) and number of the database."""
    service = unquote(parts.pop(0)) if sentinel and parts else None
    if sentinel and not service:
        raise ValueError("sentinels need the name of their service as the path")
    number = parts.pop(0) if parts else ""
    if parts or not (number.isascii() and (number.isdigit() or not number)) or int(number or 0) > DATABASE_MAX:
        raise ValueError("the path takes the number of a database")
    return service, int(number or 0)


def _parse_host(text: str, port: int) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    if found is None or not 0 < int(found["port"] or port) < 65536:
        raise ValueError("takes host:port")
    return found["host"].strip("[]"), int(found["port"] or port)


def _arguments(endpoint: RedisEndpoint, within_s: float) -> dict[str, Any]:
    """redis-py's arguments of a connection, without the address. A Redis that does not answer within `within_s` is
    an error, so that no caller waits longer."""
    return {
        "username": endpoint.username,
        "password": endpoint.password,
        "db": endpoint.database,
        **_transport(endpoint, within_s),
    }


def _transport(endpoint: RedisEndpoint, within_s: float) -> dict[str, Any]:
    arguments: dict[str, Any] = {"socket_timeout": within_s, "socket_connect_timeout": within_s}
    if endpoint.tls is not None:
        arguments |= {"ssl": True, **endpoint.tls}
    return arguments


def _sentinel_arguments(endpoint: RedisEndpoint, within_s: float, retry: Retry | AsyncRetry) -> dict[str, Any]:
    """redis-py's arguments of a connection to a sentinel. It does not retry: if a sentinel does not answer, the
    next one is asked at once."""
    return {**_transport(endpoint, within_s), **endpoint.sentinel_login, "retry": retry}


def connect(endpoint: RedisEndpoint) -> "redis.Redis":
    """A client for one thread, not connected yet. It does not retry; a failed call raises redis.RedisError."""
    arguments = {**_arguments(endpoint, WRITE_WITHIN_S), "retry": Retry(NoBackoff(), 0), "health_check_interval": 0}
    if endpoint.service is not None:
        sentinel_arguments = _sentinel_arguments(endpoint, WRITE_WITHIN_S, Retry(NoBackoff(), 0))
        sentinel = Sentinel(endpoint.hosts, sentinel_kwargs=sentinel_arguments)  # type: ignore[no-untyped-call]
        client: redis.Redis = sentinel.master_for(endpoint.service, **arguments)  # type: ignore[no-untyped-call]
        return client
    ((host, port),) = endpoint.hosts
    return redis.Redis(host=host, port=port, **arguments)


def count_connections(client: "redis.Redis") -> Callable[[], int]:
    """A function that returns the number of connections that a client of `connect` has made from now on."""
    made = 0

    def count(connection: redis.connection.AbstractConnection) -> None:
        nonlocal made
        connection.on_connect()  # type: ignore[no-untyped-call]
        made += 1

    client.connection_pool.connection_kwargs["redis_connect_func"] = count
    return lambda: made


class _BlockingSentinelPool(SentinelConnectionPool, aioredis.BlockingConnectionPool):
    """A pool of connections to the master that sentinels name. If all are in use, callers wait as in
    `BlockingConnectionPool`."""

    async def aclose(self) -> None:
        """Close the pool and the connections to the sentinels."""
        await super().aclose()
        await _close_sentinels(self.sentinel_manager)


def connect_async(endpoint: RedisEndpoint) -> "aioredis.Redis":
    """A client for an event loop, not connected yet, with at most `CONNECTIONS_MAX` connections. It retries a call
    once.

    If all connections are in use, a caller waits for one, because many callers are not an outage. After
    `WAIT_FOR_CONNECTION_S` the call raises redis.ConnectionError."""
    arguments = {
        **_arguments(endpoint, READ_WITHIN_S),
        "retry": AsyncRetry(NoBackoff(), 1),
        "max_connections": CONNECTIONS_MAX,
        "timeout": WAIT_FOR_CONNECTION_S,
    }
    if endpoint.service is not None:
        sentinel = _async_sentinel(endpoint)
        pool: aioredis.ConnectionPool = _BlockingSentinelPool(endpoint.service, sentinel, **arguments)  # type: ignore[no-untyped-call]
    else:
        ((host, port),) = endpoint.hosts
        if arguments.pop("ssl", False):
            arguments["connection_class"] = aioredis.SSLConnection
        pool = aioredis.BlockingConnectionPool(host=host, port=port, **arguments)
    return aioredis.Redis.from_pool(pool)


def _async_sentinel(endpoint: RedisEndpoint) -> AsyncSentinel:
    arguments = _sentinel_arguments(endpoint, READ_WITHIN_S, AsyncRetry(NoBackoff(), 0))
    return AsyncSentinel(endpoint.hosts, sentinel_kwargs=arguments)  # type: ignore[no-untyped-call]


async def _close_sentinels(sentinel: AsyncSentinel) -> None:
    for each in sentinel.sentinels:
        await each.aclose()


async def open_connection(endpoint: RedisEndpoint, protocol: Callable[[], Protocol]) -> Protocol:
    """A connection without a client: to the server, or to the master that the sentinels name. Returns the object
    that `protocol` makes for it. Raises OSError, or redis.RedisError if no sentinel knows a master."""
    ((host, port), *_) = endpoint.hosts
    if endpoint.service is not None:
        sentinel = _async_sentinel(endpoint)
        try:
            host, port = await sentinel.discover_master(endpoint.service)
        finally:
            await _close_sentinels(sentinel)
    context = None if endpoint.tls is None else _tls_context(endpoint.tls)
    _, made = await asyncio.get_running_loop().create_connection(protocol, host, port, ssl=context)
    return made


def _tls_context(tls: dict[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.get("ssl_ca_certs"))
    if "ssl_certfile" in tls:
        context.load_cert_chain(tls["ssl_certfile"], tls.get("ssl_keyfile"))
    return context


def greeting(endpoint: RedisEndpoint) -> list[list[bytes]]:
    """The first commands on a connection without a client: RESP protocol 3, the login, the database. Redis sends
    one answer to each."""
    hello = [b"HELLO", b"3"]
    if endpoint.password is not None:
        hello += [b"AUTH", (endpoint.username or "default").encode(), endpoint.password.encode()]
    return [hello, *([[b"SELECT", b"%d" % endpoint.database]] if endpoint.database else [])]
