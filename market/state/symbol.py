"""A symbol's state, and the function that applies a tick to it (`apply`)."""

from collections import deque
from math import log

import msgspec

from market.alerts import Alert, AlertRule, Observed, RuleDocument, WatchedRule
from market.amounts import divide
from market.averages import NO_SUMS, RecentTicks
from market.bars import Bar, Bars
from market.detectors import Anomaly, Before, detect, silence
from market.last_ticks import AppliedTick, LastTicks
from market.moments import SECOND_US
from market.policy import MarketPolicy
from market.ticks import Tick

MINUTE_US = 60 * SECOND_US
FIVE_MINUTES_US = 5 * MINUTE_US


class Limits(msgspec.Struct, frozen=True):
    """Numbers of all symbols. lateness_us: a tick is late if it is older than the newest one by more than this.
    history: number of last ticks that are kept. version_base: the version of a bar before its first change; it is
    higher in each execution. seq_base: the number before a symbol's first tick; 0, unless the flow has started
    over."""

    lateness_us: int = 60 * SECOND_US
    history: int = 100
    version_base: int = 0
    seq_base: int = 0


class Enriched(msgspec.Struct, frozen=True, array_like=True, gc=False):
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


class LatestState(msgspec.Struct, frozen=True, gc=False):
    """The latest tick of a symbol, and the last ones. day_open: the open of its UTC day, in units. last: those
    applied since the state of before, or all that are kept (`is_whole`), the newest first."""

    latest: Enriched
    day_open: int | None
    last: list[AppliedTick]
    is_whole: bool


class SymbolDocument(msgspec.Struct, array_like=True):
    """A symbol's state in a document. seq: the number of its last tick. newest_us: the greatest time of a tick.
    previous: the price of the last tick that was not late. returns: the last log returns. recent: time, price and
    volume of the ticks that a window may still hold. bars: those that are not final. last: numbers of `LastTicks`.
    latest: the latest tick, None before the first. rules: those that watch the symbol. silent_seq: the number of
    the tick after which silence was reported."""

    seq: int = 0
    newest_us: int = 0
    previous: int | None = None
    returns: list[float] = []
    recent: list[tuple[int, int, int]] = []
    bars: list[Bar] = []
    last: list[int] = []
    latest: Enriched | None = None
    rules: list[RuleDocument] = []
    silent_seq: int = 0


