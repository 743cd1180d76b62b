"""Simple forecasts of units by smoothing, for rows of days in order of time. Each row is treated alone, by
additions and multiplications only, so that it is the same to the bit in any batch. The tests hold them to
`statsforecast`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SES_RATE = 0.08
TSB_RATE = 0.06
LEVEL_RATE = 0.1


def decayed(units: NDArray[Any], rate: float) -> Floats:
    """The exponentially weighted mean of rows: `m = m + rate * (x - m)` over the columns, from 0 on, divided by the
    sum of the weights, so that the start does not count."""
    mean = np.zeros(len(units))
    weight = 0.0
    for column in units.T:
        mean = mean + rate * (column - mean)
        weight = weight + rate * (1.0 - weight)
    return mean / weight if weight else mean


def tsb(units: NDArray[Any], rate: float = TSB_RATE) -> Floats:
    """Demand that comes now and then, after Teunter, Syntetos and Babai (2011): the smoothed share of columns with
    demand, times the smoothed size of a demand."""
    size, weight = np.zeros(len(units)), np.zeros(len(units))
    for column in units.T:
        sold = column > 0
        size = np.where(sold, size + rate * (column - size), size)
        weight = np.where(sold, weight + rate * (1.0 - weight), weight)
    mean = np.divide(size, weight, out=np.zeros(len(units)), where=weight > 0)
    return decayed(units > 0, rate) * mean


def quantile(ordered: NDArray[Any], share: float) -> Any:
    """A quantile of rows that are in order, between two values in a straight line. Without a column it
    is 0."""
    if not ordered.shape[1]:
        return np.zeros(len(ordered))
    place = share * (ordered.shape[1] - 1)
    lower = int(place)
    upper = min(lower + 1, ordered.shape[1] - 1)
    return ordered[:, lower] + (ordered[:, upper] - ordered[:, lower]) * (place - lower)
