"""A reverse proxy that serves an API under a path prefix, and strips the prefix."""

import asyncio
import contextlib

from tests.support.server_thread import ServerThread


class PrefixProxy(ServerThread):
    """A proxy on loopback: requests under `prefix` go to `target_port` without it, and all others are answered with
    404. It serves one request on each connection, and passes on WebSockets."""

    def __init__(self, target_port: int, prefix: str) -> None:
        super().__init__()
        self._target_port = target_port
        self._prefix = prefix.encode()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
