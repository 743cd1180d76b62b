"""Fits the models: quantiles and the mean, by gradient boosting (LightGBM).

All learn ratios to a product's usual day, weighted by it: the pinball loss of a ratio, times the usual day, is the
loss of the units. The model of the mean sees products only; what the shop does on a day is divided out of its
targets (`forecasting/shop.py`)."""

from collections.abc import Callable
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from forecasting.features import QUANTILES
from forecasting.names import OF_THE_SHOP
from forecasting.training.examples import Examples

HALF_LIFE_DAYS = 120
"""An example of so many days ago weighs half."""

LEARNING = {
    "num_leaves": 31,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "verbose": -1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 2,
}
DAY_LEARNING = {"learning_rate": 0.05, "quantile_rounds": 200, "mean_rounds": 150}
HOUR_LEARNING = {"learning_rate": 0.08, "quantile_rounds": 80, "mean_rounds": 80, "min_data_in_leaf": 500}
TWEEDIE_POWER = 1.3
"""Between a Poisson (1) and a gamma distribution (2): many days without a sale, some with many units."""


def fit(
    examples: Examples,
    names: tuple[str, ...],
    learning: dict[str, Any],
    seed: int,
    progress: Callable[[], None] = lambda: None,
) -> list[lgb.Booster]:
    """Models of the quantiles 10, 50 and 90 and of the mean, in this order. progress: called after each round."""
    learning = dict(learning)
    rounds = [learning.pop("quantile_rounds")] * len(QUANTILES) + [learning.pop("mean_rounds")]
    recent = 0.5 ** (examples.age_days / HALF_LIFE_DAYS)
    fitted = []
    for number, count in enumerate(rounds):
        is_mean = number == len(QUANTILES)
        against = examples.scale * examples.share if is_mean else examples.scale
        objective: dict[str, Any] = (
            {"objective": "tweedie", "tweedie_variance_power": TWEEDIE_POWER}
            if is_mean
            else {"objective": "quantile", "alpha": QUANTILES[number]}
        )
        known = against > 0
        data = lgb.Dataset(
            (without_shop(examples.vectors, names) if is_mean else examples.vectors)[known],
            examples.units[known] / against[known],
            weight=(against * recent)[known],
            feature_name=list(names),
        )
        fitted.append(
            lgb.train(
                {**LEARNING, **objective, **learning, "seed": seed},
                data,
                count,
                callbacks=[lambda _: progress()],
            )
        )
    return fitted


def without_shop(vectors: NDArray[np.float32], names: tuple[str, ...]) -> NDArray[np.float32]:
    """The vectors without the features of the whole shop: constant columns are never split on."""
    blind = vectors.copy()
    blind[:, [place for place, name in enumerate(names) if name.startswith("shop_") or name in OF_THE_SHOP]] = 0
    return blind
