"""Lanes: deliveries that are due, by host, so that one slow receiver does not hold up the others. Pure."""

from collections import deque
from typing import Generic, TypeVar

import msgspec

Item = TypeVar("Item")


class _Lane(msgspec.Struct):
    """Items of one host that wait, and the number of those that run."""

    waiting: deque[object]
    running: int = 0


class HostLanes(Generic[Item]):
    """Items that wait for their turn. At most `running_max` run at the same time, and `per_host_max` of one host.
    Hosts take turns; items of one host run in the order in which they came.

    Has no lock: its owner calls it from one thread, or under a lock."""

    def __init__(self, running_max: int, per_host_max: int) -> None:
        self._running_max = running_max
        self._per_host_max = per_host_max
        self._running = 0
        self._lanes: dict[str, _Lane] = {}
        # Hosts whose next item may run, each once.
        self._turns: deque[str] = deque()

    def add(self, host: str, item: Item) -> None:
        """Let an item wait."""
        lane = self._lanes.setdefault(host, _Lane(deque()))
        lane.waiting.append(item)
        if len(lane.waiting) == 1 and lane.running < self._per_host_max:
            self._turns.append(host)

    def take(self) -> Item | None:
        """The next item, which counts as running until `release`. None if none may run now."""
        if self._running >= self._running_max or not self._turns:
            return None
        host = self._turns.popleft()
        lane = self._lanes[host]
        item: Item = lane.waiting.popleft()  # type: ignore[assignment]
        lane.running += 1
        self._running += 1
        if lane.waiting and lane.running < self._per_host_max:
            self._turns.append(host)
        return item

    def release(self, host: str) -> None:
        """Note that an item of a host runs no more."""
        lane = self._lanes[host]
        lane.running -= 1
        self._running -= 1
        # Below the limit of its host, the lane has a turn already.
        if lane.waiting and lane.running == self._per_host_max - 1:
            self._turns.append(host)
        elif not lane.waiting and not lane.running:
            del self._lanes[host]
