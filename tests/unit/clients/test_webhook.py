"""The client of webhooks: which addresses and URLs it takes, the signature, and answers of all kinds."""

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest
import trustme
import uvloop
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from clients.webhook import (
    ANSWER_BUFFER_BYTES,
    WebhookAnswer,
    WebhookClient,
    check_url,
    describe_target,
    host_of,
    is_public,
    parse_retry_after,
)
from tests.support.webhook_receiver import SECRET, Received, Receiver

NOT_PUBLIC = (
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "100.127.255.255", "0.0.0.0", "0.1.2.3", "255.255.255.255"),  # noqa: S104
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1"),
    *("203.0.113.1", "192.88.99.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1"),
    *("ff02::1", "ff0e::1", "2001:db8::1", "3fff::1", "100::1", "2001::1", "2001:20::1", "5f00::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1", "::ffff:0:7f00:1"),
    *("64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::808:808", "2002:7f00:1::", "2002:808:808::"),
    *("", "localhost", "example.com", "2130706433", "127.1"),
)
PUBLIC = (
    *("8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.32.0.1", "172.15.255.255", "169.253.1.1"),
    *("223.255.255.255", "2606:4700:4700::1111", "2001:4860:4860::8888", "2001:200::1"),
    *("::ffff:8.8.8.8", "64:ff9b::808:808"),
)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_the_ipv6_forms_of_an_ipv4_address_are_as_public_as_itself(address: Any) -> None:
    for form in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert is_public(form) == is_public(str(address))


PRIVATE_URLS = (
    *(
        "http://127.0.0.1/",
        "http://localhost/",
        "http://LOCALHOST:8080/x",
        "http://a.localhost/",
        "http://localhost./",
    ),
    *("https://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://169.254.169.254/meta"),
    *("http://10.1.2.3/", "http://100.64.1.1/", "http://0.0.0.0/", "http://224.0.0.1/", "http://[fe80::1]/"),
)
UNUSABLE_URLS = (
    *(
        "",
        "x",
        "/path",
        "//example.com/",
        "http://",
        "http:///x",
        "http:x",
        "ftp://example.com/",
        "file:///etc/passwd",
    ),
    *(
        "javascript:alert(1)",
        "http://user:password@example.com/",
        "http://user@example.com/",
        "http://@example.com@x/",
    ),
    *(
        "http://example.com\\@127.0.0.1/",
        "http://exa mple.com/",
        "http://example.com/\r\nx: y",
        "http://example.com:0/",
    ),
    *("http://example.com:99999/", "http://example.com:x/", "http://[::1/", "https://example.com/" + "x" * 2_000),
    *("http://2130706433/", "http://0x7f.1/", "http://0x7f000001/", "http://017700000001/", "http://127.1/"),
    *("http://0177.0.0.1/", "http://127.0.0.1./", "http://１２７.1/"),
)


@pytest.mark.parametrize("url", UNUSABLE_URLS)
def test_a_url_that_is_never_used(url: str) -> None:
    for private in (False, True):
        with pytest.raises(ValueError, match=r"^(is|has|holds) "):
            check_url(url, private=private)
    assert describe_target(url) == "an unusable URL"
    assert host_of(url) == ""


@pytest.mark.parametrize("url", PRIVATE_URLS)
def test_a_url_that_is_used_only_if_private_addresses_are_allowed(url: str) -> None:
    with pytest.raises(ValueError, match="not public"):
        check_url(url)
    check_url(url, private=True)


@pytest.mark.parametrize(
    "url",
    ["https://example.com/hook?x=1#y", "http://example.com:8080", "https://bücher.example/", "HTTPS://8.8.8.8/"],
)
def test_a_url_that_is_used(url: str) -> None:
    check_url(url)


def test_only_scheme_and_host_are_described() -> None:
    assert describe_target("https://Example.com:8443/secret/path?token=x") == "https://example.com"
    assert host_of("https://Example.com:8443/secret") == "example.com"


@pytest.mark.parametrize(
    ("text", "wait_ms"),
    [
        *(("120", 120_000), ("0", 0), (" 5 ", 5_000), ("99999999999999", 7 * 86_400_000), ("", 0), ("-1", 0)),
        *(("1.5", 0), ("soon", 0), ("²", 0), ("Tue, 14 Nov 2023 22:13:50 GMT", 30_000)),
        *(("Tue, 14 Nov 2023 22:13:00 GMT", 0), ("Tue, 99 Nov 2023 22:13:00 GMT", 0), ("1 1 1 1 1", 0)),
    ],
)
def test_a_retry_after(text: str, wait_ms: int) -> None:
    assert parse_retry_after(text, 1_700_000_000_000) == wait_ms


