"""Signals of one shard, in batches, as the pricing step takes them."""

from collections.abc import Sequence

import msgspec

from pricing.catalogue import CatalogueChange
from pricing.commands import Freeze, FreezeLift, OverrideRemoval, PriceOverride, ProductCorrection
from pricing.events import ProductEvent

Change = CatalogueChange | PriceOverride | OverrideRemoval | ProductCorrection | Freeze | FreezeLift
"""A signal that is not an event of a product."""

Signal = ProductEvent | Change
"""Input that changes the state of a product. Besides signals, only time does so: it ends overrides."""


class EventBatch(msgspec.Struct, gc=False):
    """Events of one shard from one topic partition, in order of offset.

    `offsets`, `keys` (product ids, UTF-8) and `events` have one entry for each event. kafka_time_ms: Kafka's time
    stamp of the first event, UTC milliseconds; 0 if it has none. values: the messages as they came, for the letters
    of those that are refused."""

    topic: str
    partition: int
    offsets: list[int]
    keys: list[bytes]
    events: list[ProductEvent]
    kafka_time_ms: int = 0
    values: Sequence[bytes | None] = ()


class ChangeBatch(msgspec.Struct, gc=False):
    """Changes of one shard from one topic partition, in order of offset. kafka_time_ms, values: as in
    `EventBatch`."""

    topic: str
    partition: int
    changes: Sequence[Change]
    kafka_time_ms: int = 0
    values: Sequence[bytes | None] = ()


Batch = EventBatch | ChangeBatch


class RefillRequest(msgspec.Struct, frozen=True, array_like=True):
    """A request for the latest decision of every product of a shard, sent by `connectors/redis_watch.py`. products:
    the products that it is for; empty for all."""

    reason: str
    products: tuple[str, ...] = ()
