"""Pathway, in an environment of its own (benchmarks/rows/requirements-pathway.lock).

Pathway's reducers give one result for all events since the last commit. So the state is a dict in a Python
function, and every event has its update. This dict is lost in a crash."""

import os
from math import sqrt

import pathway as pw

WEIGHTS = {"view": 1.0, "cart": 3.0, "purchase": 5.0}
COMMIT_MS = 100


class Event(pw.Schema):
    """The fields of an event that the price needs."""

    event_type: str
    product_id: str
    timestamp: int
    price: float


def main() -> None:
    """Run the engine until it is stopped. Prints `ready` first."""
    products: dict[str, tuple[float, int, float | None]] = {}

    @pw.udf(deterministic=True)
    def price(product_id: str, event_type: str, base: float) -> tuple[float, int, float | None, float]:
        demand, version, previous = products.get(product_id, (0.0, 0, None))
        demand += WEIGHTS[event_type]
        new = round(base + 5 * sqrt(demand), 2)
        products[product_id] = demand, version + 1, new
        return new, version + 1, previous, demand

    settings = {"bootstrap.servers": os.environ["BROKERS"], "group.id": os.environ["TARGET"]}
    events = pw.io.kafka.read(
        {**settings, "auto.offset.reset": "earliest", "fetch.wait.max.ms": "10"},
        os.environ["SOURCE"],
        format="json",
        schema=Event,
        autocommit_duration_ms=COMMIT_MS,
    )
    priced = events.select(
        events.product_id, events.timestamp, priced=price(events.product_id, events.event_type, events.price)
    )
    updates = priced.select(
        type="price_update",
        product_id=pw.this.product_id,
        new_price=pw.this.priced[0],
        timestamp=pw.this.timestamp,
        version=pw.this.priced[1],
        previous_price=pw.this.priced[2],
        demand=pw.this.priced[3],
    )
    pw.io.kafka.write(
        updates, {**settings, "linger.ms": "2"}, os.environ["TARGET"], format="json", key=updates.product_id
    )
    print("ready", flush=True)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


if __name__ == "__main__":
    main()
