"""Smoothing, the shop's level and the blend of forecasts."""

import numpy as np
import pytest
from statsforecast.models import TSB, SimpleExponentialSmoothing

from forecasting.features import Features
from forecasting.model import Blend, nothing, units_of
from forecasting.shop import Shop, shop_level
from forecasting.simple import decayed, quantile, tsb

SERIES = np.random.default_rng(3).poisson(0.7, (4, 400)) * np.random.default_rng(4).integers(1, 9, (4, 400))


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.3])
def test_smoothing_is_that_of_the_library(rate: float) -> None:
    """They differ in how they begin, which is forgotten after 400 days."""
    for row, mine in zip(SERIES, decayed(SERIES, rate), strict=True):
        (theirs,) = SimpleExponentialSmoothing(alpha=rate).forecast(row.astype(float), h=1)["mean"]
        assert mine == pytest.approx(theirs, rel=1e-6)
    for row, mine in zip(SERIES, tsb(SERIES, rate), strict=True):
        (theirs,) = TSB(alpha_d=rate, alpha_p=rate).forecast(row.astype(float), h=1)["mean"]
        assert mine == pytest.approx(theirs, rel=1e-3)


def test_smoothing_of_nothing_is_zero() -> None:
    assert decayed(np.zeros((2, 0)), 0.1).tolist() == [0, 0]
    assert tsb(np.zeros((2, 5))).tolist() == [0, 0]


def test_quantiles_are_those_of_numpy() -> None:
    ordered = np.sort(SERIES[:, :23], axis=1)
    for share in (0.0, 0.1, 0.5, 0.9, 1.0):
        assert quantile(ordered, share) == pytest.approx(np.quantile(ordered, share, axis=1))


def test_the_level_follows_the_shop_and_the_day_of_the_week() -> None:
    days = np.array([day for day in range(100, 200) if day % 7 != 2], np.int64)
    sums = np.where(days % 7 == 0, 300.0, 100.0)
    shop = Shop(sums, days, 200)
    assert shop.weekday_factor(203) / shop.weekday_factor(201) == pytest.approx(3, abs=0.3)
    assert shop_level(shop, shop, 203) / shop_level(shop, shop, 201) == pytest.approx(3, abs=0.3)
    grown = Shop(np.where(days >= 193, 2 * sums, sums), days, 200)
    assert grown.level(201) > 1.15 * shop.level(201)
    # A single odd day counts little.
    odd = sums.copy()
    odd[-3] = 1e6
    assert Shop(odd, days, 200).level(201) < 1.5 * shop.level(201)
    rested = Shop(np.zeros(0), np.zeros(0, np.int64), 200)
    assert (rested.level(201), rested.weekday_factor(201)) == (1, 1)


def test_forecasts_are_a_blend_in_order() -> None:
    features = Features(
        np.array([1, 2]), np.zeros((2, 1), np.float32), np.array([10.0, 1.0]), 2.0, np.array([8.0, 1.0]),
        np.array([[0.0, 0.0], [5.0, 0.0], [20.0, 1.0]]),
    )  # fmt: skip
    by_level = [[0.05, 0.25, 0.75, 0.6], [1.5, 1.0, 0.5, -1.0]]
    ratios = np.concatenate([np.array([[0.1, 0.5, 1.5], [3.0, 2.0, 1.0]]), np.array(by_level)], axis=1)
    units = units_of(features, ratios.astype(np.float32), Blend(seen=0.5, steady=0.5))
    assert units.p10.tolist() == pytest.approx([0.5, 1.0])
    assert units.p50.tolist() == pytest.approx([5.0, 1.0])
    assert units.p90.tolist() == pytest.approx([17.5, 1.5])
    assert units.mean.tolist() == pytest.approx([0.5 * 0.6 * 10 * 2 + 4, 0.5])
    assert nothing(2).p90.tolist() == [0, 0]
