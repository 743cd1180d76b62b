"""Forecasts of demand and the supply of a product, as its state keeps them: the inputs of a surge that are
signals."""

import msgspec

from core.positions import SourcePosition
from pricing.surge import SurgeInputs, expected_demand
from pricing.surge_policy import SurgePolicy

SOURCES = frozenset({"model", "cached", "category", "base"})
BASE_SOURCE = "base"
"""The source of a forecast that counts as none: nothing is known of the product."""

MINUTE_S = 60
"""Shortest event time between two prices that forecasts alone change, by minutes."""


class Forecast(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """A forecast of a product's demand. made_at_ms: UTC milliseconds. demand_score: 0 to 1. mean_60, mean_1440:
    units expected in the next hour and in the next day; None if it does not say so."""

    product_id: str
    made_at_ms: int
    version: int
    source: str
    demand_score: float
    mean_60: float | None
    mean_1440: float | None

    @property
    def time_s(self) -> int:
        """Its time, UTC seconds."""
        return self.made_at_ms // 1000


class Supply(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """The units of a product that can be sold over the supply horizon. time_s: UTC seconds."""

    product_id: str
    time_s: int
    available: float


class KeptForecast(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest forecast of a product."""

    made_at_ms: int
    version: int
    source: str
    demand_score: float
    mean_60: float | None
    mean_1440: float | None
    position: SourcePosition

    def stale_at_s(self, policy: SurgePolicy) -> int:
        """The second from which on it does not count."""
        return self.made_at_ms // 1000 + int(policy.forecast_ttl_s) + 1


class KeptSupply(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest supply of a product."""

    time_s: int
    available: float
    position: SourcePosition

    def stale_at_s(self, policy: SurgePolicy) -> int | None:
        """The second from which on it does not count; None if it never ages."""
        return None if policy.supply_ttl_s is None else self.time_s + int(policy.supply_ttl_s) + 1


class SurgeSignals(msgspec.Struct, array_like=True, gc=False):
    """Forecast and supply of a product. priced_min: the minute of event time (since the epoch) of the last price
    that a forecast alone has changed. waits: the forecast came in that minute, and has changed no price yet."""

    forecast: KeptForecast | None = None
    supply: KeptSupply | None = None
    priced_min: int = 0
    waits: bool = False

    def add_forecast(self, forecast: Forecast, position: SourcePosition) -> bool:
        """Keep a forecast if it is the newest; of equal ones, the one that is added later. False if it is not."""
        known = self.forecast
        made = forecast.made_at_ms, forecast.version
        if known is not None and (known.made_at_ms, known.version) > made:
            return False
        means = forecast.mean_60, forecast.mean_1440
        self.forecast = KeptForecast(*made, forecast.source, forecast.demand_score, *means, position)
        return True

    def add_supply(self, supply: Supply, position: SourcePosition) -> bool:
        """Keep a supply if it is the newest, as `add_forecast`."""
        if self.supply is not None and self.supply.time_s > supply.time_s:
            return False
        self.supply = KeptSupply(supply.time_s, supply.available, position)
        return True

    def must_wait(self, at_s: int) -> bool:
        """True if a forecast has changed the price in this minute already."""
        return at_s // MINUTE_S <= self.priced_min

    def dues_s(self, at_s: int, policy: SurgePolicy) -> list[tuple[int, bool, SourcePosition]]:
        """The times after `at_s` at which something of it runs out, or is due: with the position of its message,
        and true for a forecast that waits."""
        found = []
        if self.forecast is not None:
            found.append((self.forecast.stale_at_s(policy), False, self.forecast.position))
            if self.waits:
                # One whose minute is over already is due at once.
                due_s = max((self.priced_min + 1) * MINUTE_S, at_s + 1)
                found.append((due_s, True, self.forecast.position))
        if self.supply is not None and (stale_s := self.supply.stale_at_s(policy)) is not None:
            found.append((stale_s, False, self.supply.position))
        return [each for each in found if each[0] > at_s]


def surge_inputs(signals: SurgeSignals | None, at_s: int, event_score: float, policy: SurgePolicy) -> SurgeInputs:
    """The inputs of a product's surge at a time. event_score: of the strongest external event that is on."""
    hour = at_s // 3600 % 24 if at_s else None
    if signals is None:
        return SurgeInputs(hour=hour, event_score=event_score)
    forecast, supply = signals.forecast, signals.supply
    score = expected = available = source = None
    if forecast is not None and at_s < forecast.stale_at_s(policy):
        source = forecast.source
        if source != BASE_SOURCE:
            score = forecast.demand_score
            expected = expected_demand(forecast.mean_60, forecast.mean_1440, policy.supply_horizon_min)
    if supply is not None:
        stale_s = supply.stale_at_s(policy)
        available = supply.available if stale_s is None or at_s < stale_s else None
    return SurgeInputs(score, expected, available, hour, event_score, source)
