"""A shard that a test feeds by hand, signal by signal."""

import msgspec

from core.positions import SourcePosition
from pricing.batches import ChangeBatch, EventBatch, Signal
from pricing.decision import Cause, PriceDecision, PriceUpdate
from pricing.events import ProductEvent
from pricing.state.shard import Shard

NOW_MS = 1_800_000_000_000


TOPIC = "events"


def apply(shard: Shard, *signals: Signal, offset: int = 0, now_ms: int = NOW_MS) -> list[PriceDecision]:
    """Apply signals in order, each as a batch of its own, and return their decisions. The signals have consecutive
    offsets from `offset` on. Decisions of events are rebuilt from their columns, so they look like all others."""
    decisions = []
    for place, signal in enumerate(signals, offset):
        if not isinstance(signal, ProductEvent):
            decisions += shard.apply(ChangeBatch(TOPIC, 0, [signal]), now_ms)
            continue
        batch = EventBatch(TOPIC, [0], [place], [signal.product_id.encode()], [signal])
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
