"""States: a client that asks has each update from the store or its queue, and waits for the store."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from api.live import states
from api.live.states import read_asked, read_newer_states
from api.live.versions import Versions


class LateStore:
    """A store that has `stored` at first, and `later` from its second read on. The process has seen updates of
    `seen`, which grow with every later read if the keys are `hot`."""

    name = "the store"

    def __init__(self, stored: dict[str, int], later: dict[str, int], *, hot: bool = False) -> None:
        self.stored = stored
        self.later = later
        self.seen = dict(later)
        self.hot = hot
        self.reads = 0

    async def answers(self) -> bool:
        return True

    async def keys(self) -> list[str]:
        return list(self.stored)

    async def read(self, keys: list[str]) -> list[tuple[str, int, int]]:
        self.reads += 1
        now = self.stored if self.reads == 1 else self.later
        if self.hot and self.reads > 1:
            self.seen = {key: version + 1 for key, version in self.seen.items()}
        return [(key, now[key], now[key]) for key in keys if key in now]

    def encode(self, state: int) -> str:
        return f"state {state}"

    def withdrawals(self, keys: list[str]) -> list[tuple[str, int, str]]:
        return []

    def is_current(self, key: str, version: int) -> bool:
        return True

    def seen_newer(self, versions: Versions, keys: list[str] | None) -> dict[str, int]:
        wanted = self.seen if keys is None else keys
        newer = versions.newer_among((key, self.seen[key]) for key in wanted if key in self.seen)
        return {key: self.seen[key] for key in newer}


async def collect(texts: AsyncIterator[str]) -> list[str]:
    return [text async for text in texts]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "CATCH_UP_EVERY_S", 0.0)


def test_a_client_that_asks_between_an_update_and_its_storing_gets_it() -> None:
    store = LateStore({"A": 1, "B": 7}, {"A": 2, "B": 7})
    versions = Versions({"A": 1, "B": 7})
    assert asyncio.run(collect(read_asked(store, ["A", "B"], versions))) == ["state 2"]
    assert versions == {"A": 2, "B": 7}


def test_updates_after_the_call_are_not_waited_for() -> None:
    store = LateStore({"A": 1}, {"A": 2}, hot=True)
    versions = Versions({"A": 1})
    assert asyncio.run(collect(read_asked(store, ["A"], versions))) == ["state 2"]
    assert store.reads == 2


def test_a_store_that_stays_behind_is_not_waited_for_for_ever() -> None:
    store = LateStore({"A": 1}, {"A": 1})
    store.seen = {"A": 2}

    async def run() -> list[int]:
        return [state async for state in read_newer_states(store, None, Versions({"A": 1}))]

    assert asyncio.run(run()) == []
    assert store.reads == states.CATCH_UP_READS
