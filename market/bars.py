"""Bars: open, high, low, close, volume and number of the ticks of an interval."""

from collections.abc import Iterable, Iterator

import msgspec

from market.amounts import divide
from market.moments import SECOND_US
from market.ticks import Tick

DAY_S = 86_400
INTERVALS_S = (60, 300, 900, 3_600, DAY_S)
"""1 minute, 5 minutes, 15 minutes, 1 hour, 1 day."""

_WIDTHS = tuple((interval_s, interval_s * SECOND_US) for interval_s in INTERVALS_S)


class Bar(msgspec.Struct, array_like=True, gc=False):
    """The bar of an interval. It begins at `start_us`, which is a multiple of the interval in UTC. Prices and
    volume are in units, turnover (price times volume) in squares of units. first, last: time and number of the
    ticks that set open and close. version: grows with every change."""

    symbol: str
    interval_s: int
    start_us: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int
    trades: int
    first: tuple[int, int]
    last: tuple[int, int]
    version: int = 1
    is_final: bool = False

    @property
    def vwap(self) -> int | None:
        """The average price by volume, in units, rounded half to even. None without volume."""
        return divide(self.turnover, self.volume) if self.volume else None

    def add(self, price: int, volume: int, turnover: int, at: tuple[int, int]) -> None:
        """Count a tick of the interval. It may be out of order. at: its time and number."""
        if at > self.last:
            self.close, self.last = price, at
        elif at < self.first:
            self.open, self.first = price, at
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.volume += volume
        self.turnover += turnover
        self.trades += 1
        self.version += 1


VERSIONS_APART = 2**24
"""Distance between the versions of two executions. It is above the number of ticks that a bar gets in an epoch."""


_NONE: list[Bar] = []


class Bars:
    """The bars of one symbol that are not final. bars: those that it begins with. version_base: the version of a
    bar before its first change."""

    def __init__(self, lateness_us: int, bars: Iterable[Bar] = (), version_base: int = 0) -> None:
        self._lateness_us = lateness_us
        self._version_base = version_base
        self._open = {(bar.interval_s, bar.start_us): bar for bar in bars}
        self._next_end_us = min(map(_end_us, self._open.values()), default=0)
        # The bars of the minute of the last tick: all intervals begin and end with a minute.
        self._minute: list[Bar] = []
        self._minute_from_us = self._minute_to_us = 0

    def __iter__(self) -> Iterator[Bar]:
        return iter(self._open.values())

    def resume(self) -> None:
        """Give each bar a version above all that an execution of before may have written: it may have applied ticks
        that are applied again now, in another order."""
        for bar in self._open.values():
            bar.version = max(bar.version + VERSIONS_APART, self._version_base + 1)

    def day_open(self, at_us: int) -> int | None:
        """The open of the UTC day of a time, in units. None if its bar is final."""
        bar = self._open.get((DAY_S, at_us - at_us % (DAY_S * SECOND_US)))
        return None if bar is None else bar.open

    def add(self, tick: Tick, seq: int) -> list[Bar]:
        """Count a tick that is not late in the bars of all intervals. Returns these bars, in a list that ticks of
        the same minute share."""
        price, volume, time_us = tick.price, tick.volume, tick.time_us
        turnover, at = price * volume, (time_us, seq)
        if self._minute_from_us <= time_us < self._minute_to_us:
            for known in self._minute:
                known.add(price, volume, turnover, at)
            return self._minute
        minute = []
        for interval_s, width_us in _WIDTHS:
            start_us = time_us - time_us % width_us
            bar = self._open.get((interval_s, start_us))
            if bar is None:
                prices = (price, price, price, price)
                version = self._version_base + 1
                bar = Bar(tick.symbol, interval_s, start_us, *prices, volume, turnover, 1, at, at, version)
                self._open[interval_s, start_us] = bar
                self._next_end_us = min(self._next_end_us or _end_us(bar), _end_us(bar))
            else:
                bar.add(price, volume, turnover, at)
            minute.append(bar)
        # A later tick of a minute whose bar is final would be late.
        self._minute, self._minute_from_us, self._minute_to_us = minute, minute[0].start_us, _end_us(minute[0])
        return minute

    def finish(self, newest_us: int) -> list[Bar]:
        """The bars that are final from now on: no tick that is not late can belong to them. newest_us: the greatest
        time of a tick so far."""
        until_us = newest_us - self._lateness_us
        if until_us < self._next_end_us or not self._open:
            return _NONE
        final = [bar for bar in self._open.values() if _end_us(bar) <= until_us]
        for bar in final:
            del self._open[bar.interval_s, bar.start_us]
            bar.is_final = True
            bar.version += 1
        self._next_end_us = min(map(_end_us, self._open.values()), default=0)
        return final


def _end_us(bar: Bar) -> int:
    return bar.start_us + bar.interval_s * SECOND_US
