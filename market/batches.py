"""Ticks in batches, as the market's step takes them."""

from functools import partial
from operator import itemgetter
from typing import Any

import msgspec

from market.alerts import AlertRule, RuleRemoval
from market.ticks import Tick


class TickBatch(msgspec.Struct, array_like=True, gc=False):
    """Ticks from one topic, those of each partition in order of offset.

    `partitions`, `offsets`, `ticks`, `shards` (of the symbols) and `values` (the messages as they came, for the
    letters of those that are refused; or none of them) have one entry for each tick. kafka_time_ms: Kafka's time
    stamp of the first tick, UTC milliseconds; 0 if it has none."""

    topic: str
    partitions: list[int]
    offsets: list[int]
    ticks: list[Tick]
    shards: list[int]
    kafka_time_ms: int = 0
    values: list[bytes | None] = []

    def only(self, indexes: list[int]) -> "TickBatch":
        """A batch of these ticks."""
        take: Any = itemgetter(*indexes) if len(indexes) > 1 else partial(_take_few, indexes)
        return TickBatch(
            self.topic,
            list(take(self.partitions)),
            list(take(self.offsets)),
            list(take(self.ticks)),
            list(take(self.shards)),
            self.kafka_time_ms,
            list(take(self.values)) if self.values else [],
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # As one bytes object, a batch for another process costs a third.
        return _unpack, (_pack(self),)


class RuleChanges(msgspec.Struct, array_like=True):
    """Rules that begin and end, of one shard, in order."""

    changes: list[AlertRule | RuleRemoval]


def _take_few(indexes: list[int], column: list[Any]) -> list[Any]:
    return [column[index] for index in indexes]


_pack = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(TickBatch).decode


def _unpack(packed: bytes) -> TickBatch:
    return _decode(packed)
