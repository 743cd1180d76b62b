"""The funnel of a shop, seeded: the views and carts before a purchase."""

import random
from collections.abc import Iterator

CARTS_PER_VIEW = 0.026
PURCHASES_PER_VIEW = 0.0084
LOOKED_AT_BEFORE_MS = 15 * 60 * 1000
"""Longest time from a view or cart to its purchase."""


def events_before(
    purchase: dict[str, object], event_time_ms: int, generator: random.Random, views_per_purchase: float
) -> Iterator[tuple[int, dict[str, object]]]:
    """The views and carts that lead to a purchase, each with its event time in milliseconds, in no order.
    `views_per_purchase` is an average; carts are in the usual proportion to views."""
    product_id, price = purchase["product_id"], purchase["price"]
    for event_type, mean in (
        ("view", views_per_purchase),
        ("cart", views_per_purchase * CARTS_PER_VIEW),
    ):
        for _ in range(_poisson(mean, generator)):
            at_ms = event_time_ms - int(generator.random() ** 2 * LOOKED_AT_BEFORE_MS)
            yield at_ms, {"event_type": event_type, "product_id": product_id, "timestamp": at_ms, "price": price}


def _poisson(mean: float, generator: random.Random) -> int:
    """A Poisson-distributed number: by Knuth's method for small means, by the normal approximation for large
    ones."""
    if mean > 30:
        return max(0, round(generator.gauss(mean, mean**0.5)))
    limit, count, product = 2.718281828459045**-mean, 0, generator.random()
    while product > limit:
        count += 1
        product *= generator.random()
    return count