class FakeResolver(AbstractResolver):
    """Resolves every name to the same addresses."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked.append(host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        pass


async def post(client: WebhookClient, *urls: str, body: bytes = b"{}") -> list[WebhookAnswer]:
    """The answer for each URL, one after the other."""
    await client.open()
    try:
        return [await client.post(url, f"id{index}", body) for index, url in enumerate(urls)]
    finally:
        await client.close()


async def answers(
    answer: Callable[[Received], Any] | None, *paths: str, limit_s: float = 5.0
) -> list[WebhookAnswer]:
    """The answers of a receiver for paths."""
    async with Receiver(answer) as receiver:
        return await post(WebhookClient(SECRET, private=True, limit_s=limit_s), *map(receiver.url, paths))


@pytest.mark.parametrize("run_loop", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("private", [False, True])
def test_no_form_of_a_loopback_url_leads_to_a_connection(run_loop: Callable[..., None], private: bool) -> None:
    """The API runs on uvloop. A fake resolves the names, and `0x7f.1` is not resolved."""

    async def run() -> None:
        async with Receiver() as receiver:
            hosts = ["127.0.0.1", "localhost", "a.example", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1"]
            resolver = FakeResolver("127.0.0.1", "::ffff:127.0.0.1", "::1")
            client = WebhookClient(SECRET, private=private, resolver=lambda: resolver)
            reasons = [each.reason for each in await post(client, *(receiver.url(host=host) for host in hosts))]
            refused = "" if private else "address_not_public"
            assert reasons == [refused] * 4 + ["unusable_url"] * 3
            assert len(receiver.received) == (4 if private else 0)
            assert resolver.asked == ["localhost", "a.example"]

    run_loop(run())


def test_only_the_public_addresses_of_a_name_are_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[str] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()

        async def note(_: socket.socket, address: Any) -> None:
            connected.append(address[0])
            raise ConnectionRefusedError

        monkeypatch.setattr(loop, "sock_connect", note)
        addresses = ("10.0.0.1", "8.8.8.8", "::1", "2606:4700:4700::1111", "169.254.169.254", "64:ff9b::a00:1")
        resolver = FakeResolver(*addresses)
        (answer,) = await post(WebhookClient(SECRET, resolver=lambda: resolver), "https://example.com/")
        assert answer.status is None

    asyncio.run(run())
    assert set(connected) == {"8.8.8.8", "2606:4700:4700::1111"}


def test_a_name_that_is_not_there_and_a_port_that_nobody_listens_on() -> None:
    async def run() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            urls = ("http://name.invalid/", f"http://127.0.0.1:{unused.getsockname()[1]}/")
            found = await post(WebhookClient(SECRET, private=True), *urls, f"http://{'a' * 64}.example/")
        assert [each.reason for each in found] == ["name_not_resolved", "not_connected", "name_not_resolved"]

    asyncio.run(run())


def test_a_certificate_that_nobody_has_signed() -> None:
    async def run() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        found = await post(WebhookClient(SECRET, private=True), f"https://127.0.0.1:{port}/")
        server.close()
        await server.wait_closed()
        assert found == [WebhookAnswer(None, "tls_failed")]

    asyncio.run(run())


def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert [each.status for each in asyncio.run(answers(None, "/"))] == [204]


def test_the_signature_is_verified_by_the_library() -> None:
    body = '{"id":"AAPL-1","text":"über 100","price":1.50}'.encode()

    async def run() -> Received:
        async with Receiver() as receiver:
            await post(WebhookClient(SECRET, private=True), receiver.url("/hook?token=x"), body=body)
            return receiver.received[0]

    received = asyncio.run(run())
    assert (received.body, received.path, received.id) == (body, "/hook?token=x", "id0")
    assert received.headers["content-type"] == "application/json"
    assert abs(int(received.headers["webhook-timestamp"]) - time.time()) < 60
    assert Webhook(SECRET).verify(received.body, received.headers) == json.loads(body)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(received.body.replace(b"100", b"101"), received.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 32).verify(received.body, received.headers)


def test_the_answer_has_the_status_and_the_wait() -> None:
    def answer(received: Received) -> web.Response:
        return web.Response(status=int(received.path[1:]), headers={"retry-after": "7"}, text="x")

    found = asyncio.run(answers(answer, "/200", "/410", "/429", "/500", "/503"))
    assert [(each.status, each.retry_after_ms) for each in found] == [
        (200, 0),
        (410, 0),
        (429, 7_000),
        (500, 0),
        (503, 7_000),
    ]


def test_a_redirect_is_not_followed() -> None:
    async def run() -> None:
        async with Receiver(lambda _: web.Response(status=307, headers={"location": "/other"})) as receiver:
            (answer,) = await post(WebhookClient(SECRET, private=True), receiver.url())
            assert (answer.status, len(receiver.received)) == (307, 1)

    asyncio.run(run())


def test_a_slow_answer_ends_at_the_limit() -> None:
    async def run() -> None:
        ended = asyncio.Event()

        async def wait(_: Received) -> web.Response:
            await ended.wait()
            return web.Response()

        async with Receiver(wait) as receiver:
            client = WebhookClient(SECRET, private=True, limit_s=0.2)
            assert await post(client, receiver.url()) == [WebhookAnswer(None, "timeout")]
            ended.set()

    asyncio.run(run())


def test_a_long_answer_is_not_read() -> None:
    async def run() -> None:
        sent = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
            try:
                while True:
                    writer.write(b"x" * 65_536)
                    await writer.drain()
                    sent += 65_536
            except ConnectionError:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        (answer,) = await post(WebhookClient(SECRET, private=True), f"http://127.0.0.1:{port}/")
        server.close()
        await server.wait_closed()
        assert answer.status == 200
        # Buffers of both sockets, but not the gigabyte.
        assert sent < 20_000_000 + ANSWER_BUFFER_BYTES

    asyncio.run(run())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no http\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 99999 X\r\n\r\n",
    ],
)
def test_an_answer_that_is_no_http_is_none(raw: bytes) -> None:
    async def run() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(raw)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        found = await post(WebhookClient(SECRET, private=True), f"http://127.0.0.1:{port}/")
        server.close()
        await server.wait_closed()
        assert found == [WebhookAnswer(None, "no_answer")]

    asyncio.run(run())
