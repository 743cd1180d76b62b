"""External events, such as concerts and weather: those that are on for a product, and the times at which they start
and end."""

from heapq import heappop, heappush

import msgspec

from core.positions import SourcePosition

EVENTS_MAX = 10_000
"""Events that a shard keeps. Of more, the one that starts last is forgotten."""

TIMES_PER_EVENT, SPARE = 4, 16


class ExternalEvent(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An event outside of the shop, of one product or of one category. It is on from starts_s (inclusive) to ends_s
    (exclusive), UTC seconds. score: 0 to 1. One that ends by its start removes the event of its id.

    Every shard receives an event of a category. The shard of a product receives its events, all other shards their
    removal, because an event may have been of another product before."""

    event_id: str
    product_id: str | None
    category: str | None
    score: float
    starts_s: int
    ends_s: int
    name: str
    position: SourcePosition

    @property
    def is_removal(self) -> bool:
        """True if it is never on."""
        return self.ends_s <= self.starts_s

    def to_removal(self) -> "ExternalEvent":
        """The removal of the event."""
        return removal(self.event_id, self.position)

    def concerns(self, product_id: str, category: str | None) -> bool:
        """True if it is an event of a product, or of its category."""
        return self.product_id == product_id or (self.category is not None and self.category == category)


def removal(event_id: str, position: SourcePosition) -> ExternalEvent:
    """The removal of an event."""
    return ExternalEvent(event_id, None, None, 0.0, 0, 0, "", position)


class ExternalEvents:
    """The external events of a shard that are not over. Belongs to the thread of its shard."""

    def __init__(self) -> None:
        self.by_id: dict[str, ExternalEvent] = {}
        # Product id, or category, to its events by id.
        self._of_product: dict[str, dict[str, ExternalEvent]] = {}
        self._of_category: dict[str, dict[str, ExternalEvent]] = {}
        self._times: list[tuple[int, str]] = []
        self.dirty = False
        """Changed since the last snapshot."""

    def restore(self, events: list[ExternalEvent] | None) -> None:
        """Replace all events by those of a document; None for those of the document before. `begin_at` follows."""
        if events is None:
            return
        for event_id in list(self.by_id):
            self._remove(event_id)
        for event in events:
            self._add(event, 0)

    def begin_at(self, at_s: int) -> None:
        """Go on from an event time: the starts and ends before it are none any more."""
        while (next_s := self.next_s()) is not None and next_s <= at_s:
            self.pass_first()
        self.dirty = False

    def set(self, event: ExternalEvent, at_s: int) -> ExternalEvent | None:
        """Take the newest message of an event. Returns the event that it replaces, None if there is none. at_s:
        event time; one that is over by then is not kept."""
        replaced = self._remove(event.event_id)
        if not event.is_removal and event.ends_s > at_s:
            self._add(event, at_s)
            if len(self.by_id) > EVENTS_MAX:
                last = max(self.by_id.values(), key=lambda each: (each.starts_s, each.event_id))
                self._remove(last.event_id)
            self.dirty = True
        return replaced

    def score(self, product_id: str, category: str | None, at_s: int) -> float:
        """The score of the strongest event that is on for a product; 0 if there is none."""
        if not self.by_id:
            return 0.0
        of_product = self._of_product.get(product_id, {}).values()
        of_category = self._of_category.get(category, {}).values() if category else ()
        on = (each.score for each in (*of_product, *of_category) if each.starts_s <= at_s < each.ends_s)
        return max(on, default=0.0)

    def next_s(self) -> int | None:
        """The next time at which an event starts or ends; None if there is none."""
        while self._times and not self._is_current(*self._times[0]):
            heappop(self._times)
        return self._times[0][0] if self._times else None

    def first(self) -> ExternalEvent:
        """The event that starts or ends next. There must be one."""
        return self.by_id[self._times[0][1]]

    def pass_first(self) -> None:
        """The next time is reached. An event that ends is forgotten."""
        at_s, event_id = heappop(self._times)
        if self.by_id[event_id].ends_s == at_s:
            self._remove(event_id)

    def _is_current(self, at_s: int, event_id: str) -> bool:
        event = self.by_id.get(event_id)
        return event is not None and at_s in (event.starts_s, event.ends_s)

    def _add(self, event: ExternalEvent, at_s: int) -> None:
        self.by_id[event.event_id] = event
        self._scope(event)[event.event_id] = event
        for each_s in (event.starts_s, event.ends_s):
            if each_s > at_s:
                heappush(self._times, (each_s, event.event_id))
        if len(self._times) > TIMES_PER_EVENT * (len(self.by_id) + SPARE):
            # Times of messages that were replaced. A sorted list is a heap.
            self._times = sorted({each for each in self._times if self._is_current(*each)})

    def _remove(self, event_id: str) -> ExternalEvent | None:
        event = self.by_id.pop(event_id, None)
        if event is not None:
            self.dirty = True
            scope = self._scope(event)
            del scope[event_id]
            if not scope:
                parts = self._of_category if event.product_id is None else self._of_product
                del parts[event.product_id or event.category or ""]
        return event

    def _scope(self, event: ExternalEvent) -> dict[str, ExternalEvent]:
        if event.product_id is not None:
            return self._of_product.setdefault(event.product_id, {})
        return self._of_category.setdefault(event.category or "", {})
