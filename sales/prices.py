"""Prices as sales need them: in exact units, each from a moment on, by product."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping

import msgspec

UNITS = 10_000
"""Units of an amount: no currency has more than four decimals. Sums of units are exact, in any order."""


def to_units(amount: float) -> int:
    """An amount in units, rounded half to even."""
    return round(amount * UNITS)


class PricePoint(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A price in force from a moment on. at_ms, version: of the update. price: units; None if the price was
    withdrawn. base: the base price in units; None if it is not known. policy: version of the policy. adjustments:
    rule to its amount in units, without the base."""

    at_ms: int
    version: int
    price: int | None
    source: str = ""
    policy: str = ""
    base: int | None = None
    adjustments: Mapping[str, int] = {}

    @property
    def place(self) -> tuple[int, int]:
        """The place in a timeline."""
        return self.at_ms, self.version


class Timeline:
    """The prices of a product, in order of event time and version. A search takes logarithmic time. begins_ms:
    prices from before this moment are forgotten, and are not added any more."""

    def __init__(self, begins_ms: int = 0) -> None:
        self.begins_ms = begins_ms
        self._places: list[tuple[int, int]] = []
        self._points: list[PricePoint] = []

    def __len__(self) -> int:
        return len(self._points)

    def add(self, point: PricePoint) -> bool:
        """Add a price. False if there is one at its place, because updates may be read twice, or if it is too
        old."""
        if point.at_ms < self.begins_ms:
            return False
        index = bisect_left(self._places, point.place)
        if index < len(self._places) and self._places[index] == point.place:
            return False
        self._places.insert(index, point.place)
        self._points.insert(index, point)
        return True

    def at(self, time_ms: int) -> PricePoint | None:
        """The price in force at a moment: the one with the greatest event time and version not after it. None
        before the first one."""
        index = bisect_right(self._places, (time_ms, _LAST))
        return self._points[index - 1] if index else None

    def end_of(self, point: PricePoint) -> int | None:
        """The moment at which the next price takes the place of one in the timeline; None if none does."""
        index = bisect_right(self._places, point.place)
        return self._places[index][0] if index < len(self._places) else None

    def forget_before(self, time_ms: int) -> int:
        """Forget prices that ended before a moment. The one in force at it stays. Returns their number."""
        index = max(0, bisect_right(self._places, (time_ms, _LAST)) - 1)
        if index:
            del self._places[:index], self._points[:index]
            self.begins_ms = self._places[0][0]
        return index

    def points(self) -> list[PricePoint]:
        """All prices, in order."""
        return list(self._points)


_LAST = 2**63
"""Above every version."""
