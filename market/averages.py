"""Averages over sliding windows, exact: sums of whole numbers."""

from bisect import bisect_right

import msgspec


class Sums(msgspec.Struct, frozen=True, gc=False):
    """Sums over the ticks of a window. count: of ticks. price, volume: in units. turnover: of price times volume,
    in squares of units."""

    count: int
    price: int
    volume: int
    turnover: int


NO_SUMS = Sums(0, 0, 0, 0)


class RecentTicks:
    """The ticks of one symbol that a window may still hold, by time.

    Each tick has the sums of all ticks up to it, so that a window's sums are a difference of two. A tick in order
    is appended. A tick out of order is put at its place, and those after it get new sums.

    keep_us: ticks are kept for this time before the newest one."""

    def __init__(self, keep_us: int) -> None:
        self._keep_us = keep_us
        self._times: list[int] = []
        # One entry more than times: the sums before the first tick.
        self._prices = [0]
        self._volumes = [0]
        self._turnovers = [0]
        # By width of a window: the number of ticks before the one that ends with the newest tick.
        self._before: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._times)

    def ticks(self) -> list[tuple[int, int, int]]:
        """Time, price and volume of each tick, in order of time. Added again in this order, they give an equal
        object."""
        prices, volumes = self._prices, self._volumes
        return [
            (time_us, prices[at + 1] - prices[at], volumes[at + 1] - volumes[at])
            for at, time_us in enumerate(self._times)
        ]

    def add(self, time_us: int, price: int, volume: int) -> None:
        """Add a tick."""
        times, turnover = self._times, price * volume
        if not times or time_us >= times[-1]:
            times.append(time_us)
            self._prices.append(self._prices[-1] + price)
            self._volumes.append(self._volumes[-1] + volume)
            self._turnovers.append(self._turnovers[-1] + turnover)
            self._forget(time_us - self._keep_us)
            return
        at = bisect_right(times, time_us)
        times.insert(at, time_us)
        for sums, value in ((self._prices, price), (self._volumes, volume), (self._turnovers, turnover)):
            sums[at + 1 :] = [each + value for each in sums[at:]]
        for width_us, before in self._before.items():
            self._before[width_us] = before + (at < before)

    def sums(self, time_us: int, width_us: int) -> Sums:
        """The sums over the ticks after `time_us - width_us`, up to `time_us`."""
        times = self._times
        if times and time_us == times[-1]:
            # The usual case: the window moves on by a few ticks.
            first, last = self._before.get(width_us, 0), len(times)
            while times[first] <= time_us - width_us:
                first += 1
            self._before[width_us] = first
        else:
            first, last = bisect_right(times, time_us - width_us), bisect_right(times, time_us)
        prices, volumes, turnovers = self._prices, self._volumes, self._turnovers
        return Sums(
            last - first,
            prices[last] - prices[first],
            volumes[last] - volumes[first],
            turnovers[last] - turnovers[first],
        )

    def _forget(self, until_us: int) -> None:
        """Forget ticks up to a time, once they are half of all: each is moved once on average."""
        times = self._times
        if times[len(times) // 2] > until_us:
            return
        count = bisect_right(times, until_us)
        for column in (times, self._prices, self._volumes, self._turnovers):
            del column[:count]
        self._before = {width: max(0, before - count) for width, before in self._before.items()}
