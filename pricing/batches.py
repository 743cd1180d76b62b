"""What a shard is given to do: events, other changes, and requests to say again what it knows."""

from collections.abc import Sequence

import msgspec

from pricing.events import Change, ProductEvent


class EventBatch(msgspec.Struct, gc=False):
    """Events of one shard from one topic partition, in order of offset; `offsets` and `keys` (their products' ids,
    UTF-8) side by side with them."""

    topic: str
    partition: int
    offsets: list[int]
    keys: list[bytes]
    events: list[ProductEvent]
    kafka_time_ms: int = 0


class ChangeBatch(msgspec.Struct, gc=False):
    """Everything else that happens to a shard's products, from one topic partition, in order of offset."""

    topic: str
    partition: int
    changes: Sequence[Change]
    kafka_time_ms: int = 0


Batch = EventBatch | ChangeBatch

SETTLED = "settled"


class RefillRequest(msgspec.Struct, frozen=True, array_like=True):
    """Asks a shard for the latest decision of every product it owns; with the reason `SETTLED`, which comes once,
    some seconds after a start, for what `Shard.repeat` gives."""

    reason: str
