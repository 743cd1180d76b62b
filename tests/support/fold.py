"""The expected outputs, by a plain fold of the inputs. It shares no code with the flow."""

import json
from math import sqrt
from typing import Any

from tests.support.pipeline import Message

WEIGHTS = {"view": 1.0, "cart": 3.0, "purchase": 5.0}


class Expected:
    """The expected outputs. `history`: (topic, partition, offset) to (product, price, demand, version). `updates`:
    product to its updates in order, each (version, price, previous price, demand, seconds). `latest`: product to
    (price, demand, version). `bad`: (partition, offset) of messages that become dead letters."""

    def __init__(self) -> None:
        self.history: dict[tuple[str, int, int], tuple[str, float, float, int]] = {}
        self.updates: dict[str, list[tuple[int, float, float | None, float, int]]] = {}
        self.latest: dict[str, tuple[float, float, int]] = {}
        self.bad: set[tuple[int, int]] = set()


def fold(messages: list[Message]) -> Expected:
    """Fold product events, each partition in order, with the default policy and no overrides. It knows only those
    kinds of bad input that its tests send."""
    expected = Expected()
    demand: dict[str, float] = {}
    for message in sorted(messages, key=lambda m: (m.partition, m.offset)):
        event = _usable(message.value)
        if event is None:
            expected.bad.add((message.partition, message.offset))
            continue
        product = str(event["product_id"])
        demand[product] = demand.get(product, 0.0) + WEIGHTS[event["event_type"]]
        price = round(event["price"] + 5 * sqrt(demand[product]), 2)
        before = expected.latest.get(product)
        version = (before[2] if before else 0) + 1
        seconds = event["timestamp"] // 1000 if event["timestamp"] >= 10**12 else event["timestamp"]
        position = (message.topic, message.partition, message.offset)
        expected.history[position] = (product, price, demand[product], version)
        expected.latest[product] = (price, demand[product], version)
        update = (version, price, before[0] if before else None, demand[product], seconds)
        expected.updates.setdefault(product, []).append(update)
    return expected


def _usable(value: bytes | None) -> dict[str, Any] | None:
    try:
        event = json.loads(value or b"")
    except ValueError:
        return None
    product = str(event.get("product_id", ""))
    sound = event.get("price", 0) > 0 and event.get("quantity", 1) > 0 and " " not in product and product
    return event if sound else None
