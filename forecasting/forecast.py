"""The numbers of a forecast: scores, shorter horizons, and the next 24 hours."""

import numpy as np
from numpy.typing import NDArray

from forecasting.features import QUANTILES
from forecasting.model import Units

Floats = NDArray[np.float64]


def demand_score(mean: float, usual: float) -> float:
    """`r / (1 + r)` with `r = (mean + 1) / (usual + 1)`, four decimals. mean: of the next hour. usual: the mean of
    this hour over 28 days."""
    ratio = (mean + 1) / (usual + 1)
    return round(ratio / (1 + ratio), 4)


def shorter(hour: Units, minutes: int, order_size: Floats) -> Units:
    """Forecasts of the first minutes of the hour. The mean goes by time. The quantiles are those of orders that
    come by chance (a Poisson number, each of the product's usual size), and not above those of the hour."""
    share = minutes / 60
    size = np.maximum(order_size, 1.0)
    orders = hour.mean * share / size
    p10, p50, p90 = (
        np.minimum(poisson_quantile(orders, level) * size, whole)
        for level, whole in zip(QUANTILES, (hour.p10, hour.p50, hour.p90), strict=True)
    )
    return Units(p10, p50, p90, hour.mean * share)


def by_chance(mean: Floats) -> Units:
    """Forecasts of units that come one by one and by chance."""
    p10, p50, p90 = (poisson_quantile(mean, level) for level in QUANTILES)
    return Units(p10, p50, p90, mean)


def poisson_quantile(means: Floats, level: float, most: int = 1000) -> Floats:
    """The smallest number that a Poisson variable is at or below with at least this probability, for each mean."""
    # Above this mean, the normal approximation is off by less than a unit in a hundred.
    large = means > 100
    small = np.where(large, 0.0, means)
    term = np.exp(-small)
    total, quantile = term.copy(), np.zeros(len(means))
    for number in range(1, most):
        open_ = total < level
        if not open_.any():
            break
        quantile[open_] = number
        term = term * small / number
        total = total + term
    score = {0.1: -1.2816, 0.5: 0.0, 0.9: 1.2816}[level]
    return np.where(large, np.round(means + score * np.sqrt(means)), quantile)


def next_day(today: Units, tomorrow: Units, left: float) -> Units:
    """Forecasts of the next 24 hours. left: the share of a day's sales that comes after this time of the day."""
    parts = (
        getattr(today, name) * left + getattr(tomorrow, name) * (1 - left) for name in ("p10", "p50", "p90", "mean")
    )
    return Units(*parts)
