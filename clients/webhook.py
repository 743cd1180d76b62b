"""The client of webhooks: signs an alert by Standard Webhooks and posts it, to public addresses only.

The address of each socket is checked before it is connected (`socket_factory` of aiohttp). It is the very address
of the connection, so nothing is resolved after the check. This covers names, literal addresses and each address
that aiohttp tries in parallel."""

import asyncio
import errno
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from standardwebhooks import Webhook
from yarl import URL

LIMIT_S = 10.0
"""Seconds for a whole attempt: resolution, connection, TLS, the request, and status and headers of the answer."""

ANSWER_BUFFER_BYTES = 4_096
"""Bytes of an answer's body that may arrive before the socket is no longer read. The body itself is not used."""

URL_MAX = 2_000
"""Characters of a URL."""

LOOKUP_THREADS = 8
"""Names that are resolved at the same time. Lookups of one name and port share one thread."""

UNUSABLE_URL = "unusable_url"
"""Reason of an attempt that cannot succeed later either."""

_WAIT_STATUSES = (429, 503)
_RETRY_AFTER_MAX_MS = 7 * 86_400_000

# By IANA's registries of special addresses. Python's `is_global` depends on its version, and takes multicast.
_NOT_PUBLIC_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
# Teredo and other protocols, documentation, 6to4 (it contains an IPv4 address), documentation.
_NOT_PUBLIC_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
# The last 32 bits are the IPv4 address to which the connection leads.
_HOLDS_V4 = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))


class WebhookAnswer(msgspec.Struct, frozen=True):
    """The result of an attempt. status: of HTTP; None if there was no answer. reason: a fixed word for the log;
    empty if there was an answer. retry_after_ms: the wait for which a 429 or 503 asks; 0 for none."""

    status: int | None
    reason: str = ""
    retry_after_ms: int = 0


class _RefusedError(OSError):
    """The address is not public. All have the same text: if a name has several such addresses, aiohttp then raises
    one of these errors and not one of its own."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "the address is not public")


def is_public(address: str) -> bool:
    """True for an address of the public internet: not loopback, private, link-local, multicast, reserved,
    unspecified or shared (100.64.0.0/10), and no IPv6 form of such an IPv4 address. False for other text."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and any(parsed in each for each in _HOLDS_V4):
        parsed = IPv4Address(int(parsed) & 0xFFFFFFFF)
    if isinstance(parsed, IPv4Address):
        return not any(parsed in each for each in _NOT_PUBLIC_V4)
    return parsed in _GLOBAL_V6 and not any(parsed in each for each in _NOT_PUBLIC_V6)


def check_url(text: str, *, private: bool = False) -> None:
    """Raise ValueError for a URL that is no target of webhooks; its text is worded to follow a field name. private:
    addresses that are not public are allowed. A name is not resolved here: each attempt checks its addresses."""
    host = _parse(text).raw_host or ""
    if private:
        return
    name = host.rstrip(".").lower()
    is_literal = ":" in host or _is_v4(host)
    if name == "localhost" or name.endswith(".localhost") or (is_literal and not is_public(host)):
        raise ValueError("leads to an address that is not public")


def describe_target(text: str) -> str:
    """Scheme and host of a URL, for the log. Path and query may hold secrets."""
    try:
        url = _parse(text)
    except ValueError:
        return "an unusable URL"
    return f"{url.scheme}://{url.raw_host}"


def host_of(text: str) -> str:
    """The host of a URL, in lower case. Empty for an unusable URL."""
    try:
        return (_parse(text).raw_host or "").lower()
    except ValueError:
        return ""


def _parse(text: str) -> URL:
    """The URL as aiohttp reads it. Raises ValueError as `check_url`."""
    if len(text) > URL_MAX:
        raise ValueError(f"has more than {URL_MAX} characters")
    if "\\" in text or not text.isprintable() or " " in text:
        raise ValueError("holds a blank, a backslash or a control character")
    try:
        url = URL(text)
        host, port = url.raw_host, url.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if url.scheme not in ("http", "https"):
        raise ValueError("is not an http or https URL")
    if url.raw_user is not None or url.raw_password is not None or "@" in url.raw_authority:
        raise ValueError("holds a user name or a password")
    if not host or not port:
        raise ValueError("has no host, or no usable port")
    if ":" not in host and _is_v4(host) and not _is_canonical(host):
        raise ValueError("has an IPv4 address that is not written as four decimal numbers")
    return url


