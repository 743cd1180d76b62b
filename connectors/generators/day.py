"""A day of a shop, made from its invoices: purchases, and the views and carts before them."""

import heapq
import itertools
import random
from collections.abc import Iterator

from connectors.generators.funnel import LOOKED_AT_BEFORE_MS, events_before
from connectors.generators.invoices import InvoiceLine, purchase_event
from connectors.generators.timed import Timed


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
