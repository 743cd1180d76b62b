"""The whole shop: what it will sell on a day, against a usual day of the last weeks.

Products follow the shop, and the shop's sum is known far better than that of a product. So a mean is forecast in
two parts: what a product sells against its usual day (a model, from products alone), and what the shop does
(`shop_level`: smoothed, with the day of the week). A model that saw the shop's sums would learn the few hundred
days of the training by heart."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecasting.calendar import WEEK
from forecasting.simple import LEVEL_RATE, decayed, quantile

Floats = NDArray[np.float64]

LONG = 56
CAP_DAYS = 48
CAP_SHARE, CAP_FACTOR = 0.95, 1.2
DRAWN_TO_USUAL = 0.5
"""A day of the week counts as if it had been seen so many times more, as a usual day."""


class Shop:
    """The shop's sums of open days. days: days since 1970, in order, all before `before`. sums: of each day; very
    large ones are cut down."""

    def __init__(self, sums: NDArray[Any], days: NDArray[np.int64], before: int) -> None:
        latest = np.sort(sums[None, -CAP_DAYS:].astype(np.float64), axis=1)
        self.sums: Floats = np.minimum(sums.astype(np.float64), CAP_FACTOR * quantile(latest, CAP_SHARE)[0])
        self.days = days
        self.before = before
        self.usual = self.mean(LONG)

    def mean(self, days: int) -> float:
        """Of the open days among the last so many; 0 if there is none."""
        recent: Floats = self.sums[self.days >= self.before - days]
        return float(recent.sum()) / len(recent) if len(recent) else 0.0

    def weekday_factor(self, day: int) -> float:
        """Sales on this day of the week against a usual day. 1 while nothing is known."""
        alike = (self.days >= self.before - LONG) & ((self.days - day) % WEEK == 0)
        if self.usual <= 0:
            return 1.0
        known = float(self.sums[alike].sum()) + DRAWN_TO_USUAL * self.usual
        return float(known / (int(alike.sum()) + DRAWN_TO_USUAL) / self.usual)

    def level(self, day: int) -> float:
        """The forecast of a day, against `0.7 * mean(28) + 0.3 * mean(56)`."""
        base = usual_of(self.mean(28), self.usual)
        if base <= 0:
            return 1.0
        factors = np.array([self.weekday_factor(each) for each in range(WEEK)])
        steady = self.sums / factors[self.days % WEEK]
        return float(decayed(steady[None, :], LEVEL_RATE)[0] / base * self.weekday_factor(day))


def usual_of(mean_28: Any, mean_56: Any) -> Any:
    """A usual day out of the means of four and of eight weeks."""
    return 0.7 * mean_28 + 0.3 * mean_56


def shop_level(units: Shop, orders: Shop, day: int) -> float:
    """The mean of the levels by units and by order lines. Lines are steadier, units are what is forecast."""
    return (units.level(day) + orders.level(day)) / 2
