"""A TCP proxy that is slow on purpose, or cuts connections."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Coroutine
from typing import Any

from stack.process import free_port

CHUNK_BYTES = 16 * 1024


class Proxy:
    """A proxy on loopback between `port` and `target_port`, with an event loop in a thread of its own.

    `delay_s`: added to all data, in both directions. `bytes_per_s`: the most that passes in each direction.
    `cut_after`: the number of bytes from a client after which its connection is cut. All three may be changed while
    the proxy runs. `tls`: clients connect to the proxy by TLS. `cuts`: the number of connections cut."""

    def __init__(self, target_port: int, port: int | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.delay_s = 0.0
        self.bytes_per_s: float | None = None
        self.cut_after: int | None = None
        self.cuts = 0
        self._target_port = target_port
        self._tls = tls
        self._loop: asyncio.AbstractEventLoop
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread: threading.Thread

    def __enter__(self) -> "Proxy":
        # Not before: a loop that is never closed leaks its sockets, and a proxy may be made without being used.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def lead_to(self, target_port: int) -> None:
        """Use another target for new connections."""
        self._target_port = target_port

    def be_fast(self) -> None:
        """From now on, pass all data without delay, limit or cut."""
        self.delay_s, self.bytes_per_s, self.cut_after = 0.0, None, None

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._tls)

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        # Let connections that are just being accepted reach `_lines`; otherwise they would stay open.
        await _some_turns()
        for writer in self._lines:
            writer.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # The loop closes aborted connections in a later turn.
        await _some_turns()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer)
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            self._lines.discard(writer)
            writer.transport.abort()
            return
        both = {writer, target_writer}
        self._lines |= both
        try:
            ways = (self._pass_on(reader, target_writer, True), self._pass_on(target_reader, writer, False))
            tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._lines -= both
            for each in both:
                each.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, from_client: bool) -> None:
        """Pass on one direction. A queue holds data with its time of arrival, so that a delay does not slow down
        the reading of later data."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)

        async def fetch() -> None:
            seen = 0
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(CHUNK_BYTES):
                    seen += len(data)
                    if from_client and self.cut_after is not None and seen > self.cut_after:
                        self.cuts += 1
                        break
                    await waiting.put((self._loop.time(), data))
            await waiting.put((0.0, b""))

        fetching = asyncio.ensure_future(fetch())
        with contextlib.suppress(ConnectionError):
            while True:
                came_at, data = await waiting.get()
                if not data:
                    break
                await asyncio.sleep(came_at + self.delay_s - self._loop.time())
                while data:
                    size = len(data) if self.bytes_per_s is None else max(1, int(self.bytes_per_s / 20))
                    part, data = data[:size], data[size:]
                    writer.write(part)
                    await writer.drain()
                    if self.bytes_per_s is not None:
                        await asyncio.sleep(len(part) / self.bytes_per_s)
        fetching.cancel()
        await asyncio.gather(fetching, return_exceptions=True)


async def _some_turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)
