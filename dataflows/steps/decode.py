"""The decoding step: messages of a poll to signals, each for the shard or the lane that owns its product, and to
dead letters."""

from collections.abc import Mapping
from operator import ne

import msgspec

import telemetry
from connectors.decode.pricing import SignalKind, decode, decode_usual_events
from connectors.decode.signals import ProductSignalKind, decode_signal, decode_usual_clicks
from connectors.decode.wire import DEFAULT_LIMITS, InputLimits
from connectors.kafka import RawBatch
from core.dead_letter import DeadLetter
from core.placement import Placement
from core.shards import shard_of
from core.work import Touched
from dataflows.steps.lanes import RoutedDecoding
from dataflows.steps.price import Work
from pricing.batches import Change, ChangeBatch, EventBatch, SignalBatch
from pricing.commands import Freeze, FreezeLift
from pricing.events import ProductEvent
from pricing.external_events import ExternalEvent

CHUNK = 64
"""A batch with a message of an unusual form is decoded in parts of this size, so that it costs little for the
others."""

Routed = tuple[str, Work]
"""Shard or lane, and an input of the pricing step for it."""


class Decoding(RoutedDecoding[Routed]):
    """`RawBatch` in, `Routed` out; what is routed already stays as it is. Runs in the worker that has read the
    messages, and has no state but the shards of `Touched`. All workers of a process share it.

    kinds: topic to the kind of its signals. limits: of input, from the settings."""

    def __init__(
        self,
        kinds: Mapping[str, SignalKind | ProductSignalKind],
        shards: int,
        placement: Placement,
        limits: InputLimits = DEFAULT_LIMITS,
    ) -> None:
        super().__init__(kinds, shards, placement)
        self._kinds = kinds
        self._limits = limits

    def _decode(self, topic: str, batch: RawBatch, letters: list[DeadLetter], routed: list[Routed]) -> None:
        kind = self._kinds[topic]
        if isinstance(kind, ProductSignalKind):
            signals = self._decode_signals(kind, batch, letters)
            if signals.signals:
                self._routing.route(signals, batch.epoch, routed)
        elif kind is SignalKind.PRODUCT_EVENTS:
            events = self._decode_events(batch, letters)
            if events.events:
                events.shards = [shard_of(key, self._shards) for key in events.keys]
                self._routing.route(events, batch.epoch, routed)
        else:
            self._decode_changes(kind, batch, letters, routed)

    def _decode_signals(self, kind: ProductSignalKind, batch: RawBatch, letters: list[DeadLetter]) -> SignalBatch:
        whole = self._usual_clicks(batch) if kind is ProductSignalKind.CLICKS else None
        if whole is not None:
            return whole
        signals = SignalBatch(batch.topic, [], [], [], [], batch.kafka_times_ms[0], [])
        for part in batch.parts(CHUNK):
            usual = self._usual_clicks(part) if kind is ProductSignalKind.CLICKS else None
            if usual is not None:
                signals.extend(usual)
                continue
            for partition, raw in zip(part.partitions, part.messages(), strict=True):
                signal = decode_signal(kind, raw, batch.topic, partition, limits=self._limits)
                if isinstance(signal, DeadLetter):
                    letters.append(signal)
                    continue
                key = signal.product_id.encode()
                telemetry.REROUTED.inc(key != raw.key)
                signals.partitions.append(partition)
                signals.offsets.append(raw.offset)
                signals.signals.append(signal)
                signals.shards.append(shard_of(key, self._shards))
                signals.values.append(raw.value)
        return signals

    def _usual_clicks(self, batch: RawBatch) -> SignalBatch | None:
        """The clicks of a batch in which all are of the usual form; None for any other."""
        clicks = decode_usual_clicks(batch.values, batch.kafka_times_ms, self._limits)
        if clicks is None:
            return None
        keys = [click.product_id.encode() for click in clicks]
        if keys != batch.keys:
            telemetry.REROUTED.inc(sum(map(ne, keys, batch.keys)))
        return SignalBatch(
            batch.topic,
            batch.partitions,
            batch.offsets,
            list(clicks),
            [shard_of(key, self._shards) for key in keys],
            batch.kafka_times_ms[0],
            batch.values,
        )

    def _decode_events(self, batch: RawBatch, letters: list[DeadLetter]) -> EventBatch:
        usual = decode_usual_events(batch.keys, batch.values, batch.kafka_times_ms, self._limits)
        if usual is not None:
            keys: list[bytes] = batch.keys  # type: ignore[assignment]
            return EventBatch(
                batch.topic, batch.partitions, batch.offsets, keys, usual, batch.kafka_times_ms[0], batch.values
            )
        events = EventBatch(batch.topic, [], [], [], [], batch.kafka_times_ms[0], values := [])
        for part in batch.parts(CHUNK):
            usual = decode_usual_events(part.keys, part.values, part.kafka_times_ms, self._limits)
            if usual is not None:
                events.partitions += part.partitions
                events.offsets += part.offsets
                events.keys += part.keys  # type: ignore[arg-type]
                events.events += usual
                values += part.values
                continue
            for partition, raw in zip(part.partitions, part.messages(), strict=True):
                event = decode(SignalKind.PRODUCT_EVENTS, raw, batch.topic, partition, limits=self._limits)
                if isinstance(event, DeadLetter):
                    letters.append(event)
                    continue
                assert isinstance(event, ProductEvent)
                key = event.product_id.encode()
                telemetry.REROUTED.inc(key != raw.key)
                events.partitions.append(partition)
                events.offsets.append(raw.offset)
                events.keys.append(key)
                events.events.append(event)
                values.append(raw.value)
        return events

    def _decode_changes(
        self, kind: SignalKind, batch: RawBatch, letters: list[DeadLetter], routed: list[Routed]
    ) -> None:
        """Append batches of changes of all kinds but events, each for the shard that owns their products.

        A freeze holds products of all shards, so every shard gets it. The shard of the freeze's key reports it to
        the sinks. Every shard gets an external event, too: one of a category as it is, one of a product as a
        removal in all shards but that of the product."""
        groups: dict[tuple[int, int], tuple[int, list[Change], list[bytes | None]]] = {}
        for partition, raw in zip(batch.partitions, batch.messages(), strict=True):
            change = decode(kind, raw, batch.topic, partition, limits=self._limits)
            if isinstance(change, DeadLetter):
                letters.append(change)
                continue
            assert not isinstance(change, ProductEvent)
            copies: list[tuple[int, Change]]
            if isinstance(change, Freeze | FreezeLift):
                home, every = shard_of(raw.key or b"", self._shards), range(self._shards)
                copies = [(shard, msgspec.structs.replace(change, recorded=shard == home)) for shard in every]
            elif isinstance(change, ExternalEvent):
                copies = self._copies_of(change)
            else:
                key = change.product_id.encode()
                telemetry.REROUTED.inc(key != raw.key)
                copies = [(shard_of(key, self._shards), change)]
            for shard, each in copies:
                _, changes, values = groups.setdefault((partition, shard), (raw.kafka_time_ms, [], []))
                changes.append(each)
                values.append(raw.value)
        lanes = self._routing.lanes()
        for (partition, shard), (kafka_time_ms, group, values) in groups.items():
            # Not only once in an epoch: a change may set the next time at which the shard is to be woken.
            routed.append((self._routing.name(shard), Touched(shard, kafka_time_ms)))
            sorted_out = ChangeBatch(batch.topic, partition, group, kafka_time_ms, values, shard)
            routed.append((lanes[shard], sorted_out))

    def _copies_of(self, event: ExternalEvent) -> list[tuple[int, Change]]:
        if event.product_id is None:
            return [(shard, event) for shard in range(self._shards)]
        home, removal = shard_of(event.product_id.encode(), self._shards), event.to_removal()
        return [(shard, event if shard == home else removal) for shard in range(self._shards)]
