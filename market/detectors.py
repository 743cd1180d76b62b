"""Detectors of anomalies: each takes a tick and what came before it, and says if the tick is unusual.

To add one, write a function of type `Detector`, put its numbers in the market policy, and add it to `DETECTORS`.
Silence is no tick, so a timer finds it (`market/state/shard.py`)."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import log
from statistics import median
from typing import Literal

import msgspec

from market.averages import Sums
from market.policy import MarketPolicy
from market.ticks import Tick

Kind = Literal["jump", "volume_spike", "outlier", "silence"]
Severity = Literal["warning", "critical"]

CRITICAL_RATIO = 3
"""An anomaly this many times over its limit is critical."""

MAD_TO_DEVIATION = 0.6745
"""The median absolute deviation of a normal distribution, as a share of its standard deviation (Iglewicz and
Hoaglin, 1993: the modified z-score)."""


class Anomaly(msgspec.Struct, frozen=True, gc=False):
    """An unusual tick, in words for people."""

    kind: Kind
    severity: Severity
    text: str


class Before(msgspec.Struct, gc=False):
    """The past of a tick. previous: the price of the tick applied before it that was not late, None for the
    first. volumes: the sums over the ticks before it in the window of `volume_spike`. returns: the last log
    returns, the oldest first."""

    previous: int | None
    volumes: Sums
    returns: Sequence[float]


Detector = Callable[[Tick, Before, MarketPolicy], Anomaly | None]
"""(tick, what came before, policy) -> anomaly."""


def jump(tick: Tick, before: Before, policy: MarketPolicy) -> Anomaly | None:
    """`|price / previous - 1|` above the limit, in exact decimals: exactly the limit is usual."""
    if before.previous is None or policy.jump.percent is None:
        return None
    upper, lower = _ratio(policy.jump.percent)
    # In whole numbers, because every tick is asked.
    if abs(tick.price - before.previous) * 100 * lower <= upper * before.previous:
        return None
    change, limit = Fraction(tick.price - before.previous, before.previous) * 100, Fraction(upper, lower)
    return Anomaly("jump", _severity(abs(change) / limit), f"{float(change):+.2f} % from the tick before")


def volume_spike(tick: Tick, before: Before, policy: MarketPolicy) -> Anomaly | None:
    """A volume above a multiple of the mean volume of the ticks before it."""
    numbers, volumes = policy.volume_spike, before.volumes
    if numbers.ratio is None or volumes.count < numbers.ticks_min or not volumes.volume:
        return None
    times = Fraction(tick.volume * volumes.count, volumes.volume)
    limit = Fraction(numbers.ratio)
    if times <= limit:
        return None
    return Anomaly("volume_spike", _severity(times / limit), f"{float(times):.1f} times the mean volume")


def outlier(tick: Tick, before: Before, policy: MarketPolicy) -> Anomaly | None:
    """A log return whose modified z-score (median and median absolute deviation) is above the limit."""
    limit = policy.outlier.score
    if limit is None or before.previous is None or len(before.returns) < policy.outlier.returns:
        return None
    middle = median(before.returns)
    spread = median(abs(each - middle) for each in before.returns)
    if not spread:
        return None
    score = MAD_TO_DEVIATION * (log(tick.price / before.previous) - middle) / spread
    if abs(score) <= limit:
        return None
    return Anomaly("outlier", _severity(abs(score) / float(limit)), f"robust z-score {score:+.1f}")


DETECTORS: tuple[Detector, ...] = (jump, volume_spike, outlier)


def detect(tick: Tick, before: Before, policy: MarketPolicy) -> list[Anomaly]:
    """The anomalies of a tick, in the order of `DETECTORS`."""
    return [found for detector in DETECTORS if (found := detector(tick, before, policy)) is not None]


def silence(policy: MarketPolicy) -> Anomaly:
    """The anomaly of a symbol that is silent."""
    return Anomaly("silence", "warning", f"no tick for {policy.silence.silence_s} s")


@cache
def _ratio(number: Decimal) -> tuple[int, int]:
    return number.as_integer_ratio()


def _severity(times: Fraction | float) -> Severity:
    return "critical" if times >= CRITICAL_RATIO else "warning"
