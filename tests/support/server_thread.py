"""A server of asyncio in a thread of its own, which leaves no socket open."""

import asyncio
import ssl
import threading
from collections.abc import Coroutine
from typing import Any, Self

from stack.process import free_port


class ServerThread:
    """A server on a port of loopback, with an event loop in a thread of its own. A subclass has `_serve`, and adds
    each writer that it opens to `_writers`.

    tls: clients connect by TLS."""

    def __init__(self, port: int | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._tls = tls
        self._loop: asyncio.AbstractEventLoop
        self._server: asyncio.Server
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread: threading.Thread

    def __enter__(self) -> Self:
        # Not before: a loop that is never closed leaks its sockets, and a server may be made without being used.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=type(self).__name__, daemon=True)
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._tls)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop(self) -> None:
        # In Python 3.11, a server that is closed while a connection is just being accepted leaves its socket open.
        # So accept no more, let those reach `_writers`, and close after that.
        for listener in self._server.sockets:
            self._loop.remove_reader(listener.fileno())
        await _some_turns()
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # The loop closes aborted connections in a later turn.
        await _some_turns()


async def _some_turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)
