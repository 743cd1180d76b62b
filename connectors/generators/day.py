"""A day of a shop out of its invoices: purchases, and the views and carts before them."""

import heapq
import itertools
import random
from collections.abc import Iterator

from connectors.generators.funnel import LOOKED_AT_BEFORE_MS, Timed, events_before
from connectors.generators.invoices import InvoiceLine, purchase_event
from core.timestamps import DAY_MS


def events_of_day(lines: list[InvoiceLine], shift_ms: int, views_per_purchase: float, seed: int) -> Iterator[Timed]:
    """Every line as a purchase, valid or not, with the funnel before the sales, in order of event time."""
    generator = random.Random(seed)  # noqa: S311
    tie = itertools.count()
    waiting: list[tuple[int, int, str, dict[str, object]]] = []
    for line in sorted(lines, key=lambda line: line.event_time_ms):
        at_ms = line.event_time_ms + shift_ms
        # No funnel reaches further back than this, so what is older can go.
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


def shifts(lines: list[InvoiceLine], loop: bool) -> Iterator[int]:
    """Event-time shifts of each round: a loop goes on where the last ended, whole days later."""
    times = [line.event_time_ms for line in lines]
    days = 1 + (max(times) - min(times)) // DAY_MS if times else 1
    shift_ms = 0
    yield shift_ms
    while loop:
        shift_ms += days * DAY_MS
        yield shift_ms
