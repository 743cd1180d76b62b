"""Repairs: states that this process knows and Redis lacks. The flow is asked to write them again.

A Redis that drops keys when its memory is full, or that lost some, would answer 404 until the next signal of the
key."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

import telemetry

AGAIN_AFTER_S = 10.0
"""Shortest time between two requests for a key."""

ASKED_MAX = 10_000
"""Keys whose requests are remembered. While so many were asked for, no others are."""

log = telemetry.get_logger("api")

State_co = TypeVar("State_co", covariant=True)


class Repaired(Protocol[State_co]):
    """A reader of a store that can be repaired."""

    async def look_again(self, key: str) -> tuple[State_co | None, bool]:
        """The state of a key that was not found, None if it is still not there, and true if the store lists the
        key. Raises RedisDownError."""

    async def ask_for(self, ids: Iterable[str]) -> bool:
        """Ask the flow to write the rows of these keys again."""


class Repairs(Generic[State_co]):
    """Requests to the flow to write keys to Redis again. Belongs to the event loop's thread.

    knows: true for a key that has a state as far as this process knows."""

    def __init__(self, reader: Repaired[State_co], knows: Callable[[str], bool]) -> None:
        self._reader = reader
        self._knows = knows
        self._asked: dict[str, float] = {}
        self._tasks: set[asyncio.Task[bool]] = set()

    async def find(self, key: str) -> tuple[State_co | None, bool]:
        """For a key without a state in Redis: the state if there is one by now, and if Redis has lost it. Asks the
        flow for a key that is lost. Raises RedisDownError."""
        stored, listed = await self._reader.look_again(key)
        if stored is not None:
            return stored, False
        # Redis may have lost its list too. This process hears of a withdrawal a moment after Redis.
        lost = listed or self._knows(key)
        if lost:
            self.ask([key])
        return None, lost

    def check(self, wanted: Iterable[str], found: Iterable[str]) -> None:
        """Ask the flow for those of the wanted keys that this process knows and that were not found in Redis."""
        missing = set(wanted).difference(found)
        self.ask(key for key in missing if self._knows(key))

    def ask(self, keys: Iterable[str]) -> None:
        """Ask the flow for keys, in a task. A key that was asked for a moment ago is left out."""
        now = time.monotonic()
        # The oldest come first.
        while self._asked and next(iter(self._asked.values())) < now - AGAIN_AFTER_S:
            del self._asked[next(iter(self._asked))]
        wanted = [key for key in keys if key not in self._asked][: ASKED_MAX - len(self._asked)]
        if not wanted:
            return
        self._asked.update(dict.fromkeys(wanted, now))
        log.warning("Redis has lost keys; the flow is asked for them", keys=wanted[:10], count=len(wanted))
        task = asyncio.ensure_future(self._reader.ask_for(wanted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
