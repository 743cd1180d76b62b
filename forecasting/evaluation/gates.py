"""Gates: what a model must reach on days that were held out before it may set prices.

Seasonal naive alone would be no gate: the median of the last two weeks is a third below it."""

from typing import NamedTuple

import numpy as np

from forecasting.evaluation.rolling import MODEL, Rolled
from forecasting.evaluation.scores import Floats, Scores, scores_of, wape_summed
from forecasting.evaluation.simple_methods import MEAN_28, SEASONAL_NAIVE
from forecasting.serving.session import Gate

PRICE_BANDS = (1.0, 2.0, 3.0, 5.0, 10.0)


class Limits(NamedTuple):
    """The limits of the gates: ratios to simple methods, and shares."""

    pinball_to_best: float = 0.985
    pinball_to_naive: float = 0.55
    wape_to_best: float = 0.995
    wape_to_naive: float = 0.72
    shop_to_mean: float = 0.95
    band_to_mean: float = 0.97
    bias: float = 0.12
    coverage_least: float = 0.76
    coverage_most: float = 0.90
    above: float = 0.13
    below: float = 0.10
    hour_to_best: float = 1.0


LIMITS = Limits()


def all_scores(rolled: Rolled) -> dict[str, Scores]:
    """The scores of all methods, by name."""
    return {name: scores_of(rolled.actual, said) for name, said in rolled.methods.items()}


def gates_of(days: Rolled, hours: Rolled, limits: Limits = LIMITS) -> list[Gate]:
    """All gates for the forecasts of a period."""
    scores, hourly = all_scores(days), all_scores(hours)
    model, naive = scores[MODEL], scores[SEASONAL_NAIVE]
    simple = [each for name, each in scores.items() if name != MODEL]
    best_hour = min(each.pinball for name, each in hourly.items() if name != MODEL)
    moments = days.moment - days.moment.min()
    bands = moments * (len(PRICE_BANDS) + 1) + np.digitize(days.price, PRICE_BANDS)
    said, mean_28 = days.methods[MODEL].mean, days.methods[MEAN_28].mean

    def against_mean(groups: Floats) -> float:
        numbers = groups.astype(np.int64)
        return wape_summed(days.actual, said, numbers) / wape_summed(days.actual, mean_28, numbers)

    return [
        _at_most(
            "pinball, to the best simple method", model.pinball / min(each.pinball for each in simple), limits[0]
        ),
        _at_most("pinball, to seasonal naive", model.pinball / naive.pinball, limits.pinball_to_naive),
        _at_most(
            "WAPE of the median, to the best simple method",
            model.wape / min(each.wape for each in simple),
            limits.wape_to_best,
        ),
        _at_most("WAPE of the median, to seasonal naive", model.wape / naive.wape, limits.wape_to_naive),
        _at_most(
            "WAPE of the mean by shop and day, to the 28-day mean", against_mean(moments), limits.shop_to_mean
        ),
        _at_most(
            "WAPE of the mean by price band and day, to the 28-day mean", against_mean(bands), limits.band_to_mean
        ),
        _between("bias of the mean", model.bias, -limits.bias, limits.bias),
        _between("coverage of p10 to p90", model.coverage, limits.coverage_least, limits.coverage_most),
        _at_most("above p90", model.above, limits.above),
        _at_most("below p10", model.below, limits.below),
        _at_most(
            "next hour: pinball, to the best same-hour method",
            hourly[MODEL].pinball / best_hour,
            limits.hour_to_best,
        ),
    ]


def _at_most(name: str, value: float, most: float) -> Gate:
    return Gate(name, value, None, most, bool(value <= most))


def _between(name: str, value: float, least: float, most: float) -> Gate:
    return Gate(name, value, least, most, bool(least <= value <= most))
