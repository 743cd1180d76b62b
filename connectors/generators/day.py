"""A day of a shop, made from its invoices: purchases, and the views and carts before them."""

import heapq
import itertools
import random
from collections.abc import Iterable, Iterator

from connectors.generators.funnel import LOOKED_AT_BEFORE_MS, Timed, events_before
from connectors.generators.invoices import InvoiceLine, purchase_event
from core.timestamps import DAY_MS


def events_of_day(lines: list[InvoiceLine], shift_ms: int, views_per_purchase: float, seed: int) -> Iterator[Timed]:
    """The events of invoice lines, in order of event time: every line as a purchase, valid or not, and views and
    carts before each sale. shift_ms: added to all event times."""
    generator = random.Random(seed)  # noqa: S311
    tie = itertools.count()
    waiting: list[tuple[int, int, str, dict[str, object]]] = []
    for line in sorted(lines, key=lambda line: line.event_time_ms):
        at_ms = line.event_time_ms + shift_ms
        # No event of a later purchase is older than this, so all older ones are in their final order.
        while waiting and waiting[0][0] <= at_ms - LOOKED_AT_BEFORE_MS:
            yield _timed(heapq.heappop(waiting))
        purchase = purchase_event(line, shift_ms)
        heapq.heappush(waiting, (at_ms, next(tie), line.stock_code, purchase))
        if line.is_sale and views_per_purchase > 0:
            for before_ms, event in events_before(purchase, at_ms, generator, views_per_purchase):
                heapq.heappush(waiting, (before_ms, next(tie), line.stock_code, event))
    while waiting:
        yield _timed(heapq.heappop(waiting))


def _timed(entry: tuple[int, int, str, dict[str, object]]) -> Timed:
    at_ms, _, key, event = entry
    return at_ms, key, event


def without_pauses(events: Iterable[Timed], pause_max_ms: int) -> Iterator[Timed]:
    """The same events, with times of sending that leave no pause longer than `pause_max_ms`: closed hours, and the
    days between two files. The time stamps in the events stay as they are."""
    before_ms: int | None = None
    skipped_ms = 0
    for at_ms, key, event in events:
        if before_ms is not None:
            skipped_ms += max(0, at_ms - before_ms - pause_max_ms)
        before_ms = at_ms
        yield at_ms - skipped_ms, key, event


def shifts(lines: list[InvoiceLine], loop: bool) -> Iterator[int]:
    """The shift of event times in each round, in milliseconds. Without `loop` there is one round. Each further
    round is whole days later, so that it continues where the last one ended."""
    times = [line.event_time_ms for line in lines]
    days = 1 + (max(times) - min(times)) // DAY_MS if times else 1
    shift_ms = 0
    yield shift_ms
    while loop:
        shift_ms += days * DAY_MS
        yield shift_ms
