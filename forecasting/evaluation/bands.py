"""Scores by group of products, and the noise that no forecast can be below."""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from forecasting.evaluation.rolling import MODEL, Rolled
from forecasting.evaluation.scores import Floats, Scores, scores_of, wape
from forecasting.evaluation.simple_methods import Method

VOLUMES = {"below 0.5": (0.0, 0.5), "0.5 to 2": (0.5, 2.0), "2 to 10": (2.0, 10.0), "10 and more": (10.0, math.inf)}
"""Units a day in the 28 days before."""

INTERVAL_LIMIT, VARIATION_LIMIT = 1.32, 0.49
"""Between kinds of demand, after Syntetos, Boylan and Croston (2005): mean open days between demands, and the
square of the coefficient of variation of a demand's size."""

LEAST_SHARE = 0.1
ORDER_CAP = 0.99


class Noise(msgspec.Struct, frozen=True):
    """Forecasts of the whole shop's next hour. wape, mape: reached; mape over hours with at least `least` units.
    orders: an hour. floor: the mean absolute error, against the mean, that is left if the true mean is known."""

    wape: float
    mape: float
    least: float
    orders: float
    floor: float


def by_volume(days: Rolled) -> dict[str, dict[str, Scores]]:
    """Scores of the model and of the best simple method, by units a day."""
    groups = {name: (days.rate >= low) & (days.rate < high) for name, (low, high) in VOLUMES.items()}
    return _by_group(days, groups)


def by_intermittency(days: Rolled, units: Floats) -> dict[str, dict[str, Scores]]:
    """Scores of the model and of the best simple method, by kind of demand. units: (products, days), before."""
    known = units[:, units.sum(axis=0) > 0]
    first = np.argmax(known > 0, axis=1)
    sold = (known > 0).sum(axis=1)
    interval = (known.shape[1] - first) / np.maximum(sold, 1)
    sums, squares = known.sum(axis=1), (known**2).sum(axis=1)
    mean = sums / np.maximum(sold, 1)
    variation = (squares / np.maximum(sold, 1) - mean**2) / np.maximum(mean, 1e-9) ** 2
    often, alike = (interval < INTERVAL_LIMIT)[days.place], (variation < VARIATION_LIMIT)[days.place]
    groups = {
        "smooth": often & alike,
        "erratic": often & ~alike,
        "intermittent": ~often & alike,
        "lumpy": ~often & ~alike,
    }
    return _by_group(days, groups)


def noise_of_hours(hours: Rolled, orders: Floats) -> Noise:
    """The error for the whole shop's next hour, and the least it could be. orders: units of each order.

    An hour's units are a sum of orders that come by chance. With `n` orders an hour of mean size `m`, the mean
    absolute error of the true mean is about `sqrt(2 / pi * E[size²] / n) / m` of it (normal approximation of a
    compound Poisson sum)."""
    _, groups = np.unique(hours.moment, return_inverse=True)
    actual = np.bincount(groups, hours.actual).astype(np.float64)
    said = np.bincount(groups, hours.methods[MODEL].mean).astype(np.float64)
    least = LEAST_SHARE * float(actual.mean())
    busy = actual >= least
    mape = float((np.abs(actual - said)[busy] / actual[busy]).mean())
    sizes = np.minimum(orders, np.quantile(orders, ORDER_CAP))
    an_hour = len(sizes) / len(actual)
    floor = math.sqrt(2 / math.pi * float((sizes**2).mean()) / an_hour) / float(sizes.mean())
    return Noise(wape(actual, said), mape, least, an_hour, floor)


def _by_group(days: Rolled, groups: dict[str, NDArray[np.bool_]]) -> dict[str, dict[str, Scores]]:
    found: dict[str, dict[str, Scores]] = {}
    for group, chosen in groups.items():
        if not chosen.any():
            continue
        scores = {
            name: scores_of(days.actual[chosen], Method(*(each[chosen] for each in said)))
            for name, said in days.methods.items()
        }
        best = min((name for name in scores if name != MODEL), key=lambda name: scores[name].pinball)
        found[group] = {MODEL: scores[MODEL], best: scores[best]}
    return found
