"""The pricing flow on test sources and sinks, and seeded input for it."""

import json
import random
from datetime import timedelta
from typing import Any

from bytewax.dataflow import Dataflow
from bytewax.outputs import StatefulSinkPartition
from bytewax.testing import TestingSource

from connectors.decode.pricing import SignalKind
from connectors.kafka import RawBatch
from core.work import RefillRequest
from dataflows.pricing import Sinks, build
from dataflows.recovery.state_log import StateLog
from pricing.policy import default_policy
from sinks.base.sink import PlacedSink

SHARDS = 8
CLOCK_MS = 1_700_000_100_000
# With one epoch for each batch, a crash resumes from the middle, with the state after the last batch.
EVERY_BATCH = timedelta(0)
TOPICS = {
    "events": SignalKind.PRODUCT_EVENTS,
    "catalogue": SignalKind.CATALOGUE,
    "overrides": SignalKind.OVERRIDES,
}

Item = RawBatch


def seeded_items(any_order: bool = True) -> list[Item]:
    """Return 300 items, the same in every run: events with every kind of key, catalogue entries, overrides that are
    set, removed or expired, and bad messages. With `any_order` False, no message has a missing or a foreign key and
    no override expires, so that the output does not depend on the order of arrival."""
    chance = random.Random(5)
    items: list[Item] = []
    for offset in range(300):
        product = f"P{chance.randrange(12)}"
        key: bytes | None = product.encode()
        topic = chance.choices(["events", "catalogue", "overrides"], [20, 1, 2])[0]
        body: dict[str, Any] | None
        if topic == "events":
            event_type = chance.choice(["view", "cart", "purchase", "return"])
            at_s = 1_700_000_000 + offset
            timestamp = chance.choice([at_s, at_s * 1000, at_s + 0.25])
            body = {"event_type": event_type, "product_id": product, "timestamp": timestamp, "price": 10.0 + offset}
            key = chance.choice([key, None, b"somebody-else"]) if any_order else key
        elif topic == "catalogue":
            body = {"product_id": product, "name": f"Product {product}", "category": "c", "base_price": 5.0}
        else:
            over = CLOCK_MS / 1000 - 1 if any_order and chance.random() < 0.3 else None
            body = {"product_id": product, "override_price": 50.0, "reason": "r", "set_by": "s"}
            body |= {"set_at": CLOCK_MS, "expires_at": over}
            body = chance.choice([body, None])
        value = None if body is None else json.dumps(body).encode()
        value = b"\xff" if chance.random() < 0.02 else value
        items.append(RawBatch(topic, [0], [offset], [key], [value], [1_700_000_000_000 + offset], epoch=offset))
    return items


class Keeping(PlacedSink[Any, None]):
    """A sink that appends to a list."""

    def __init__(self, kept: list[Any]) -> None:
        self._kept = kept

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "_Keeps":
        return _Keeps(self._kept)


class _Keeps(StatefulSinkPartition[Any, None]):
    def __init__(self, kept: list[Any]) -> None:
        self._kept = kept

    def write_batch(self, values: list[Any]) -> None:
        self._kept += values

    def snapshot(self) -> None:
        return None


class Outputs:
    """The items of each sink, over one or more runs of the flow."""

    def __init__(self) -> None:
        self.updates: list[Any] = []
        self.latest: list[Any] = []
        self.history: list[Any] = []
        self.letters: list[Any] = []

    def flow(
        self,
        items: list[Any],
        refills: list[tuple[str, RefillRequest]] | None = None,
        state_log: StateLog | None = None,
    ) -> Dataflow:
        """Build the flow on these items, with sinks that append to the lists."""
        sinks = Sinks(
            updates=Keeping(self.updates),
            latest=Keeping(self.latest),
            dead_letters=Keeping(self.letters),
            history=Keeping(self.history),
        )
        return build(
            TestingSource(items, batch_size=5),
            TestingSource(refills or []),
            sinks,
            policy=default_policy(),
            kinds=TOPICS,
            shards=SHARDS,
            clock=lambda: CLOCK_MS,
            state_log=state_log,
        )

    def lines(self) -> list[str]:
        """Return every different output once, as JSON, in an order that does not depend on the kind of run."""
        found = {("update", value.decode()) for out in self.updates for _, value in out.rows}
        found |= {("history", row.decode()) for out in self.history for row in out.rows}
        found |= {("dead letter", value.decode()) for out in self.letters for _, value in out.rows}
        return [json.dumps(entry) for entry in sorted(found)]

    def newest(self) -> dict[str, str]:
        """Return Redis key to the last row that was written for it."""
        return {name: row.decode() for out in self.latest for name, row in out.rows}
