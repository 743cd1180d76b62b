"""Clicks: the number that a product had in the last 15 minutes, in any order of arrival."""

from bisect import bisect_left

import msgspec

from core.positions import SourcePosition

CLICK_TYPES = frozenset({"view", "add_to_cart", "remove_from_cart"})

WINDOW_S = 900
"""A click at second `s` counts while the time is from `s` (inclusive) to `s + 900` (exclusive)."""


class Click(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """A click on a product, of any of `CLICK_TYPES`. time_s: UTC seconds."""

    product_id: str
    time_s: int


class ClickWindow(msgspec.Struct, array_like=True, gc=False):
    """The clicks of the last 15 minutes, by second. seconds: ascending. counts, places: for each second, the number
    of its clicks, and partition and offset of the one that was added last. total: the sum of counts. topic: of the
    clicks, as in positions."""

    seconds: list[int] = []
    counts: list[int] = []
    places: list[tuple[int, int]] = []
    total: int = 0
    topic: str = ""

    def add(self, time_s: int, at_s: int, position: SourcePosition) -> None:
        """Count a click. at_s: the time of now; a click that has left the window changes nothing."""
        seconds = self.seconds
        if seconds and seconds[0] <= at_s - WINDOW_S:
            self.forget(at_s)
        if time_s <= at_s - WINDOW_S:
            return
        self.total += 1
        self.topic = position.topic
        place = position.partition, position.offset
        at = len(seconds) - 1 if seconds and seconds[-1] <= time_s else bisect_left(seconds, time_s)
        if seconds and seconds[at] == time_s:
            self.counts[at] += 1
            self.places[at] = place
            return
        at += bool(seconds) and seconds[at] < time_s
        seconds.insert(at, time_s)
        self.counts.insert(at, 1)
        self.places.insert(at, place)

    def forget(self, at_s: int) -> None:
        """Forget the clicks that have left the window."""
        if self.seconds and self.seconds[0] <= at_s - WINDOW_S:
            gone = bisect_left(self.seconds, at_s - WINDOW_S + 1)
            self.total -= sum(self.counts[:gone])
            del self.seconds[:gone], self.counts[:gone], self.places[:gone]

    def cools(self, above: int) -> tuple[int, SourcePosition] | None:
        """The second from which on no more than `above` of these clicks are left, and the position of the click
        that leaves then. None if there are no more now."""
        left = self.total
        if left <= above:
            return None
        for second, count, place in zip(self.seconds, self.counts, self.places, strict=True):
            left -= count
            if left <= above:
                return second + WINDOW_S, SourcePosition(self.topic, *place)
        raise AssertionError("the counts have a sum of `total`")
