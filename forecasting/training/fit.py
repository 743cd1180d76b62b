"""Fits the models: quantiles and the mean, by gradient boosting (LightGBM).

All learn ratios to a product's usual day, weighted by it: the pinball loss of a ratio, times the usual day, is the
loss of the units. Half of the models see products only: what the shop does is divided out of their targets, as it
was (the mean) or as it was forecast (quantiles; `forecasting/shop.py`). The mean of both kinds of quantiles is
better than either where the shop grows."""

from collections.abc import Callable
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from forecasting.features import QUANTILES
from forecasting.model import BLIND, OUTPUTS, SEES_SHOP
from forecasting.names import OF_THE_SHOP
from forecasting.training.examples import Examples

HALF_LIFE_DAYS = 120
"""An example of so many days ago weighs half."""

SHARES = dict(zip((*SEES_SHOP, *BLIND[:3]), QUANTILES * 2, strict=True))
"""Output to its quantile."""

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
    """Models in the order of `OUTPUTS`. progress: called after each round."""
    learning = dict(learning)
    rounds = learning.pop("quantile_rounds"), learning.pop("mean_rounds")
    recent = 0.5 ** (examples.age_days / HALF_LIFE_DAYS)
    blind = without_shop(examples.vectors, names)
    fitted = []
    for output in OUTPUTS:
        against, objective, count = (
            examples.scale,
            {"objective": "quantile", "alpha": SHARES.get(output)},
            rounds[0],
        )
        if output == "mean":
            against, count = examples.scale * examples.share, rounds[1]
            objective = {"objective": "tweedie", "tweedie_variance_power": TWEEDIE_POWER}
        elif output in BLIND:
            against = examples.scale * examples.level
        known = against > 0
        data = lgb.Dataset(
            (blind if output in BLIND else examples.vectors)[known],
            examples.units[known] / against[known],
            weight=(against * recent)[known],
            feature_name=list(names),
        )
        parameters: dict[str, Any] = {**LEARNING, **objective, **learning, "seed": seed}
        fitted.append(lgb.train(parameters, data, count, callbacks=[lambda _: progress()]))
    return fitted


def without_shop(vectors: NDArray[np.float32], names: tuple[str, ...]) -> NDArray[np.float32]:
    """The vectors without the features of the whole shop: constant columns are never split on."""
    blind = vectors.copy()
    blind[:, [place for place, name in enumerate(names) if name.startswith("shop_") or name in OF_THE_SHOP]] = 0
    return blind
