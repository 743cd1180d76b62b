"""A TCP proxy that is slow on purpose, or cuts connections."""

import asyncio
import contextlib
import ssl

from tests.support.server_thread import ServerThread

CHUNK_BYTES = 16 * 1024


class Proxy(ServerThread):
    """A proxy on loopback between `port` and `target_port`.

    `delay_s`: added to all data, in both directions. `bytes_per_s`: the most that passes in each direction.
    `cut_after`: the number of bytes from a client after which its connection is cut. All three may be changed while
    the proxy runs. `tls`: clients connect to the proxy by TLS. `cuts`: the number of connections cut."""

    def __init__(self, target_port: int, port: int | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(port, tls=tls)
        self.delay_s = 0.0
        self.bytes_per_s: float | None = None
        self.cut_after: int | None = None
        self.cuts = 0
        self._target_port = target_port

    def lead_to(self, target_port: int) -> None:
        """Use another target for new connections."""
        self._target_port = target_port

    def be_fast(self) -> None:
        """From now on, pass all data without delay, limit or cut."""
        self.delay_s, self.bytes_per_s, self.cut_after = 0.0, None, None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            self._writers.discard(writer)
            writer.transport.abort()
            return
        both = {writer, target_writer}
        self._writers |= both
        try:
            ways = (self._pass_on(reader, target_writer, True), self._pass_on(target_reader, writer, False))
            tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._writers -= both
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