class SymbolState:
    """The state of one symbol. Belongs to the thread of its shard.

    document: the state to begin with. alerts: those that fired since they were last taken. latest: the latest tick,
    None before the first."""

    def __init__(self, limits: Limits, policy: MarketPolicy, document: SymbolDocument | None = None) -> None:
        document = document or SymbolDocument(limits.seq_base)
        lateness_us = limits.lateness_us
        self._lateness_us = lateness_us
        self._policy = policy
        self.latest = document.latest
        self.alerts: list[Alert] = []
        self._last = LastTicks(limits.history, document.last)
        self._rules = {each.rule.id: WatchedRule(each) for each in document.rules}
        self._silent_seq = document.silent_seq
        self._seq = document.seq
        self._newest_us = document.newest_us
        self._previous = document.previous
        # A tick may be as old as the lateness, and its window begins five minutes before it.
        self._recent = RecentTicks(lateness_us + FIVE_MINUTES_US)
        for each in document.recent:
            self._recent.add(*each)
        self._bars = Bars(lateness_us, document.bars, limits.version_base)
        self._returns = deque(document.returns, maxlen=policy.outlier.returns)
        self._keeps_returns = policy.outlier.score is not None
        self._keeps_volumes = policy.volume_spike.ratio is not None

    def pack(self) -> SymbolDocument:
        """The state, from which an equal one can be made."""
        return SymbolDocument(
            self._seq,
            self._newest_us,
            self._previous,
            list(self._returns),
            self._recent.ticks(),
            list(self._bars),
            self._last.numbers(),
            self.latest,
            [each.pack() for each in self._rules.values()],
            self._silent_seq,
        )

    def resume(self) -> list[Bar]:
        """Continue after documents were restored. Returns the bars that are not final, which may not be written
        yet."""
        self._bars.resume()
        return list(self._bars)

    def latest_state(self) -> LatestState | None:
        """All that is kept of the latest tick. None before the first one."""
        if self.latest is None:
            return None
        return LatestState(self.latest, self.day_open(), self._last.newest_first(), True)

    def day_open(self) -> int | None:
        """The open of the UTC day of the latest tick, in units."""
        return None if self.latest is None else self._bars.day_open(self.latest.tick.time_us)

    def set_rule(self, rule: AlertRule) -> None:
        """Watch for a rule. An equal rule goes on as it is."""
        known = self._rules.get(rule.id)
        if known is None or known.rule != rule:
            self._rules[rule.id] = WatchedRule(RuleDocument(rule))

    def remove_rule(self, rule_id: str) -> bool:
        """End a rule. False if there is none of this id."""
        return self._rules.pop(rule_id, None) is not None

    def report_silence(self, at_us: int) -> list[Alert]:
        """The alerts of a symbol that is silent at this time, once after each tick."""
        if self.latest is None or self._silent_seq == self._seq:
            return []
        self._silent_seq = self._seq
        found, symbol = silence(self._policy), self.latest.tick.symbol
        name, limit = f"{symbol}-silence-{self._seq}", self._policy.silence.silence_s
        alerts = [Alert(name, symbol, "silence", found.severity, at_us, found.text, None, limit)]
        of_rules = (rule.silent(self._seq, at_us, found) for rule in self._rules.values())
        return alerts + [alert for alert in of_rules if alert is not None]

    @property
    def kept_ticks(self) -> int:
        """The number of ticks in memory, those of windows and the last ones."""
        return len(self._recent) + len(self._last)

    def apply(self, tick: Tick) -> tuple[Enriched, list[Bar], list[Bar]]:
        """Number and enrich a tick, and count it in its bars. Returns it, the bars that it is in, and the bars that
        became final. A late tick changes nothing but the number of the next one."""
        self._seq = seq = self._seq + 1
        at_us, price, recent = tick.time_us, tick.price, self._recent
        if self.latest is not None and at_us < self._newest_us - self._lateness_us:
            return Enriched(tick, seq, True, False, None, None, None, None, []), [], []
        anomalies = detect(tick, self._before(at_us), self._policy)
        if self._keeps_returns and self._previous is not None:
            self._returns.append(log(price / self._previous))
        self._previous = price
        recent.add(at_us, price, tick.volume)
        minute, five = recent.sums(at_us, MINUTE_US), recent.sums(at_us, FIVE_MINUTES_US)
        is_latest = at_us >= self._newest_us
        if is_latest:
            self._newest_us = at_us
        bars = self._bars.add(tick, seq)
        final = self._bars.finish(self._newest_us)
        enriched = Enriched(
            tick,
            seq,
            False,
            is_latest,
            divide(minute.price, minute.count),
            divide(five.price, five.count),
            minute.volume,
            divide(minute.turnover, minute.volume) if minute.volume else None,
            anomalies,
        )
        if is_latest:
            self.latest = enriched
        self._last.add(seq, price, tick.volume, at_us)
        if self._rules:
            observed = Observed(seq, price, at_us, is_latest, anomalies)
            for rule in self._rules.values():
                if (alert := rule.observe(observed)) is not None:
                    self.alerts.append(alert)
        return enriched, bars, final

    def _before(self, at_us: int) -> Before:
        volumes = NO_SUMS
        if self._keeps_volumes:
            volumes = self._recent.sums(at_us, self._policy.volume_spike.window_s * SECOND_US)
        return Before(self._previous, volumes, self._returns)
