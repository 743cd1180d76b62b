"""Tracking of keys: Redis reports at once which keys change, by its client-side caching in broadcast mode (Redis 6
or newer).

The tracker has a connection of its own, which the event loop reads as bytes arrive. So when a request is answered,
all changes that Redis reported before the request are known."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import cast

import hiredis
from redis import RedisError

import telemetry
from clients.redis import RedisEndpoint, greeting, open_connection

PING_EVERY_S = 0.25
"""Pause between two probes. A Redis that hangs does not close its connections, so only a probe notices it."""

ANSWER_WITHIN_S = 0.5
RECONNECT_S = 0.5
CONNECT_WITHIN_S = 1.0

log = telemetry.get_logger("redis_tracking")


OnChange = Callable[[list[str] | None], None]
"""A function that takes the names of changed keys, without their prefix; None for all keys."""


class KeyTracker:
    """The connection that follows changes of keys. Belongs to one event loop. It connects again after every
    failure, and raises nothing.

    on_change: a function for each prefix of keys; no prefix is the beginning of another one. on_start: called when
    changes are reported from now on. on_end: called once or twice when changes are no longer reported. on_demoted:
    called when the server has become a replica."""

    def __init__(
        self,
        endpoint: RedisEndpoint,
        on_change: Mapping[str, OnChange],
        *,
        on_start: Callable[[], None],
        on_end: Callable[[], None],
        on_demoted: Callable[[], None] = lambda: None,
    ) -> None:
        self._endpoint = endpoint
        follow = [b"CLIENT", b"TRACKING", b"ON", b"BCAST"]
        for prefix in on_change:
            follow += [b"PREFIX", prefix.encode()]
        self._greeting = [_pack(words) for words in (*greeting(endpoint), follow)]
        # A master may become a replica, which reports changes late. A user without the right to call ROLE gets an
        # error, which answers the probe as well.
        self._probe = b"ROLE\r\n"
        self._needs_master = endpoint.service is not None
        self._on_start, self._on_change, self._on_end = on_start, on_change, on_end
        self._on_demoted = on_demoted
        self._task: asyncio.Task[None] | None = None
        self._refused: str | None = None

    def start(self) -> None:
        """Start to follow changes, in a task of the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End the task and its connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(OSError, TimeoutError, RedisError):
                async with asyncio.timeout(CONNECT_WITHIN_S):
                    connection = await open_connection(
                        self._endpoint, lambda: _TrackingConnection(self._on_change, self._on_end)
                    )
                try:
                    await self._follow(connection)
                finally:
                    connection.transport.abort()
            await asyncio.sleep(RECONNECT_S)

    async def _follow(self, connection: "_TrackingConnection") -> None:
        """Follow changes until the connection ends, an answer is late, or the server is not a master any more."""
        connection.write(b"".join(self._greeting))
        for _ in self._greeting:
            refusal = await connection.answer(CONNECT_WITHIN_S)
            if isinstance(refusal, hiredis.ReplyError):
                # Logged once, because a Redis that is too old, or a user without the permission, stays so.
                if str(refusal) != self._refused:
                    self._refused = str(refusal)
                    log.warning(
                        "Redis does not tell which prices change; each is read from it", error=self._refused
                    )
                return
        self._on_start()
        was_master = self._needs_master
        try:
            while True:
                await asyncio.sleep(PING_EVERY_S)
                connection.write(self._probe)
                answer = await connection.answer(ANSWER_WITHIN_S)
                if isinstance(answer, list):
                    # Without sentinels, a server that always was a replica was chosen by a person.
                    if was_master and answer[:1] != [b"master"]:
                        log.warning("Redis is not the master any more; connecting again")
                        self._on_demoted()
                        return
                    was_master = was_master or answer[:1] == [b"master"]
        finally:
            self._on_end()


def _pack(words: list[bytes]) -> bytes:
    packed: bytes = hiredis.pack_command(tuple(words))  # type: ignore[arg-type]  # its stub takes one word only
    return packed


class _TrackingConnection(asyncio.Protocol):
    def __init__(self, on_change: Mapping[str, OnChange], on_end: Callable[[], None]) -> None:
        self._reader = hiredis.Reader()
        self._on_change = {prefix.encode(): call for prefix, call in on_change.items()}
        self._on_end = on_end
        self._answers: asyncio.Queue[object] = asyncio.Queue()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport has all methods of the class, but is not a subclass.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (answer := self._reader.gets()) is not False:
            if not isinstance(answer, hiredis.PushNotification):
                self._answers.put_nowait(answer)
            elif answer[0] == b"invalidate":
                self._report(answer[1])

    def _report(self, keys: list[bytes] | None) -> None:
        for prefix, call in self._on_change.items():
            if keys is None:
                call(None)
            # Redis sends a message for each prefix, so the first key has the prefix of all.
            elif keys and keys[0].startswith(prefix):
                skip = len(prefix)
                call([key[skip:].decode("utf-8", "replace") for key in keys])

    def connection_lost(self, exc: Exception | None) -> None:
        # Called here too, because the waiting task runs later, and a request may come before it.
        self._on_end()
        self._answers.put_nowait(ConnectionResetError())

    def write(self, data: bytes) -> None:
        """Send bytes. Raises OSError if the connection has ended."""
        if self.transport.is_closing():
            raise ConnectionResetError
        self.transport.write(data)

    async def answer(self, within_s: float) -> object:
        """The next answer, which may be an error of Redis. Raises OSError or TimeoutError if Redis does not
        answer."""
        async with asyncio.timeout(within_s):
            answer = await self._answers.get()
        if isinstance(answer, OSError):
            raise answer
        return answer
