"""Clients for `make bench-read` and `make bench-latency`, which use little CPU time, in a process of their own.

`python -m benchmarks.load http PORT PATH CONNECTIONS SECONDS`: each connection sends its next request when it has
the answer.

`python -m benchmarks.load ws PORT PATH CLIENTS FRAMES`: prints "ready" when all clients are connected, and the
result when each has received FRAMES frames. The clients stay connected until the process is ended.

`python -m benchmarks.load late PORT PATH SECONDS_BEFORE SECONDS`: measures the time from events to the frames of
their updates.

The result is a line of JSON."""

import asyncio
import base64
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import cast

import msgspec
import uvloop

CONNECTS_AT_ONCE = 100
FRAMES_WITHIN_S = 120.0


class HttpResult(msgspec.Struct):
    """The result of `http`. `bad`: answers with another status than 200."""

    answers: int = 0
    bad: int = 0
    seconds: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0


class WsResult(msgspec.Struct):
    """The result of `ws`. `first_s`: the time of the first frame of all clients. `done_s`: for each client, the
    time at which it had all its frames. Both are on the monotonic clock."""

    frames: int
    first_s: float
    done_s: list[float]


class LateResult(msgspec.Struct):
    """The result of `late`. `tenths`: latency in tenths of a millisecond to the number of frames with it. A latency
    is from the event's time stamp, which is in whole milliseconds, to the arrival of its update's frame."""

    tenths: dict[int, int]

    def milliseconds(self) -> list[float]:
        """Return all latencies in milliseconds, sorted."""
        return [tenths / 10 for tenths, count in sorted(self.tenths.items()) for _ in range(count)]


class _Timed(msgspec.Struct):
    event_time_ms: int


class _Http(asyncio.Protocol):
    def __init__(self, request: bytes, result: HttpResult, latencies_s: list[float], until_s: float) -> None:
        self._request, self._result, self._until_s = request, result, until_s
        self._latencies_s = latencies_s
        self._missing = 0
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._asked_s = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        else:
            head, _, body = data.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                self._result.bad += 1
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r", 1)[0])
            self._missing = length - len(body)
        if self._missing:
            return
        now = time.perf_counter()
        self._result.answers += 1
        self._latencies_s.append(now - self._asked_s)
        if now < self._until_s:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(None)


async def http(port: int, path: str, connections: int, seconds: float) -> HttpResult:
    """Send GET requests for some seconds over a number of connections."""
    loop = asyncio.get_running_loop()
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\nUser-Agent: load\r\n\r\n".encode()
    result = HttpResult()
    latencies_s: list[float] = []
    started = time.perf_counter()
    lines = [
        await loop.create_connection(
            lambda: _Http(request, result, latencies_s, started + seconds), "127.0.0.1", port
        )
        for _ in range(connections)
    ]
    await asyncio.gather(*(line.ended for _, line in lines))
    result.seconds = time.perf_counter() - started
    latencies_s.sort()
    result.p50_ms, result.p99_ms = (1000 * latencies_s[int(len(latencies_s) * share)] for share in (0.5, 0.99))
    return result


class _Ws(asyncio.Protocol):
    """A WebSocket client that counts frames by their headers, and answers pings."""

    def __init__(self, request: bytes, result: WsResult, frames: int) -> None:
        self._request, self._result, self._wanted = request, result, frames
        loop = asyncio.get_running_loop()
        self.open, self.done = loop.create_future(), loop.create_future()
        self._data = b""
        self._count = 0
        self.on_frame: Callable[[bytes], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        data = self._data + data
        if not self.open.done():
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._data = head
                return
            self.open.set_result(head.startswith(b"HTTP/1.1 101"))
        start = 0
        while len(data) - start >= 2:
            size, head_size = data[start + 1], 2
            if size == 126:
                size, head_size = int.from_bytes(data[start + 2 : start + 4]), 4
            elif size == 127:
                size, head_size = int.from_bytes(data[start + 2 : start + 10]), 10
            end = start + head_size + size
            if end > len(data):
                break
            if data[start] == 0x81:
                self._count += 1
                if self.on_frame is not None:
                    self.on_frame(data[start + head_size : end])
            elif data[start] == 0x89:
                # A pong with the ping's payload, masked with zeros.
                self._transport.write(bytes((0x8A, 0x80 | size, 0, 0, 0, 0)) + data[start + head_size : end])
            start = end
        self._data = data[start:]
        if self._count:
            now = time.monotonic()
            self._result.first_s = self._result.first_s or now
            if self._count >= self._wanted and not self.done.done():
                self._result.frames += self._count
                self._result.done_s.append(now)
                self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        for waited in (self.open, self.done):
            if not waited.done():
                waited.set_exception(ConnectionResetError("the server closed a connection"))


def _upgrade(port: int, path: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


async def _connect(port: int, request: bytes, result: WsResult, frames: int) -> _Ws:
    loop = asyncio.get_running_loop()
    _, line = await loop.create_connection(lambda: _Ws(request, result, frames), "127.0.0.1", port)
    if not await line.open:
        raise SystemExit("the server refused a connection")
    return line


async def ws(port: int, path: str, clients: int, frames: int) -> None:
    """Connect the clients, wait until each has its frames, and print the result. Raises TimeoutError after
    `FRAMES_WITHIN_S`."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    request, result = _upgrade(port, path), WsResult(0, 0.0, [])
    lines: list[_Ws] = []
    while len(lines) < clients:
        count = min(CONNECTS_AT_ONCE, clients - len(lines))
        lines += await asyncio.gather(*(_connect(port, request, result, frames) for _ in range(count)))
    print("ready", flush=True)
    async with asyncio.timeout(FRAMES_WITHIN_S):
        await asyncio.gather(*(line.done for line in lines))
    _print(result)
    # The end of a connection costs the server as much as some frames, and is not what is measured.
    await asyncio.Event().wait()


async def late(port: int, path: str, before_s: float, lasts_s: float) -> LateResult:
    """Measure the frames of one client for `lasts_s` seconds. The first `before_s` seconds do not count."""
    result = LateResult({})
    tenths = result.tenths
    decode = msgspec.json.Decoder(_Timed).decode
    line = await _connect(port, _upgrade(port, path), WsResult(0, 0.0, []), sys.maxsize)

    def note(frame: bytes) -> None:
        late = round(time.time() * 10_000 - decode(frame).event_time_ms * 10)
        tenths[late] = tenths.get(late, 0) + 1

    line.on_frame = note
    print("ready", flush=True)
    await asyncio.sleep(before_s)
    tenths.clear()
    await asyncio.sleep(lasts_s)
    line.on_frame = None
    return result


def main() -> None:
    """Run the client that the arguments name, and print its result."""
    kind, port, path, first, second = sys.argv[1:]
    if kind == "http":
        _print(uvloop.run(http(int(port), path, int(first), float(second))))
    elif kind == "ws":
        uvloop.run(ws(int(port), path, int(first), int(second)))
    else:
        _print(uvloop.run(late(int(port), path, float(first), float(second))))


def _print(result: msgspec.Struct) -> None:
    print(msgspec.json.encode(result).decode(), flush=True)


if __name__ == "__main__":
    main()
