"""The values of the gates (`forecasting/gates.py`), measured on the forecasts of a period."""

import numpy as np

from forecasting import gates
from forecasting.evaluation.rolling import MODEL, Rolled
from forecasting.evaluation.scores import Floats, Scores, scores_of, wape_summed
from forecasting.evaluation.simple_methods import MEAN_28, SEASONAL_NAIVE
from forecasting.gates import Gate, gate

PRICE_BANDS = (1.0, 2.0, 3.0, 5.0, 10.0)


def all_scores(rolled: Rolled) -> dict[str, Scores]:
    """The scores of all methods, by name."""
    return {name: scores_of(rolled.actual, said) for name, said in rolled.methods.items()}


def gates_of(days: Rolled, hours: Rolled) -> list[Gate]:
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

    values = {
        gates.PINBALL_TO_BEST: model.pinball / min(each.pinball for each in simple),
        gates.PINBALL_TO_NAIVE: model.pinball / naive.pinball,
        gates.WAPE_TO_BEST: model.wape / min(each.wape for each in simple),
        gates.WAPE_TO_NAIVE: model.wape / naive.wape,
        gates.SHOP_TO_MEAN: against_mean(moments),
        gates.BAND_TO_MEAN: against_mean(bands),
        gates.BIAS: model.bias,
        gates.COVERAGE: model.coverage,
        gates.ABOVE: model.above,
        gates.BELOW: model.below,
        gates.HOUR_TO_BEST: hourly[MODEL].pinball / best_hour,
    }
    return [gate(name, float(value)) for name, value in values.items()]
