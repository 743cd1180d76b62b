"""The surge: a multiplier of the price, from demand, supply, the hour of the day and external events.

Each factor is 0 when it is quiet and 2 at the extreme. The multiplier is `1 + the sum of weight times factor`,
within its bounds. Factors and multiplier have four decimals. Sums and products are made in decimals, half up, so
that no binary fraction moves a tie. Pure functions of their arguments."""

from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from math import tanh

import msgspec

from pricing.surge_policy import SurgePolicy

FOUR_DECIMALS = Decimal("0.0001")
EXTREME = Decimal(2)
HOUR_MIN, DAY_MIN = 60, 1440
"""The horizons, in minutes, of the forecasts that count."""

TEXT_DECIMALS = 2
"""Decimals of the terms in the reason of an adjustment."""

SURGES_MAX = 4_096
"""Surges that are kept, because a rule and its reason, and many products, ask for the same one."""


class SurgeInputs(msgspec.Struct, frozen=True, gc=False):
    """The inputs of the surge of a product at a time.

    demand_score: of the forecast, from 0 to 1; None without one. expected: units that the forecast expects over the
    supply horizon; None if that is not known. available: units that can be sold over it; None if that is not known.
    hour: of the day, UTC; None before any time is known. event_score: of the strongest external event that is on, 0
    to 1; 0 without one. source: of the forecast; None without one."""

    demand_score: float | None = None
    expected: float | None = None
    available: float | None = None
    hour: int | None = None
    event_score: float = 0.0
    source: str | None = None


class SurgeParts(msgspec.Struct, frozen=True, gc=False):
    """One number for each of the four parts of a surge."""

    demand: float
    supply: float
    time_of_day: float
    events: float


class Surge(msgspec.Struct, frozen=True, gc=False):
    """A surge. factors: each from 0 to 2, four decimals. terms: weight times factor, not rounded, so that 1 plus
    their sum, within the bounds, is the multiplier. multiplier: four decimals."""

    factors: SurgeParts
    terms: SurgeParts
    multiplier: float


@lru_cache(maxsize=SURGES_MAX)
def surge_of(inputs: SurgeInputs, policy: SurgePolicy) -> Surge:
    """The surge that follows from inputs, by the numbers of a policy."""
    demand = demand_factor(inputs.demand_score, policy)
    supply = supply_factor(inputs.expected, inputs.available)
    hour = time_factor(inputs.hour, policy)
    events = _four(min(max(2 * _exact(inputs.event_score), Decimal(0)), EXTREME))
    weights = policy.demand_weight, policy.supply_weight, policy.time_weight, policy.event_weight
    terms = [
        _exact(weight) * factor for weight, factor in zip(weights, (demand, supply, hour, events), strict=True)
    ]
    multiplier = min(max(sum(terms, Decimal(1)), _exact(policy.min)), _exact(policy.max))
    return Surge(
        SurgeParts(float(demand), float(supply), float(hour), float(events)),
        SurgeParts(*map(float, terms)),
        float(_four(multiplier)),
    )


def demand_factor(score: float | None, policy: SurgePolicy) -> Decimal:
    """The factor of a demand score, 0 without one: `2 max(0, tanh(k/2 (score - threshold)) / tanh(k/2 (1 -
    threshold)))`, with the steepness k."""
    if score is None or score <= policy.threshold:
        return _four(Decimal(0))
    half = policy.steepness / 2
    return _four(
        _exact(2 * min(1.0, tanh(half * (score - policy.threshold)) / tanh(half * (1 - policy.threshold))))
    )


def supply_factor(expected: float | None, available: float | None) -> Decimal:
    """The factor of supply: the part of the expected demand that is above what is available, as a multiple of that.
    2 if nothing is available and something is expected; 0 if either is not known."""
    if not expected or available is None:
        return _four(Decimal(0))
    if expected >= 3 * available:
        return _four(EXTREME)
    return _four(max(Decimal(0), _exact(expected / available) - 1))


def time_factor(hour: int | None, policy: SurgePolicy) -> Decimal:
    """The factor of an hour of the day, UTC; 0 for None."""
    entry = Decimal(1) if hour is None else _exact(policy.hours[hour])
    return _four(min(max(entry - 1, Decimal(0)), EXTREME))


def expected_demand(mean_60: float | None, mean_1440: float | None, horizon_min: float) -> float | None:
    """The units expected over a horizon, from the means of the next hour and of the next day. None without both.

    Up to an hour and above a day in proportion; between them on a straight line. With one mean, in proportion to
    it."""
    if mean_60 is None or mean_1440 is None:
        if mean_60 is not None:
            return mean_60 * (horizon_min / HOUR_MIN)
        return None if mean_1440 is None else mean_1440 * (horizon_min / DAY_MIN)
    if horizon_min <= HOUR_MIN:
        return mean_60 * (horizon_min / HOUR_MIN)
    if horizon_min >= DAY_MIN:
        return mean_1440 * (horizon_min / DAY_MIN)
    share = (horizon_min - HOUR_MIN) / (DAY_MIN - HOUR_MIN)
    return mean_60 * (1 - share) + mean_1440 * share


def surge_price(price: float, multiplier: float, round_to: float) -> float:
    """The price times the multiplier, to the nearest `round_to`, half up. A price that would become zero stays
    without a step: nothing is free because it is cheap."""
    raised, step = _exact(price) * _exact(multiplier), _exact(round_to)
    steps = (raised / step).quantize(Decimal(1), ROUND_HALF_UP)
    return float(steps * step) if steps else float(raised)


def surge_reason(inputs: SurgeInputs, policy: SurgePolicy) -> str:
    """The reason that an analyst reads, such as `times 1.84: demand 0.41, supply 0.30, time of day 0.10, events
    0.03`. A forecast that no model made is named: `demand 0.41 (category)`."""
    surge = surge_of(inputs, policy)
    terms = surge.terms
    source = "" if inputs.source in (None, "model") else f" ({inputs.source})"
    return (
        f"times {surge.multiplier:.{TEXT_DECIMALS}f}: demand {terms.demand:.{TEXT_DECIMALS}f}{source}, "
        f"supply {terms.supply:.{TEXT_DECIMALS}f}, time of day {terms.time_of_day:.{TEXT_DECIMALS}f}, "
        f"events {terms.events:.{TEXT_DECIMALS}f}"
    )


def _exact(number: float) -> Decimal:
    """The number as it is written, so 0.1 for the double nearest to it."""
    return Decimal(repr(number))


def _four(number: Decimal) -> Decimal:
    return number.quantize(FOUR_DECIMALS, ROUND_HALF_UP)
