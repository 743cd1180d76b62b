"""Feeding a shard by hand, signal by signal."""

import msgspec

from core.positions import SourcePosition
from pricing.batches import ChangeBatch, EventBatch, Signal
from pricing.decision import Cause, PriceDecision, PriceUpdate
from pricing.events import ProductEvent
from pricing.state.shard import Shard

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
        decisions += others
        assert (events is None) == bool(others)
        if events is not None:
            assert (events.keys, events.offsets) == (batch.keys, batch.offsets)
            update = msgspec.json.decode(events.updates[0], type=PriceUpdate)
            position, (day_open,) = SourcePosition(TOPIC, 0, place), events.day_opens
            name, version = update.product_id, update.version
            decisions.append(PriceDecision(name, version, update, Cause.EVENT, position, now_ms, day_open))
    return decisions
