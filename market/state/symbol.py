"""A symbol's state, and the function that applies a tick to it (`apply`)."""

from collections import deque
from math import log

import msgspec

from market.amounts import divide
from market.averages import NO_SUMS, RecentTicks
from market.bars import Bar, Bars
from market.detectors import Anomaly, Before, detect
from market.moments import SECOND_US
from market.policy import MarketPolicy
from market.ticks import Tick

MINUTE_US = 60 * SECOND_US
FIVE_MINUTES_US = 5 * MINUTE_US


class Enriched(msgspec.Struct, frozen=True, gc=False):
    """A tick with what was computed for it. seq: its number among those of its symbol, from 1. ma_1m, ma_5m: mean
    price over a window; vol_1m: sum of volumes; vwap_1m: mean price by volume, None without volume. All in units
    (`market/amounts.py`), rounded half to even; None for a late tick. is_latest: no tick so far has a greater time,
    or the same time and a greater number."""

    tick: Tick
    seq: int
    is_late: bool
    is_latest: bool
    ma_1m: int | None
    ma_5m: int | None
    vol_1m: int | None
    vwap_1m: int | None
    anomalies: list[Anomaly]

    @property
    def is_anomaly(self) -> bool:
        """True if at least one detector has found the tick unusual."""
        return bool(self.anomalies)


class SymbolDocument(msgspec.Struct, array_like=True):
    """A symbol's state in a document. seq: the number of its last tick. newest_us: the greatest time of a tick.
    previous: the price of the last tick that was not late. returns: the last log returns. recent: time, price and
    volume of the ticks that a window may still hold. bars: those that are not final."""

    seq: int = 0
    newest_us: int = 0
    previous: int | None = None
    returns: list[float] = []
    recent: list[tuple[int, int, int]] = []
    bars: list[Bar] = []


class SymbolState:
    """The state of one symbol. Belongs to the thread of its shard.

    lateness_us: a tick is late if it is older than the newest one by more than this. document: the state to begin
    with."""

    def __init__(self, lateness_us: int, policy: MarketPolicy, document: SymbolDocument | None = None) -> None:
        document = document or SymbolDocument()
        self._lateness_us = lateness_us
        self._policy = policy
        self._seq = document.seq
        self._newest_us = document.newest_us
        self._previous = document.previous
        # A tick may be as old as the lateness, and its window begins five minutes before it.
        self._recent = RecentTicks(lateness_us + FIVE_MINUTES_US)
        for each in document.recent:
            self._recent.add(*each)
        self._bars = Bars(lateness_us, document.bars)
        self._returns = deque(document.returns, maxlen=policy.outlier.returns)

    def pack(self) -> SymbolDocument:
        """The state, from which an equal one can be made."""
        return SymbolDocument(
            self._seq,
            self._newest_us,
            self._previous,
            list(self._returns),
            self._recent.ticks(),
            list(self._bars),
        )

    @property
    def kept_ticks(self) -> int:
        """The number of ticks in memory."""
        return len(self._recent)

    def apply(self, tick: Tick) -> tuple[Enriched, list[Bar]]:
        """Number and enrich a tick, and count it in its bars. Returns the bars that changed, those that became
        final last. A late tick changes nothing but the number of the next one."""
        self._seq += 1
        at_us = tick.time_us
        if self._seq > 1 and at_us < self._newest_us - self._lateness_us:
            return Enriched(tick, self._seq, True, False, None, None, None, None, []), []
        anomalies = detect(tick, self._before(at_us), self._policy)
        if self._previous is not None and self._policy.outlier.score is not None:
            self._returns.append(log(tick.price / self._previous))
        self._previous = tick.price
        self._recent.add(at_us, tick.price, tick.volume)
        minute, five = self._recent.sums(at_us, MINUTE_US), self._recent.sums(at_us, FIVE_MINUTES_US)
        is_latest = at_us >= self._newest_us
        self._newest_us = max(self._newest_us, at_us)
        changed = self._bars.add(tick, self._seq)
        changed += self._bars.finish(self._newest_us)
        enriched = Enriched(
            tick,
            self._seq,
            False,
            is_latest,
            divide(minute.price, minute.count),
            divide(five.price, five.count),
            minute.volume,
            divide(minute.turnover, minute.volume) if minute.volume else None,
            anomalies,
        )
        return enriched, changed

    def _before(self, at_us: int) -> Before:
        numbers = self._policy.volume_spike
        volumes = NO_SUMS if numbers.ratio is None else self._recent.sums(at_us, numbers.window_s * SECOND_US)
        return Before(self._previous, volumes, self._returns)
