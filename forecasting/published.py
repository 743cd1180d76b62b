"""Forecasts as they are published and kept. No library of numbers is imported here: readers need only structs."""

from collections.abc import Mapping
from typing import Literal

import msgspec

Source = Literal["model", "cached", "category", "base"]
"""The origin of a forecast. `cached`: the last forecast of a model, made at most five minutes before. `category`:
the mean of its products. `base`: nothing is known."""

HORIZONS = (1, 5, 15, 30, 60, 1440)
"""Minutes that are forecast."""

CACHED_FOR_MS = 5 * 60_000


class Quantities(msgspec.Struct, frozen=True, gc=False):
    """Units of a horizon: three quantiles and the mean."""

    p10: float
    p50: float
    p90: float
    mean: float


class Forecast(msgspec.Struct, frozen=True, gc=False):
    """A forecast of a product. made_at_ms: UTC milliseconds. model: its version; empty without one. horizons:
    minutes to units. demand_score: 0.5 is a usual hour. version: grows with each forecast of the product."""

    product_id: str
    made_at_ms: int
    model: str
    source: Source
    horizons: Mapping[int, Quantities]
    demand_score: float
    version: int


class HourForecast(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The first forecast that was made in an hour. start_ms: of the hour."""

    start_ms: int
    units: Quantities
    model: str
    source: Source


class EndedHour(msgspec.Struct, frozen=True, gc=False):
    """Units of a product sold in an hour, and the forecast of them."""

    product_id: str
    units: int
    hour: HourForecast
    version: int


class Made(msgspec.Struct, frozen=True, gc=False):
    """A forecast, with the features that it was made from, and the hour that it ends, if it is the first of an
    hour. names: of the features."""

    forecast: Forecast
    features: list[float | None]
    ended: EndedHour | None = None
