"""A WebSocket client of the fan-out: the updates that it has not taken yet."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from starlette.websockets import WebSocketDisconnect

import telemetry
from api.live.versions import Versions

QUEUE_FRAMES_MAX = 50_000
"""Updates that are kept in order for one client. Beyond it, only the newest of each key is kept."""

Update = tuple[str, int, bytes]
"""Key, version, frame. One object for all clients: a queue of a client holds references."""

NOT_NEWER = telemetry.NOT_NEWER.labels("websocket")
"""Updates that a client has already, looked up once because it is counted for every read."""


def _always(key: str, version: int) -> bool:
    return True


class FrameWriter(Protocol):
    """The part of a `PushConnection` that a client writes to."""

    free: bool

    def write(self, frames: bytes) -> None: ...


class Client:
    """The updates of one WebSocket client between the hub, which sends them, and the session, which takes them.

    keys: the keys that the client watches; None for all. conflate: keep only the newest update of each key. push:
    the client's connection. If it is given, and the session waits in `take`, the hub's updates are written to it at
    once. by_message: the client chooses its keys by message, and takes withdrawals too. is_current: as in
    `StateStore`.

    Memory is bounded: QUEUE_FRAMES_MAX updates in order, then one for each key. Belongs to the event loop's
    thread."""

    # With ten thousand clients, every object that a delivery touches is a miss of the processor's cache.
    __slots__ = (
        *("by_message", "keys", "_asked", "_conflate", "_is_current", "_newest", "_push", "_queue"),
        *("_snapshot", "_wake_up", "_writes_at_once"),
    )

    def __init__(
        self,
        keys: Collection[str] | None,
        conflate: bool,
        push: FrameWriter | None = None,
        *,
        by_message: bool = False,
        is_current: Callable[[str, int], bool] = _always,
    ) -> None:
        self.keys = None if keys is None else frozenset(keys)
        self.by_message = by_message
        self._conflate = conflate
        self._is_current = is_current
        self._push = None if conflate else push
        self._writes_at_once = False
        self._snapshot: Versions | None = None
        self._queue: deque[Update] = deque()
        self._newest: dict[str, Update] = {}
        self._wake_up = asyncio.Event()
        self._asked: dict[str, int] = {}

    def start_after(self, snapshot: Versions) -> None:
        """From now on the client receives only what is newer than a snapshot that it has received."""
        self._snapshot = snapshot or None

    def ask(self, versions: Mapping[str, int]) -> None:
        """The client asks for the states of these keys that are newer than the versions that it has. Wakes
        `take`."""
        self._asked = dict(versions)
        self._wake_up.set()

    def take_asked(self) -> dict[str, int]:
        """The argument of the last `ask` since the last call; empty if there was none."""
        asked, self._asked = self._asked, {}
        return asked

    def send(self, updates: list[Update], frames: bytes) -> int:
        """Write the updates at once, or keep them until they are taken. frames: the frames of all of them, joined.
        Returns how many were written."""
        push = self._push
        if not self._writes_at_once or push is None or not push.free:
            for update in updates:
                self.offer(update)
            return 0
        count = len(updates)
        if self._snapshot:
            is_newer = self._snapshot.release
            newer = [frame for key, version, frame in updates if is_newer(key, version)]
            frames, count = b"".join(newer), len(newer)
            NOT_NEWER.inc(len(updates) - count)
        try:
            push.write(frames)
        except WebSocketDisconnect:
            # The session sees it too, and ends.
            return 0
        return count

    def offer(self, update: Update) -> None:
        """Keep an update until it is taken."""
        # Updates after this one must not be written before it.
        self._writes_at_once = False
        if self._conflate or self._newest or len(self._queue) >= QUEUE_FRAMES_MAX:
            if not self._is_current(update[0], update[1]):
                telemetry.WS_CONFLATED.inc()
                return
            if self._newest.pop(update[0], None):
                telemetry.WS_CONFLATED.inc()
            self._newest[update[0]] = update
        else:
            self._queue.append(update)
        self._wake_up.set()

    async def take(self) -> list[Update]:
        """All updates that are kept, in order. Waits until there is one, or until the client asks for states: the
        list is then empty. The caller must have written the updates of the call before."""
        self._writes_at_once = not self._wake_up.is_set()
        try:
            await self._wake_up.wait()
        finally:
            self._writes_at_once = False
        self._wake_up.clear()
        updates = [*self._queue, *self._newest.values()]
        self._queue.clear()
        self._newest.clear()
        if self._snapshot:
            is_newer = self._snapshot.release
            newer = [update for update in updates if is_newer(update[0], update[1])]
            NOT_NEWER.inc(len(updates) - len(newer))
            return newer
        return updates
