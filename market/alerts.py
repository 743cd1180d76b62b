"""Alert rules: each watches one symbol, and fires when its condition becomes true."""

from bisect import bisect_left
from collections import deque
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import msgspec

from market.amounts import UNITS, to_number
from market.detectors import Anomaly, Severity
from market.moments import SECOND_US
from market.ticks import SYMBOL_TAKES, is_symbol

RuleKind = Literal["above", "below", "move_percent", "anomaly"]

WINDOW_S = 60
"""Window of a `move_percent` rule that has none."""

WINDOW_S_MAX = 86_400
URL_CHARS_MAX = 2_000
THRESHOLD_MAX = Decimal(10**10)
"""Above all prices."""
EXPONENT_MIN = -400
"""No double is smaller. A decimal may be, and would make very long numbers."""


class AlertRule(msgspec.Struct, frozen=True):
    """A rule. threshold: a price for `above` and `below`, percent for `move_percent`; None for `anomaly`.
    window_s: for `move_percent`. webhook: the URL that gets the alerts, None for none."""

    id: str
    symbol: str
    kind: RuleKind
    threshold: Decimal | None = None
    window_s: int | None = None
    webhook: str | None = None


# On the topic of rules and in the API, the threshold is a JSON number with the digits that were given.
encode_rule = msgspec.json.Encoder(decimal_format="number").encode
decode_rule = msgspec.json.Decoder(AlertRule).decode


def make_rule(rule: AlertRule) -> AlertRule:
    """The rule with the parts that its kind has, and no others. Raises ValueError, with a text for people, if one
    is missing or out of range."""
    if not is_symbol(rule.symbol):
        raise ValueError(SYMBOL_TAKES)
    if rule.webhook is not None and not 0 < len(rule.webhook) <= URL_CHARS_MAX:
        raise ValueError(f"webhook takes a URL of at most {URL_CHARS_MAX} characters")
    if rule.kind == "anomaly":
        return msgspec.structs.replace(rule, threshold=None, window_s=None)
    threshold = rule.threshold
    # A text such as NaN is a decimal too.
    is_number = threshold is not None and threshold.is_finite() and 0 < threshold <= THRESHOLD_MAX
    if threshold is None or not is_number or threshold.adjusted() < EXPONENT_MIN:
        raise ValueError(f"threshold takes a number above 0, at most {THRESHOLD_MAX}")
    if rule.kind != "move_percent":
        return msgspec.structs.replace(rule, window_s=None)
    window_s = WINDOW_S if rule.window_s is None else rule.window_s
    if not 1 <= window_s <= WINDOW_S_MAX:
        raise ValueError(f"window_s takes a whole number from 1 to {WINDOW_S_MAX}")
    return msgspec.structs.replace(rule, window_s=window_s)


class RuleRemoval(msgspec.Struct, frozen=True, array_like=True):
    """The end of a rule."""

    id: str


class Alert(msgspec.Struct, frozen=True, gc=False):
    """An alert. id: the same in any replay that numbers the ticks alike. kind: of the rule, or `silence`. at_us:
    UTC microseconds. value: the price, or the percentage of the move. webhook: the URL that gets it."""

    id: str
    symbol: str
    kind: str
    severity: Severity
    at_us: int
    text: str
    value: float | None
    threshold: float | None
    webhook: str | None = None


class Observed(msgspec.Struct, frozen=True, gc=False):
    """A tick that is not late, as rules see it. price: in units. is_latest: as in `Enriched`."""

    seq: int
    price: int
    time_us: int
    is_latest: bool
    anomalies: list[Anomaly]


class RuleDocument(msgspec.Struct, array_like=True):
    """A rule's state in a document. holds: its condition is true. prices: time and price of the ticks of its
    window."""

    rule: AlertRule
    holds: bool = False
    prices: list[tuple[int, int]] = []


