"""The inputs of a storm: events, catalogue messages, overrides and signals, good and bad, from one seeded
generator."""

import json
import random
import time
from zlib import crc32

from tests.chaos.signalled import send_signals
from tests.support.pipeline import Pipeline

PRODUCTS = 200
OVERRIDDEN = 20
"""Number of products that get overrides. All others get events only, so each of their rows is known exactly."""

CATALOGUED = 20
"""Number of products that get catalogue messages beside events; as many get catalogue messages only."""

PARTITIONS = 4
"""Number of partitions of each topic at the start. A product's messages stay in its partition of then, because the
order of messages on two partitions is not known. Later partitions get products of their own."""

POISON = (b"{not json", b"\xff\xfe", b"", b'{"event_type": "wish"}', b'{"price": 1e999}')
AHEAD_S = (3_600, 86_400, 10 * 365 * 86_400)
"""How far events of a wrong clock are ahead."""


class Inputs:
    """Makes and sends the inputs. partitions: the present number of partitions of `product-events`."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._now_s = 1_700_000_000
        self._sent: list[tuple[str, bytes]] = []
        self.partitions = PARTITIONS

    def burst(self, pipeline: Pipeline) -> str:
        """Send events. Returns a text for the log, as the other methods do."""
        count = self._chance.randrange(100, 1_500)
        for _ in range(count):
            product = self._product()
            roll = self._chance.random()
            if roll < 0.02:
                self._send(pipeline, product, self._chance.choice(POISON))
            elif roll < 0.04 and self._sent:
                self._send(pipeline, *self._chance.choice(self._sent))
            elif roll < 0.05:
                self._event(pipeline, product, int(time.time()) + self._chance.choice(AHEAD_S))
            else:
                late_s = self._chance.randrange(86_400) if roll < 0.07 else 0
                self._now_s += 1
                self._event(pipeline, product, self._now_s - late_s)
        for _ in range(self._chance.randrange(4)):
            self.catalogue(pipeline)
        send_signals(pipeline, self._chance, self._now_s)
        pipeline.flush()
        return f"{count} events"

    def _event(self, pipeline: Pipeline, product: str, timestamp: int) -> None:
        kind = self._chance.choice(["view", "cart", "purchase"])
        price = round(self._chance.uniform(0.01, 500), 2)
        text = (
            f'{{"event_type": "{kind}", "product_id": "{product}", "timestamp": {timestamp}, "price": {price}}}'
        ).encode()
        self._sent = [*self._sent[-50:], (product, text)]
        self._send(pipeline, product, text)

    def _send(self, pipeline: Pipeline, product: str, value: bytes) -> None:
        later = product.startswith("N")
        partition = int(product[1:]) if later else crc32(product.encode()) % PARTITIONS
        pipeline.send("product-events", product, value, partition)

    def _product(self) -> str:
        roll = self._chance.random()
        if roll < 0.1:
            return f"C{self._chance.randrange(CATALOGUED):03d}"
        if roll < 0.15 and self.partitions > PARTITIONS:
            # A product of a partition that was added.
            return f"N{self._chance.randrange(PARTITIONS, self.partitions):03d}"
        return f"P{int(self._chance.paretovariate(0.7)) % PRODUCTS:03d}"

    def catalogue(self, pipeline: Pipeline) -> str:
        """Send a catalogue message: of a product with events (C) or without (K). Products without events also lose
        their entry at times."""
        kind = self._chance.choice("CK")
        product = f"{kind}{self._chance.randrange(CATALOGUED):03d}"
        if kind == "K" and self._chance.random() < 0.2:
            pipeline.send("product-catalogue", product, None)
            return f"{product} is removed"
        price = round(self._chance.uniform(1, 500), 2)
        entry = {"product_id": product, "name": f"Storm {product}", "category": "storm", "base_price": price}
        pipeline.send("product-catalogue", product, json.dumps(entry).encode())
        return f"{product} at {price}"

    def override(self, pipeline: Pipeline) -> str:
        """Send an override, or remove one."""
        product = f"P{self._chance.randrange(OVERRIDDEN):03d}"
        if self._chance.random() < 0.3:
            pipeline.send("price-overrides", product, None)
            pipeline.flush()
            return f"removed from {product}"
        price = round(self._chance.uniform(1, 900), 2)
        lasts_s = self._chance.choice([None, None, 1, 3])
        now = time.time()
        value = {
            "product_id": product,
            "override_price": price,
            "reason": "storm",
            "set_by": "storm",
            "set_at": round(now * 1000),
            "expires_at": None if lasts_s is None else round((now + lasts_s) * 1000),
        }
        pipeline.send("price-overrides", product, value)
        pipeline.flush()
        return f"{product} at {price}, for {lasts_s or 'good'}"
