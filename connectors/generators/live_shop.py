"""A simulated shop with stock, clicks and competitors, seeded, without any data. Its customers react to prices."""

import bisect
import itertools
import math
import random
from collections.abc import Callable, Iterator

from connectors.generators.rhythm import activity_at
from connectors.generators.shop import QUIETEST_S, ZIPF_EXPONENT
from connectors.generators.timed import Timed

EVENTS_PER_S = 20.0
ELASTICITY = 1.5
"""Purchases of a click change with `(price / base price) ** -ELASTICITY`."""

PURCHASES_PER_CLICK = 0.05
QUOTES_SHARE = 0.08
COMPETITORS = ("Albion", "Borealis", "Cygnet")
QUOTE_SPREAD = 0.06
REORDER_AT = 15
LOT = 60
COST_SHARE = 0.6
CUSTOMERS = 500
ORDER_TIME = "order_time"
"""The first field of an order, which is its time, and tells it from other events."""

CLICK_TYPES = (("view", 0.85), ("add_to_cart", 0.12), ("remove_from_cart", 0.03))


class LiveShop:
    """The products of a shop, and what happens to them. The same seed, and the same prices, give the same events.

    price_of: the price that customers see; None while there is none, and then they see the base price."""

    def __init__(
        self, products: int, seed: int, price_of: Callable[[str], float | None], *, elasticity: float = ELASTICITY
    ) -> None:
        self._chance = random.Random(seed)  # noqa: S311
        self._price_of = price_of
        self._elasticity = elasticity
        self._names = [f"L{number:05d}" for number in range(products)]
        self._bases = [max(0.5, round(math.exp(self._chance.gauss(2.5, 0.7)), 2)) for _ in self._names]
        self._stocks = [self._chance.randrange(5, 90) for _ in self._names]
        self._levels = list(self._stocks)
        self._orders = self._start_ms = 0
        self._popularity = list(itertools.accumulate(1 / (rank + 1) ** ZIPF_EXPONENT for rank in range(products)))

    def catalogue(self) -> Iterator[tuple[str, dict[str, object]]]:
        """Key and value of each product's row, with the stock at the start."""
        for name, base, level in zip(self._names, self._bases, self._levels, strict=True):
            yield (
                name,
                {
                    "product_id": name,
                    "product_name": f"Article {name[1:]}",
                    "stock_level": level,
                    "reorder_threshold": REORDER_AT,
                    "supplier": "Simulated",
                    "base_price": base,
                    "unit_cost": round(base * COST_SHARE, 2),
                },
            )

    def events(self, start_ms: int, events_per_s: float = EVENTS_PER_S) -> Iterator[Timed]:
        """Endless clicks, purchases with their orders, restocks and quotes, in order of event time from `start_ms`
        on. The first field of each is its time. events_per_s: clicks and quotes, on average in event time."""
        chance, at_ms = self._chance, float(start_ms)
        self._start_ms = start_ms
        while True:
            at_ms += chance.expovariate(events_per_s * activity_at(at_ms, QUIETEST_S)) * 1000
            index = bisect.bisect_left(self._popularity, chance.random() * self._popularity[-1])
            if chance.random() < QUOTES_SHARE:
                yield self._quote(index, int(at_ms))
                continue
            kind = chance.choices([name for name, _ in CLICK_TYPES], [share for _, share in CLICK_TYPES])[0]
            name = self._names[index]
            yield int(at_ms), name, {"event_time": int(at_ms), "product_id": name, "event_type": kind}
            if chance.random() < PURCHASES_PER_CLICK * self.demand_factor(index):
                yield from self._purchase(index, int(at_ms))

    def demand_factor(self, index: int) -> float:
        """The purchases of a click, as a multiple of those at the base price."""
        price = self._price_of(self._names[index])
        return 1.0 if not price else (price / self._bases[index]) ** -self._elasticity

    def _purchase(self, index: int, at_ms: int) -> Iterator[Timed]:
        name, quantity = self._names[index], self._chance.choice((1, 1, 1, 2, 3))
        self._stocks[index] -= quantity
        yield at_ms, name, {"purchase_time": at_ms, "product_id": name, "quantity_purchased": quantity}
        self._orders += 1
        yield (
            at_ms,
            name,
            {
                ORDER_TIME: at_ms,
                "order_id": f"{self._start_ms:x}-{self._orders}",
                "product_id": name,
                "quantity": quantity,
                "customer_id": f"C{self._chance.randrange(CUSTOMERS)}",
            },
        )
        # The supplier is late at times, and then more is sold than there is.
        if self._stocks[index] <= REORDER_AT and self._chance.random() < 0.2:
            self._stocks[index] += LOT
            yield at_ms, name, {"restock_time": at_ms, "product_id": name, "quantity_restocked": LOT}

    def _quote(self, index: int, at_ms: int) -> Timed:
        name, competitor = self._names[index], self._chance.choice(COMPETITORS)
        price = max(0.01, round(self._bases[index] * (1 + self._chance.gauss(0, QUOTE_SPREAD)), 2))
        return (
            at_ms,
            name,
            {"ts": at_ms, "product_id": name, "competitor": competitor, "competitor_price": price},
        )