class WatchedRule:
    """A rule and its state. Belongs to its symbol."""

    def __init__(self, document: RuleDocument) -> None:
        self.rule = rule = document.rule
        self._holds = document.holds
        self._window = None if rule.window_s is None else PriceWindow(rule.window_s * SECOND_US, document.prices)
        threshold = rule.threshold or Decimal(0)
        # A price in units is above the threshold if price * lower > upper.
        upper, self._lower = threshold.as_integer_ratio()
        self._upper = upper * UNITS

    def pack(self) -> RuleDocument:
        """The state, from which an equal one can be made."""
        return RuleDocument(self.rule, self._holds, self._window.prices() if self._window else [])

    def observe(self, tick: Observed) -> Alert | None:
        """The alert of a tick with which the condition has become true.

        A price that came late by a little says nothing about the price of now: rules on prices look at the latest
        tick only."""
        move = None
        if self._window is not None:
            self._window.add(tick.time_us, tick.price)
            if tick.is_latest:
                move = self._window.largest_move(tick.price)
        if not tick.is_latest and self.rule.kind != "anomaly":
            return None
        held, self._holds = self._holds, self._is_true(tick, move)
        return self._alert(tick, move) if self._holds and not held else None

    def _is_true(self, tick: Observed, move: Fraction | None) -> bool:
        if self.rule.kind == "anomaly":
            return bool(tick.anomalies)
        if move is not None:
            return abs(move) * self._lower * UNITS > self._upper
        scaled = tick.price * self._lower
        return scaled > self._upper if self.rule.kind == "above" else scaled < self._upper

    def _alert(self, tick: Observed, move: Fraction | None) -> Alert:
        rule, price = self.rule, to_number(tick.price)
        severity: Severity = "warning"
        value = price
        if move is not None:
            value = float(move)
            text = f"{value:+.2f} % within {rule.window_s} s, limit {_plain(rule.threshold)} %"
        elif tick.anomalies:
            severity = "critical" if any(each.severity == "critical" for each in tick.anomalies) else severity
            text = "; ".join(each.text for each in tick.anomalies)
        if rule.kind in ("above", "below"):
            text = f"price {_plain(Decimal(tick.price) / UNITS)} is {rule.kind} {_plain(rule.threshold)}"
        return Alert(
            f"{rule.id}-{tick.seq}",
            rule.symbol,
            rule.kind,
            severity,
            tick.time_us,
            text,
            value,
            None if rule.threshold is None else float(rule.threshold),
            rule.webhook,
        )

    def silent(self, seq: int, at_us: int, anomaly: Anomaly) -> Alert | None:
        """The alert of a symbol that is silent. seq: of its last tick."""
        if self.rule.kind != "anomaly":
            return None
        name = f"{self.rule.id}-silence-{seq}"
        return Alert(
            name, self.rule.symbol, "anomaly", anomaly.severity, at_us, anomaly.text, None, None, self.rule.webhook
        )


class PriceWindow:
    """The prices of the last `width_us`, by time: those that are or may become the lowest or the highest.
    prices: to begin with.

    A price below a newer one can never become the highest of the window. So only falling highs and rising lows are
    kept (a monotonic queue), and a tick costs constant time on average."""

    def __init__(self, width_us: int, prices: list[tuple[int, int]]) -> None:
        self._width_us = width_us
        self._newest_us = 0
        self._highs: deque[tuple[int, int]] = deque()
        # With prices below 0, the lowest is the highest.
        self._lows: deque[tuple[int, int]] = deque()
        for time_us, price in prices:
            self.add(time_us, price)

    def add(self, time_us: int, price: int) -> None:
        """Add a price. It may be out of order."""
        self._newest_us = max(self._newest_us, time_us)
        _insert(self._highs, time_us, price)
        _insert(self._lows, time_us, -price)
        for queue in (self._highs, self._lows):
            # The newest price is in both.
            while queue[0][0] <= self._newest_us - self._width_us:
                queue.popleft()

    def largest_move(self, price: int) -> Fraction:
        """The largest change to `price` from any price of the window, in percent."""
        found = Fraction(0)
        for then in (self._highs[0][1] if self._highs else price, -self._lows[0][1] if self._lows else price):
            change = Fraction(100 * (price - then), then)
            found = change if abs(change) > abs(found) else found
        return found

    def prices(self) -> list[tuple[int, int]]:
        """Time and price of each that is kept, in order of time."""
        return sorted({*self._highs, *((time_us, -price) for time_us, price in self._lows)})


def _insert(queue: deque[tuple[int, int]], time_us: int, price: int) -> None:
    """Insert a price into a queue of falling prices."""
    if not queue or time_us >= queue[-1][0]:
        while queue and queue[-1][1] <= price:
            queue.pop()
        queue.append((time_us, price))
        return
    at = bisect_left(queue, time_us, key=lambda each: each[0])
    if queue[at][1] >= price:
        return
    queue.insert(at, (time_us, price))
    while at and queue[at - 1][1] <= price:
        at -= 1
        del queue[at]


def _plain(number: Decimal | None) -> str:
    """Decimal text without an exponent and without zeros at its end."""
    text = f"{number:f}" if number is not None else ""
    return text.rstrip("0").rstrip(".") if "." in text else text
