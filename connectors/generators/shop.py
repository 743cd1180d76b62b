"""A simulated shop, seeded, without any data: Zipf-like popularity, a funnel, a daily rhythm."""

import bisect
import itertools
import math
import random
from collections.abc import Iterator

from connectors.generators.funnel import CARTS_PER_VIEW, PURCHASES_PER_VIEW
from connectors.generators.rhythm import activity_at
from connectors.generators.timed import Timed

ZIPF_EXPONENT = 1.0
EVENTS_PER_S = 100.0
QUIETEST_S = 4 * 3600


def simulate(products: int, seed: int, start_ms: int, events_per_s: float = EVENTS_PER_S) -> Iterator[Timed]:
    """Endless events of a shop, in order of event time from `start_ms` on. The same seed gives the same events.

    events_per_s: average in event time. The gaps between events are exponential, scaled by the daily rhythm."""
    generator = random.Random(seed)  # noqa: S311
    prices = [round(math.exp(generator.gauss(1.5, 1.0)), 2) or 0.01 for _ in range(products)]
    popularity = list(itertools.accumulate(1 / (rank + 1) ** ZIPF_EXPONENT for rank in range(products)))
    at_ms = float(start_ms)
    purchases, carts = PURCHASES_PER_VIEW, PURCHASES_PER_VIEW + CARTS_PER_VIEW
    while True:
        at_ms += generator.expovariate(events_per_s * activity_at(at_ms, QUIETEST_S)) * 1000
        product = bisect.bisect_left(popularity, generator.random() * popularity[-1])
        chance = generator.random() * (1 + carts)
        event_type = "purchase" if chance < purchases else "cart" if chance < carts else "view"
        event: dict[str, object] = {
            "event_type": event_type,
            "product_id": f"P{product:06d}",
            "timestamp": int(at_ms),
            "price": prices[product],
        }
        if event_type == "purchase":
            event["quantity"] = generator.randint(1, 5)
        yield int(at_ms), f"P{product:06d}", event
