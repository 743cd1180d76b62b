"""The decoding step: raw messages of a shard to dead letters, and to signals of the shards that own their
products."""

from collections.abc import Mapping

import msgspec
from bytewax.operators import StatefulBatchLogic

import telemetry
from connectors.decode.pricing import SignalKind, decode, decode_usual_events
from connectors.decode.wire import DEFAULT_LIMITS, InputLimits
from connectors.kafka import RawBatch
from core.dead_letter import DeadLetter
from core.positions import topic_of
from core.shards import shard_of
from pricing.batches import Batch, Change, ChangeBatch, EventBatch
from pricing.commands import Freeze, FreezeLift
from pricing.events import ProductEvent


class Decoded(msgspec.Struct, gc=False):
    """The result for one raw batch. batches: each with the shard that owns its products."""

    batches: list[tuple[str, Batch]]
    dead_letters: list[DeadLetter]


class DecodingStep(StatefulBatchLogic[RawBatch, Decoded, None]):
    """The decoding of one shard's raw messages: `RawBatch` in, `Decoded` out. It has no state.

    It runs in the worker that owns the shard of the key, so that decoding scales with processes. kinds: topic to
    the kind of its signals. limits: of input, from the settings."""

    def __init__(self, kinds: Mapping[str, SignalKind], shards: int, limits: InputLimits = DEFAULT_LIMITS) -> None:
        self._kinds = kinds
        self._shards = shards
        self._limits = limits
        self._ok = {topic: telemetry.EVENTS.labels(topic, "ok") for topic in kinds}
        self._bad = {topic: telemetry.EVENTS.labels(topic, "dead_letter") for topic in kinds}

    def on_batch(self, values: list[RawBatch]) -> tuple[list[Decoded], bool]:
        return [self._decode(batch) for batch in values], StatefulBatchLogic.RETAIN

    def _decode(self, batch: RawBatch) -> Decoded:
        topic, partition = topic_of(batch.topic), batch.partition
        kafka_time_ms = batch.kafka_times_ms[0]
        dead_letters: list[DeadLetter] = []
        batches: list[tuple[str, Batch]]
        if self._kinds[topic] is not SignalKind.PRODUCT_EVENTS:
            batches = self._decode_changes(batch, dead_letters)
        elif usual := decode_usual_events(batch.keys, batch.values, batch.kafka_times_ms, self._limits):
            # Their keys are their products' ids, so this shard owns the products.
            keys: list[bytes] = batch.keys  # type: ignore[assignment]
            events = EventBatch(batch.topic, partition, batch.offsets, keys, usual, kafka_time_ms, batch.values)
            batches = [(str(batch.shard), events)]
        else:
            batches = self._decode_events(batch, dead_letters)
        self._ok[topic].inc(len(batch.offsets) - len(dead_letters))
        if dead_letters:
            self._bad[topic].inc(len(dead_letters))
        for letter in dead_letters:
            telemetry.DEAD_LETTERS.labels(letter.error_code).inc()
        return Decoded(batches, dead_letters)

    def _decode_events(self, batch: RawBatch, dead_letters: list[DeadLetter]) -> list[tuple[str, Batch]]:
        """Batches of events of any form, each with the shard that owns its products."""
        topic, partition, shards = batch.topic, batch.partition, self._shards
        groups: dict[int, EventBatch] = {}
        values: dict[int, list[bytes | None]] = {}
        for raw in batch.messages():
            event = decode(SignalKind.PRODUCT_EVENTS, raw, topic, partition, limits=self._limits)
            if isinstance(event, DeadLetter):
                dead_letters.append(event)
                continue
            assert isinstance(event, ProductEvent)
            key = event.product_id.encode()
            shard = shard_of(key, shards)
            if shard not in groups:
                groups[shard] = EventBatch(topic, partition, [], [], [], raw.kafka_time_ms)
                values[shard] = groups[shard].values = []
            group = groups[shard]
            values[shard].append(raw.value)
            group.offsets.append(raw.offset)
            group.keys.append(key)
            group.events.append(event)
        telemetry.REROUTED.inc(sum(len(group.events) for shard, group in groups.items() if shard != batch.shard))
        return [(str(shard), group) for shard, group in groups.items()]

    def _decode_changes(self, batch: RawBatch, dead_letters: list[DeadLetter]) -> list[tuple[str, Batch]]:
        """Batches of changes, each with the shard that owns its products. Every shard gets every freeze, and the
        shard of the freeze's key reports it to the sinks."""
        topic, partition, home = batch.topic, batch.partition, batch.shard
        kind = self._kinds[topic_of(topic)]
        groups: dict[int, tuple[int, list[Change], list[bytes | None]]] = {}
        for raw in batch.messages():
            recorded = kind is not SignalKind.FREEZES or shard_of(raw.key or b"", self._shards) == home
            change = decode(kind, raw, topic, partition, limits=self._limits, recorded=recorded)
            if isinstance(change, DeadLetter):
                if recorded:
                    dead_letters.append(change)
                continue
            assert not isinstance(change, ProductEvent)
            shard = home
            if not isinstance(change, Freeze | FreezeLift):
                shard = shard_of(change.product_id.encode(), self._shards)
            _, changes, values = groups.setdefault(shard, (raw.kafka_time_ms, [], []))
            changes.append(change)
            values.append(raw.value)
        telemetry.REROUTED.inc(sum(len(group) for shard, (_, group, _) in groups.items() if shard != home))
        return [
            (str(shard), ChangeBatch(topic, partition, group, kafka_time_ms, values))
            for shard, (kafka_time_ms, group, values) in groups.items()
        ]

    def snapshot(self) -> None:
        return None