def _is_v4(host: str) -> bool:
    """True for any form of an IPv4 address that the system takes, such as 2130706433 and 0x7f.1."""
    try:
        socket.inet_aton(host.rstrip("."))
    except OSError:
        return False
    return True


def _is_canonical(host: str) -> bool:
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True


def parse_retry_after(text: str, now_ms: int) -> int:
    """Milliseconds to wait by a `Retry-After`: seconds, or a date of HTTP. 0 if it has neither form or is over; at
    most a week."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]) * 1000, _RETRY_AFTER_MAX_MS)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0, min(int(aware.timestamp() * 1000) - now_ms, _RETRY_AFTER_MAX_MS))


class _Resolver(AbstractResolver):
    """Resolves names in threads of its own. A name server that does not answer must not hold up the lookups of the
    rest of the process, which share a small pool."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="webhook-lookup")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of a host. Raises OSError."""

        def look_up() -> list[ResolveResult]:
            found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
            return [
                ResolveResult(hostname=host, host=str(address[0]), port=port, family=each, proto=proto, flags=0)
                for each, _, proto, _, address in found
            ]

        return await asyncio.get_running_loop().run_in_executor(self._threads, look_up)

    async def close(self) -> None:
        """End the threads. It does not wait for lookups."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class WebhookClient:
    """Signs and posts. Belongs to the event loop's thread. `open` and `close` go around all calls of `post`.

    secret: `whsec_` and base64. private: addresses that are not public are allowed. limit_s: see `LIMIT_S`.
    resolver: makes the lookup of names, which is closed with the client. now_ms: the clock, UTC milliseconds. Used
    by `api/market/deliveries.py`, which bounds the number of calls."""

    def __init__(
        self,
        secret: str,
        *,
        private: bool = False,
        limit_s: float = LIMIT_S,
        resolver: Callable[[], AbstractResolver] = _Resolver,
        now_ms: Callable[[], int] = _now_ms,
    ) -> None:
        self._webhook = Webhook(secret)
        self._private = private
        self._limit_s = limit_s
        self._make_resolver = resolver
        self._resolver: AbstractResolver | None = None
        self._now_ms = now_ms
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session. Connects to nothing."""
        self._resolver = self._make_resolver()
        connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            socket_factory=self._make_socket,
            family=socket.AF_UNSPEC,
            # An idle connection that its receiver has closed would fail an attempt.
            force_close=True,
            limit=0,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=ANSWER_BUFFER_BYTES,
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._resolver is not None:
            await self._resolver.close()

    async def post(self, url: str, message_id: str, body: bytes) -> WebhookAnswer:
        """Send a body (JSON) as the message of an id. Never raises for a receiver's fault. Redirects are not
        followed: their status is the answer."""
        assert self._session is not None, "open was not called"
        try:
            target = _parse(url)
        except ValueError:
            return WebhookAnswer(None, UNUSABLE_URL)
        now = datetime.fromtimestamp(self._now_ms() // 1000, UTC)
        headers = {
            "content-type": "application/json",
            "user-agent": "Pricewax",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(message_id, now, body.decode()),
        }
        try:
            async with (
                asyncio.timeout(self._limit_s),
                self._session.post(target, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                asked = answer.headers.get("retry-after", "") if answer.status in _WAIT_STATUSES else ""
                return WebhookAnswer(answer.status, "", parse_retry_after(asked, self._now_ms()))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return WebhookAnswer(None, _reason(error))

    def _make_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """The socket for one address. Raises _RefusedError, an OSError, if it must not be connected to: aiohttp
        then goes on with the next address of the name."""
        family, kind, protocol, _, address = info
        if not self._private and not is_public(str(address[0])):
            raise _RefusedError
        return socket.socket(family, kind, protocol)


def _reason(error: Exception) -> str:
    """A word for the log. The error's own text may hold the URL."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, _RefusedError):
        return "address_not_public"
    if isinstance(error, aiohttp.InvalidURL):
        return UNUSABLE_URL
    if isinstance(error, aiohttp.ClientConnectorDNSError | UnicodeError):
        return "name_not_resolved"
    if isinstance(error, aiohttp.ClientSSLError):
        return "tls_failed"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "not_connected"
    return "timeout" if isinstance(error, TimeoutError) else "no_answer"
