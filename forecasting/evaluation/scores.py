"""Scores of forecasts against what was sold.

Formulas: pinball loss after Koenker and Bassett (1978); WAPE is the sum of absolute errors over the sum of the
units; bias is the sum of the forecasts over that of the units, less 1."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from forecasting.features import QUANTILES

Floats = NDArray[np.float64]


class Scores(msgspec.Struct, frozen=True):
    """Scores of a method. pinball: the sum of the losses of the three quantiles, in units. wape: of the median.
    bias, wape_mean: of the mean. above, below: shares above p90 and below p10."""

    rows: int
    units: float
    pinball: float
    wape: float
    wape_mean: float
    bias: float
    coverage: float
    above: float
    below: float


def pinball(actual: Floats, forecast: Floats, share: float) -> Floats:
    """The loss of a quantile, for each row, in units."""
    error = actual - forecast
    return np.maximum(share * error, (share - 1) * error)


def scores_of(actual: Floats, said: Any) -> Scores:
    """Scores of forecasts with p10, p50, p90 and mean. Ratios to no units at all are NaN."""
    quantiles = said.p10, said.p50, said.p90
    losses = [pinball(actual, each, share).mean() for each, share in zip(quantiles, QUANTILES, strict=True)]
    return Scores(
        len(actual),
        float(actual.sum()),
        float(sum(losses)),
        wape(actual, said.p50),
        wape(actual, said.mean),
        _ratio(float(said.mean.sum()), float(actual.sum())) - 1,
        float(((actual >= said.p10) & (actual <= said.p90)).mean()),
        float((actual > said.p90).mean()),
        float((actual < said.p10).mean()),
    )


def wape(actual: Floats, forecast: Floats) -> float:
    """The sum of absolute errors over the sum of the units."""
    return _ratio(float(np.abs(actual - forecast).sum()), float(actual.sum()))


def wape_summed(actual: Floats, forecast: Floats, groups: NDArray[np.int64]) -> float:
    """WAPE of the sums of groups (numbers from 0)."""
    return wape(np.bincount(groups, actual).astype(np.float64), np.bincount(groups, forecast).astype(np.float64))


def _ratio(value: float, to: float) -> float:
    return value / to if to else float("nan")
