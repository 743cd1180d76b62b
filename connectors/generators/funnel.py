"""The funnel of a shop, seeded: the views and carts that lie before a purchase."""

import random
from collections.abc import Iterator

CARTS_PER_VIEW = 0.026
PURCHASES_PER_VIEW = 0.0084
LOOKED_AT_BEFORE_MS = 15 * 60 * 1000

Timed = tuple[int, str, dict[str, object]]
"""Event time in milliseconds, key, event."""


def events_before(
    purchase: dict[str, object], event_time_ms: int, generator: random.Random, views_per_purchase: float
) -> Iterator[tuple[int, dict[str, object]]]:
    """Event times and events that lead to a purchase, up to a quarter of an hour before it: so many views on
    average, and carts in the usual proportion to them."""
    product_id, price = purchase["product_id"], purchase["price"]
    for event_type, mean in (
        ("view", views_per_purchase),
        ("cart", views_per_purchase * CARTS_PER_VIEW),
    ):
        for _ in range(_poisson(mean, generator)):
            at_ms = event_time_ms - int(generator.random() ** 2 * LOOKED_AT_BEFORE_MS)
            yield at_ms, {"event_type": event_type, "product_id": product_id, "timestamp": at_ms, "price": price}


def _poisson(mean: float, generator: random.Random) -> int:
    """Knuth's method for small means, the normal approximation for large ones."""
    if mean > 30:
        return max(0, round(generator.gauss(mean, mean**0.5)))
    limit, count, product = 2.718281828459045**-mean, 0, generator.random()
    while product > limit:
        count += 1
        product *= generator.random()
    return count
