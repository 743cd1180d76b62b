"""The numbers of the rule `surge`, and their check."""

import math
from decimal import Decimal

import msgspec

from core.errors import PolicyError
from core.money import PRICE_MAX

HOURS = 24
NUMBER_MAX = 1000.0
HORIZON_MAX_MIN = 525_600.0
"""A year, in minutes."""


class SurgePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers of the rule `surge` (docs/surge.md). enabled: false, and it does nothing.

    demand_weight, supply_weight, time_weight, event_weight: of the four factors, which are from 0 to 2. min, max:
    of the multiplier. steepness, threshold: of the curve of the demand score; at the threshold, demand begins to
    count. round_to: step of the price, in the currency. supply_horizon_min: minutes over which supply has to meet
    demand. hours: for each hour of the day (UTC), 1 where it is quiet and 3 at the extreme. forecast_ttl_s,
    supply_ttl_s: event time after which a forecast, or what is known of supply, does not count; without
    supply_ttl_s, supply counts for ever."""

    enabled: bool = False
    demand_weight: float = 0.4
    supply_weight: float = 0.3
    time_weight: float = 0.2
    event_weight: float = 0.1
    min: float = 1.0
    max: float = 3.0
    steepness: float = 6.0
    threshold: float = 0.5
    round_to: float = 0.25
    supply_horizon_min: float = 60.0
    hours: tuple[float, ...] = (1.0,) * HOURS
    forecast_ttl_s: float = 900.0
    supply_ttl_s: float | None = None


def check_surge(surge: SurgePolicy, scale: int) -> None:
    """Raises PolicyError for the first number that is out of range. scale: of the currency (`core/money.py`)."""
    for name in ("demand_weight", "supply_weight", "time_weight", "event_weight"):
        _require(0 <= getattr(surge, name) <= NUMBER_MAX, name, "a number from 0 to 1,000")
    _require(0 < surge.max <= NUMBER_MAX, "max", "a number above 0 and at most 1,000")
    _require(0 < surge.min <= surge.max, "min", "a number above 0 and at most surge.max")
    _require(0.01 <= surge.steepness <= NUMBER_MAX, "steepness", "a number from 0.01 to 1,000")
    _require(0 <= surge.threshold < 1, "threshold", "a number from 0 to below 1")
    _require(0 < surge.round_to <= PRICE_MAX, "round_to", f"a number above 0 and at most {PRICE_MAX:,.2f}")
    if surge.enabled:
        # Off, it may be the default of a currency without a minor unit.
        step = Decimal(repr(surge.round_to)) * scale
        _require(step == step.to_integral_value(), "round_to", "a whole number of minor units of the currency")
    horizon = surge.supply_horizon_min
    _require(0 < horizon <= HORIZON_MAX_MIN, "supply_horizon_min", "a number above 0 and at most 525,600")
    hours = len(surge.hours) == HOURS and all(0 <= each <= NUMBER_MAX for each in surge.hours)
    _require(hours, "hours", "24 numbers from 0 to 1,000, one for each hour of the day (UTC)")
    for name in ("forecast_ttl_s", "supply_ttl_s"):
        ttl_s = getattr(surge, name)
        usable = ttl_s is None or (math.isfinite(ttl_s) and 0 < ttl_s <= 1e9)
        _require(usable, name, "a number above 0 and at most 1,000,000,000")


def _require(holds: bool, name: str, takes: str) -> None:
    if not holds:
        raise PolicyError(f"surge.{name} takes {takes}")
