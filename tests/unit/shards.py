"""Feeding a shard by hand, signal by signal."""

import msgspec

from pricing.decision import Cause, PriceDecision, PriceUpdate
from pricing.events import ProductEvent, Signal, SourcePosition
from pricing.shard import ChangeBatch, EventBatch, Shard

NOW_MS = 1_800_000_000_000


TOPIC = "events"


def apply(shard: Shard, *signals: Signal, offset: int = 0, now_ms: int = NOW_MS) -> list[PriceDecision]:
    """The decisions of signals of a partition, each a batch of its own, in order; the first event's offset is
    `offset`. Those of events as if they were made one by one."""
    decisions = []
    for place, signal in enumerate(signals, offset):
        if not isinstance(signal, ProductEvent):
            decisions += shard.apply(ChangeBatch(TOPIC, 0, [signal]), now_ms)
            continue
        batch = EventBatch(TOPIC, 0, [place], [signal.product_id.encode()], [signal])
        events, others = shard.apply_events(batch, now_ms)
        assert (events.keys, events.offsets) == (([], []) if others else (batch.keys, batch.offsets))
        for encoded, day_open in zip(events.updates, events.day_opens, strict=True):
            update = msgspec.json.decode(encoded, type=PriceUpdate)
            position = SourcePosition(TOPIC, 0, place)
            decisions.append(
                PriceDecision(
                    update.product_id, update.version, update, Cause.EVENT, position, now_ms, day_open=day_open
                )
            )
        decisions += others
    return decisions
