"""Hostile and broken clients: other clients are still served, and memory stays bounded."""

import asyncio
import contextlib
import json
import socket
import statistics
import time
from collections.abc import Awaitable, Callable

import httpx
import psutil
import pytest
import websockets

from api.web import http_protocol
from api.web.server import PING_S
from tests.support.pipeline import KEY, Pipeline, wait_for

MEMORY_GROWTH_MAX_BYTES = 150 * 1024 * 1024
IDLE_CLIENTS = 1_000
DEAF_CLIENTS = 50
HELLO = (
    b"GET /ws/prices HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture
def api(pipeline: Pipeline) -> Pipeline:
    pipeline.start_flow()
    pipeline.start_api()
    wait_for(pipeline.api_ready)
    pipeline.event("A", 10.0)
    pipeline.flush()
    pipeline.wait_for_version("A", 1)
    return pipeline


def memory(api: Pipeline) -> int:
    assert api.api is not None
    return int(psutil.Process(api.api.pid).memory_info().rss)


def connect(api: Pipeline) -> socket.socket:
    host, _, port = api.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def answer(line: socket.socket) -> bytes:
    """Return all bytes until the other side closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while part := line.recv(65536):
            received += part
    return received


def status_of(received: bytes) -> int:
    return int(received.split(b" ", 2)[1])


def latencies(api: Pipeline, count: int = 100) -> list[float]:
    found = []
    for _ in range(count):
        started = time.perf_counter()
        assert api.http.get("/price/A").status_code == 200
        found.append(time.perf_counter() - started)
    return found


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_of_100_mb_is_refused_before_it_is_read(api: Pipeline, declared: bool) -> None:
    before = memory(api)
    size = 100 * 1024 * 1024
    sent = 0

    def body() -> object:
        nonlocal sent
        chunk = b"x" * 65536
        while sent < size:
            sent += len(chunk)
            yield chunk

    headers = {"X-API-Key": KEY, **({"Content-Length": str(size)} if declared else {})}
    try:
        response = api.http.post("/override", content=body(), headers=headers)  # type: ignore[arg-type]
        assert response.status_code == 400
        assert "bytes" in response.json()["error"]
    except (httpx.WriteError, httpx.ReadError):
        # The server may close the connection while the client still sends; this is a refusal too.
        pass
    assert sent < size / 2
    assert memory(api) - before < MEMORY_GROWTH_MAX_BYTES
    assert api.http.get("/price/A").status_code == 200


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"".join(b"X-H%d: y\r\n" % index for index in range(10_000)), 431),
        (b"X-Long: " + b"y" * 1_000_000, 431),
        (b"X-API-Key: " + b"k" * 40_000 + b"\r\n", 431),
        (b"no header at all\r\n", 400),
        (b"X: \x00\r\n", 400),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n", 400),
        (b"Content-Length: -1\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", 400),
    ],
)
def test_a_head_that_is_too_large_or_no_http_is_refused(api: Pipeline, head: bytes, status: int) -> None:
    before = memory(api)
    with connect(api) as line:
        with contextlib.suppress(ConnectionError):
            line.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
        received = answer(line)
    # If the server closes with unread data, the answer may be lost; no answer is a refusal too.
    if received:
        assert status_of(received) == status
        assert list(json.loads(received.split(b"\r\n\r\n", 1)[1])) == ["error"]
    assert memory(api) - before < MEMORY_GROWTH_MAX_BYTES
    assert api.http.get("/health").status_code == 200


def test_clients_that_send_a_byte_now_and_then_are_cut_off(api: Pipeline) -> None:
    head = b"GET /price/A HTTP/1.1\r\nHost: x\r\n"
    body = b"POST /override HTTP/1.1\r\nHost: x\r\nX-API-Key: %b\r\nContent-Length: 50000\r\n\r\n" % KEY.encode()
    before = memory(api)
    # Half-open connections: after the handshake they answer nothing, not even a ping.
    gone = [connect(api) for _ in range(20)]
    for line in gone:
        line.sendall(HELLO)
        assert status_of(line.recv(65536)) == 101
    lines = [connect(api) for _ in range(200)]
    opening = [b"", head, body]
    started = time.monotonic()
    for index, line in enumerate(lines):
        line.sendall(opening[index % 3])
    within = http_protocol.REQUEST_WITHIN_S
    while time.monotonic() - started < within / 2:
        for index, line in enumerate(lines):
            line.sendall(b"x" if index % 3 else b"")
        assert max(latencies(api, 20)) < 5
    for index, line in enumerate(lines):
        assert status_of(answer(line)) == 408, index
        line.close()
    assert time.monotonic() - started < within + 5
    assert api.http.get("/price/A").status_code == 200
    wait_for(lambda: "pricewax_ws_clients 0.0" in api.http.get("/metrics").text, 2 * PING_S + 5)
    assert memory(api) - before < MEMORY_GROWTH_MAX_BYTES
    for line in gone:
        line.close()


def test_a_slow_client_that_does_finish_in_time_is_served(api: Pipeline) -> None:
    with connect(api) as line:
        for part in (b"GET /pri", b"ce/A HTTP/1.1\r\nHo", b"st: x\r\nConnection: close\r\n\r\n"):
            line.sendall(part)
            latencies(api, 10)
        assert status_of(answer(line)) == 200


def test_a_client_that_reads_nothing_or_does_nothing_harms_nobody(api: Pipeline) -> None:
    """1,000 clients are idle and 50 never read, while prices change. One client reads, and gets every change."""
    quiet = statistics.median(latencies(api))
    before = memory(api)
    events = 3_000
    url = api.url.replace("http", "ws") + "/ws/prices"

    async def open_all(count: int, path: str) -> list[websockets.ClientConnection]:
        found = []
        for start in range(0, count, 100):
            made = (websockets.connect(url + path, max_queue=None) for _ in range(min(100, count - start)))
            found += await asyncio.gather(*made)
        return found

    async def deaf() -> asyncio.StreamWriter:
        """A client that never reads after the handshake. Its buffers are small, so that the server has to wait."""
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, _, port = api.url.removeprefix("http://").partition(":")
        raw.connect((host, int(port)))
        reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
        writer.write(HELLO)
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        return writer

    async def follow(client: websockets.ClientConnection) -> int:
        last = 0
        while last < 1 + events:
            last = json.loads(await asyncio.wait_for(client.recv(), 30))["version"]
        return last

    async def produce() -> None:
        for index in range(events):
            api.event("A", 10.0 + index % 7, note="x" * 200)
            if index % 100 == 0:
                api.producer.flush(10)
                await asyncio.sleep(0)
        await asyncio.to_thread(api.flush)

    async def run() -> tuple[int, list[float]]:
        idle = await open_all(IDLE_CLIENTS, "?products=nobody")
        silent = [await deaf() for _ in range(DEAF_CLIENTS)]
        (reader,) = await open_all(1, "")
        reading = asyncio.create_task(follow(reader))
        producing = asyncio.create_task(produce())
        others = await asyncio.to_thread(latencies, api)
        await producing
        last = await reading
        for writer in silent:
            writer.close()
        await close_all([*idle, reader])
        return last, others

    last, others = asyncio.run(run())
    assert last == 1 + events
    # The clients use the same machine, so some delay is allowed, but far less than a second.
    assert statistics.median(others) < max(0.25, 10 * quiet)
    assert memory(api) - before < MEMORY_GROWTH_MAX_BYTES
    wait_for(lambda: "pricewax_ws_clients 0.0" in api.http.get("/metrics").text)


async def close_all(clients: list[websockets.ClientConnection]) -> None:
    closing: list[Awaitable[None]] = [client.close() for client in clients]
    await asyncio.gather(*closing)


BROKEN_HANDSHAKES: list[Callable[[bytes], bytes]] = [
    lambda request: request[:40],
    lambda request: request.replace(b"13", b"12"),
    lambda request: request.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"),
    lambda request: request.replace(b"Sec-WebSocket-Key", b"X-Other"),
]


def test_broken_handshakes_and_frames_leave_nothing_behind(api: Pipeline) -> None:
    frames = [
        b"\xff\xff\xff\xff",  # Reserved bits and an unknown opcode.
        b"\x81\x05hello",  # Not masked.
        b"\x82\xff" + b"\x7f" * 8,  # A length of almost 2^63 bytes.
        b"\x81\x81\x00\x00\x00\x00\xff",  # Not UTF-8.
        b"\x89\xfe\x01\x00" + b"x" * 260,  # A ping that is too long.
    ]
    before = memory(api)
    for spoil in BROKEN_HANDSHAKES:
        with connect(api) as line:
            line.sendall(spoil(HELLO))
            line.shutdown(socket.SHUT_WR)
            received = answer(line)
            assert not received or 400 <= status_of(received) < 500
    for frame in frames:
        with connect(api) as line:
            line.sendall(HELLO)
            assert status_of(line.recv(65536)) == 101
            line.sendall(frame)
            answer(line)
    wait_for(lambda: "pricewax_ws_clients 0.0" in api.http.get("/metrics").text)
    assert memory(api) - before < MEMORY_GROWTH_MAX_BYTES
    assert api.http.get("/price/A").status_code == 200
    assert " 500 " not in api.output()
    assert "Traceback" not in api.output()
