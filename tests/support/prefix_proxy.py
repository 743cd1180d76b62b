"""A reverse proxy that serves an API under a path prefix, and strips the prefix."""

import asyncio
import contextlib
import threading

from stack.process import free_port


class PrefixProxy:
    """A proxy on loopback: requests under `prefix` go to `target_port` without it, and all others are answered with
    404. It serves one request on each connection, and passes on WebSockets. Its event loop has its own thread."""

    def __init__(self, target_port: int, prefix: str) -> None:
        self.port = free_port()
        self._target_port = target_port
        self._prefix = prefix.encode()
        self._loop: asyncio.AbstractEventLoop
        self._server: asyncio.Server
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread: threading.Thread

    def __enter__(self) -> "PrefixProxy":
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="prefix-proxy", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _stop(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            method, path, rest = (await reader.readuntil(b"\r\n")).split(b" ", 2)
            if not path.startswith(self._prefix + b"/"):
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                writer.close()
                return
            head = await reader.readuntil(b"\r\n\r\n")
            if b"upgrade: websocket" not in head.lower():
                head = b"Connection: close\r\n" + head.replace(b"Connection: keep-alive\r\n", b"")
            target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._writers.add(target_writer)
            target_writer.write(b" ".join([method, path[len(self._prefix) :], rest]) + head)
            await asyncio.gather(_pass_on(reader, target_writer), _pass_on(target_reader, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
