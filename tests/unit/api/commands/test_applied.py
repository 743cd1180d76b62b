"""Waiting until the flow has applied a command."""

import asyncio
import time

import pytest

from api.commands import applied
from api.commands.applied import AppliedCommands
from core.errors import RedisDownError


class Store:
    """A key of Redis: the number of looks at it, and from which look on it shows the command."""

    def __init__(self, shows_from: int) -> None:
        self.looks = 0
        self.shows_from = shows_from

    async def look(self) -> bool:
        self.looks += 1
        return self.looks >= self.shows_from


def test_a_change_of_the_key_wakes_those_who_wait_for_it_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applied, "LOOK_AFTER_S", 60.0)
    monkeypatch.setattr(applied, "APPLIED_WITHIN_S", 60.0)

    async def run() -> None:
        commands, store = AppliedCommands(), Store(shows_from=2)
        waiting = asyncio.create_task(commands.wait("A", store.look))
        await asyncio.sleep(0.01)
        commands.change(["B"])
        await asyncio.sleep(0.01)
        assert store.looks == 1
        commands.change(["A"])
        assert await waiting
        store = Store(shows_from=2)
        waiting = asyncio.create_task(commands.wait("A", store.look))
        await asyncio.sleep(0.01)
        commands.change(None)
        assert await waiting

    asyncio.run(run())


def test_without_reports_it_looks_a_few_times_and_no_longer_than_a_second() -> None:
    store = Store(shows_from=1000)
    started = time.monotonic()
    assert not asyncio.run(AppliedCommands().wait("A", store.look))
    assert 0.9 < time.monotonic() - started < 3
    assert 3 <= store.looks <= 8
    store = Store(shows_from=3)
    assert asyncio.run(AppliedCommands().wait("A", store.look))


def test_a_redis_that_does_not_answer_ends_the_wait() -> None:
    async def down() -> bool:
        raise RedisDownError

    async def hangs() -> bool:
        await asyncio.sleep(3600)
        return True

    assert not asyncio.run(AppliedCommands().wait("A", down))
    started = time.monotonic()
    assert not asyncio.run(AppliedCommands().wait("A", hangs))
    assert time.monotonic() - started < 3
