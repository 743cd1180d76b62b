"""A forecast of units out of what models say and of simple methods: the median of both is better than either."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from forecasting.features import Features

KINDS = ("day", "hour")
"""The kinds of forecasts: the units of a calendar day (UTC), and of the next 60 minutes."""

SEES_SHOP = ("p10", "p50", "p90")
"""Quantiles of models that see all features: ratios to the product's usual day."""

BLIND = ("level_p10", "level_p50", "level_p90", "mean")
"""Models that see products only: ratios to the usual day times what the shop does (`Features.level`)."""

OUTPUTS = SEES_SHOP + BLIND

Floats = NDArray[np.float64]


class ModelError(Exception):
    """A model cannot be used. The text says why."""


class Blend(msgspec.Struct, frozen=True):
    """The weights of simple methods. seen: of the quantiles, those of the last 28 days. steady: of the mean,
    smoothing."""

    seen: float
    steady: float


class Units(msgspec.Struct, frozen=True):
    """Forecasts of units, one for each row: three quantiles in order, and the mean."""

    p10: Floats
    p50: Floats
    p90: Floats
    mean: Floats


def units_of(features: Features, ratios: NDArray[np.float32], blend: Blend) -> Units:
    """Units out of the outputs of the models. ratios: (rows, outputs), against a usual day, below 0 taken as 0."""
    said = np.maximum(ratios.astype(np.float64), 0.0) * features.scale[:, None]
    by_level = said[:, 3:] * features.level
    both = (said[:, :3] + by_level[:, :3]).T / 2
    quantiles = np.sort((1 - blend.seen) * both + blend.seen * features.seen, axis=0)
    mean = (1 - blend.steady) * by_level[:, 3] + blend.steady * features.steady
    return Units(quantiles[0], quantiles[1], quantiles[2], mean)


def nothing(count: int) -> Units:
    """Forecasts of 0: the shop is closed."""
    zero = np.zeros(count)
    return Units(zero, zero, zero, zero)
