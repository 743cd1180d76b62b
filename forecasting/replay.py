"""Recorded demand, played back: the history at one moment after the other, and what was really sold."""

from bisect import bisect_left
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.timestamps import DAY_MS
from forecasting.demand import AMOUNT_SCALE, Demand
from forecasting.history import History, Sold


class Replay:
    """Demand in order of time, and the `history` at the moment that was reached."""

    def __init__(self, demand: Sequence[Demand]) -> None:
        self._demand = demand
        self._moments = [each.at_ms for each in demand]
        self._next = 0
        self.history = History()

    @property
    def first_day(self) -> int:
        """The day of the first sale, days since 1970."""
        return self._moments[0] // DAY_MS

    @property
    def last_day(self) -> int:
        """The day of the last sale."""
        return self._moments[-1] // DAY_MS

    def until(self, at_ms: int) -> History:
        """The history of what was known before a moment. Moments must come in order."""
        while self._next < len(self._demand) and self._moments[self._next] < at_ms:
            each = self._demand[self._next]
            sold = sold_of(each)
            self.history.add(sold)
            if each.cancelled_at_ms is not None:
                self.history.add(sold.taken_back(), each.cancelled_at_ms)
            self._next += 1
        self.history.advance(at_ms)
        return self.history


class Actual:
    """The units really sold: demand that was never cancelled, by product and time."""

    def __init__(self, demand: Sequence[Demand]) -> None:
        kept = [each for each in demand if each.cancelled_at_ms is None]
        self.products = sorted({each.product_id for each in kept})
        self._place = {product: place for place, product in enumerate(self.products)}
        self._moments = [each.at_ms for each in kept]
        self._places = np.array([self._place[each.product_id] for each in kept], np.int64)
        self._units = np.array([each.units for each in kept], np.float64)

    def places(self, products: Sequence[str]) -> NDArray[np.int64]:
        """The places of products in the arrays of `units`; the last place, always 0, for unknown ones."""
        unknown = len(self.products)
        return np.array([self._place.get(product, unknown) for product in products], np.int64)

    def units(self, start_ms: int, end_ms: int) -> NDArray[np.float64]:
        """Units of all products from a moment to another."""
        part = slice(bisect_left(self._moments, start_ms), bisect_left(self._moments, end_ms))
        count = len(self.products) + 1
        return np.bincount(self._places[part], self._units[part], count).astype(np.float64)

    def orders(self, start_ms: int, end_ms: int) -> NDArray[np.float64]:
        """Units of each order from a moment to another. Lines of the same moment are one order."""
        part = slice(bisect_left(self._moments, start_ms), bisect_left(self._moments, end_ms))
        _, numbers = np.unique(np.array(self._moments[part], np.int64), return_inverse=True)
        return np.bincount(numbers, self._units[part]).astype(np.float64)

    def days(self, first: int, last: int) -> NDArray[np.float64]:
        """Units by product and day, as (products, days), from one day to another, both included."""
        return np.stack([self.units(day * DAY_MS, (day + 1) * DAY_MS) for day in range(first, last + 1)], axis=1)


def winsor_caps(days: NDArray[np.float64], share: float = 0.99) -> NDArray[np.float64]:
    """The 99th percentile of the daily units of each product, from its first sale on, over the days on which the
    shop sold anything. A product without a sale has none (infinity)."""
    days = days[:, days.sum(axis=0) > 0]
    caps = np.full(len(days), np.inf)
    first = np.argmax(days > 0, axis=1)
    for row in np.flatnonzero(days.any(axis=1)):
        caps[row] = np.quantile(days[row, first[row] :], share)
    return caps


def known_before(demand: Sequence[Demand], at_ms: int) -> list[Demand]:
    """The demand before a moment, as it was known then: not what was cancelled later."""
    return [
        msgspec.structs.replace(each, cancelled_at_ms=None)
        if each.cancelled_at_ms is not None and each.cancelled_at_ms >= at_ms
        else each
        for each in demand
        if each.at_ms < at_ms
    ]


def sold_of(demand: Demand) -> Sold:
    """A demand as a history takes it."""
    return Sold(
        demand.product_id, demand.at_ms, demand.units, round(demand.units * (demand.price or 0.0) * AMOUNT_SCALE)
    )
