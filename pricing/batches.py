"""Signals in batches, as the pricing step takes them."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import msgspec

from core.positions import SourcePosition
from pricing.catalogue import CatalogueChange
from pricing.commands import Freeze, FreezeLift, OverrideRemoval, PriceOverride, ProductCorrection
from pricing.events import ProductEvent
from pricing.external_events import ExternalEvent
from pricing.signals import Signal as ProductSignal

Shared = Freeze | FreezeLift | ExternalEvent
"""A change that every shard gets."""

Change = CatalogueChange | PriceOverride | OverrideRemoval | ProductCorrection | Shared
"""A catalogue message, a command or an external event."""

Signal = ProductEvent | Change
"""Input that changes the state of a product. Besides signals, only time does so: it ends overrides, empties windows
and makes quotes stale."""


class EventBatch(msgspec.Struct, array_like=True, gc=False):
    """Events from one topic, those of each partition in order of offset.

    `partitions`, `offsets`, `keys` (product ids, UTF-8), `events` and `shards` (of the products) have one entry for
    each event. kafka_time_ms: Kafka's time stamp of the first event, UTC milliseconds; 0 if it has none. values:
    the messages as they came, for the letters of those that are refused."""

    topic: str
    partitions: list[int]
    offsets: list[int]
    keys: list[bytes]
    events: list[ProductEvent]
    kafka_time_ms: int = 0
    values: Sequence[bytes | None] = ()
    shards: Sequence[int] = ()

    def only(self, indexes: list[int]) -> "EventBatch":
        """A batch of these events."""
        take = itemgetter(*indexes) if len(indexes) > 1 else lambda column: (column[indexes[0]],)
        return EventBatch(
            self.topic,
            list(take(self.partitions)),
            list(take(self.offsets)),
            list(take(self.keys)),
            list(take(self.events)),
            self.kafka_time_ms,
            list(take(self.values)) if self.values else [],
            list(take(self.shards)) if self.shards else [],
        )

    def position(self, index: int) -> SourcePosition:
        """The position of an event."""
        return SourcePosition(self.topic, self.partitions[index], self.offsets[index])

    def __reduce__(self) -> tuple[Any, ...]:
        # With two processes, half of the events go to the other one. As one bytes object, that costs a third.
        return _unpack_events, (_pack_events(self),)


_pack_events = msgspec.msgpack.Encoder().encode
_decode_batch = msgspec.msgpack.Decoder(EventBatch).decode


def _unpack_events(packed: bytes) -> EventBatch:
    return _decode_batch(packed)


class SignalBatch(msgspec.Struct, array_like=True, gc=False):
    """Signals of stock, clicks, competitors, forecasts and supply from one topic. The fields are those of
    `EventBatch`."""

    topic: str
    partitions: list[int]
    offsets: list[int]
    signals: list[ProductSignal]
    shards: list[int]
    kafka_time_ms: int = 0
    values: list[bytes | None] = []

    def extend(self, other: "SignalBatch") -> None:
        """Append the signals of another batch of the topic."""
        for name in ("partitions", "offsets", "signals", "shards", "values"):
            getattr(self, name).extend(getattr(other, name))

    def only(self, indexes: list[int]) -> "SignalBatch":
        """A batch of these signals."""
        return SignalBatch(
            self.topic,
            [self.partitions[index] for index in indexes],
            [self.offsets[index] for index in indexes],
            [self.signals[index] for index in indexes],
            [self.shards[index] for index in indexes],
            self.kafka_time_ms,
            [self.values[index] for index in indexes] if self.values else [],
        )

    def position(self, index: int) -> SourcePosition:
        """The position of a signal."""
        return SourcePosition(self.topic, self.partitions[index], self.offsets[index])

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpack_signals, (_pack_events(self),)


_decode_signals = msgspec.msgpack.Decoder(SignalBatch).decode


def _unpack_signals(packed: bytes) -> SignalBatch:
    return _decode_signals(packed)


class ChangeBatch(msgspec.Struct, gc=False):
    """Changes of one shard from one topic partition, in order of offset. kafka_time_ms, values: as in
    `EventBatch`. shard: its number."""

    topic: str
    partition: int
    changes: Sequence[Change]
    kafka_time_ms: int = 0
    values: Sequence[bytes | None] = ()
    shard: int = 0


Batch = EventBatch | SignalBatch | ChangeBatch
