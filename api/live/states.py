"""States: the newest of each key, which a client receives before the updates that follow it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol, TypeVar

from api.live.versions import Versions

READ_KEYS = 500
CATCH_UP_READS = 40
CATCH_UP_EVERY_S = 0.05

State = TypeVar("State")


class StateStore(Protocol[State]):
    """A system's store of states (Redis). A system passes its own to its `LiveFeed`. Reading raises RedisDownError
    if the store does not answer."""

    @property
    def name(self) -> str:
        """The store in an error message, such as `the price store`."""

    async def answers(self) -> bool:
        """True if the store can be read."""

    async def keys(self) -> list[str]:
        """All keys that have a state."""

    async def read(self, keys: list[str]) -> list[tuple[str, int, State]]:
        """Key, version and state of those keys that have one, in their order."""

    def encode(self, state: State) -> str:
        """The state as the text of a message to a client."""

    def is_current(self, key: str, version: int) -> bool:
        """True if an update of this key and version takes the place of those before it. False for one that only
        came later."""

    def withdrawals(self, keys: list[str]) -> list[tuple[str, int, str]]:
        """Key, version and message of those keys whose state this process has seen withdrawn."""

    def seen_newer(self, versions: Versions, keys: list[str] | None) -> dict[str, int]:
        """Of these keys (None: of all), those that this process has seen in an update newer than in `versions`,
        with the version of that update."""


async def read_states(store: StateStore[State], keys: list[str] | None) -> AsyncIterator[tuple[str, int, State]]:
    """Key, version and state of these keys (None: of all). Reads READ_KEYS at a time."""
    wanted = keys if keys is not None else await store.keys()
    for start in range(0, len(wanted), READ_KEYS):
        for found in await store.read(wanted[start : start + READ_KEYS]):
            yield found


async def read_newer_states(
    store: StateStore[State], keys: list[str] | None, versions: Versions
) -> AsyncIterator[State]:
    """States newer than `versions`, until these are as new as the updates that this process has seen before the
    call; `versions` is brought up to date.

    An update may be relayed before the store has it. A client that came in between has it from neither, so the
    store is read again until it has caught up: at most CATCH_UP_READS times, CATCH_UP_EVERY_S apart."""
    seen = store.seen_newer(versions, keys)
    for _ in range(CATCH_UP_READS):
        behind = versions.newer_among(seen.items())
        if not behind:
            return
        await asyncio.sleep(CATCH_UP_EVERY_S)
        async for key, version, state in read_states(store, behind):
            if versions.advance(key, version):
                yield state


async def read_asked(store: StateStore[State], keys: list[str], versions: Versions) -> AsyncIterator[str]:
    """The messages for a client that asks for these keys and has `versions`: states and withdrawals that are newer.
    `versions` is brought up to date. Raises RedisDownError."""
    async for key, version, state in read_states(store, keys):
        if versions.advance(key, version):
            yield store.encode(state)
    for key, version, text in store.withdrawals(keys):
        if versions.advance(key, version):
            yield text
    async for state in read_newer_states(store, keys, versions):
        yield store.encode(state)
