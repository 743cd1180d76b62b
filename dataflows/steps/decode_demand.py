"""The decoding step of forecasts: messages of a poll to signals, each for the shard that owns its product, to
decisions, and to dead letters."""

from collections.abc import Mapping

import msgspec

from connectors.decode.forecasting import Decision, DemandKind, decode_decision, decode_demand
from connectors.decode.pricing import SignalKind, decode
from connectors.decode.wire import DEFAULT_LIMITS, InputLimits, RawMessage
from connectors.kafka import CaughtUp, RawBatch
from core.dead_letter import DeadLetter
from core.placement import Placement
from core.shards import shard_of
from core.work import RefillRequest, Refused
from dataflows.steps.lanes import RoutedDecoding
from forecasting.state.signals import Entry, Signal, SignalBatch
from pricing.catalogue import CatalogueChange


class DecisionBatch(msgspec.Struct, array_like=True, gc=False):
    """Decisions of products of one shard. kafka_time_ms: Kafka's time stamp of the first one."""

    decisions: list[Decision]
    kafka_time_ms: int


Routed = tuple[str, SignalBatch | DecisionBatch | Refused | RefillRequest | CaughtUp]
"""Key of a shard, and an input of its step."""

READ_ELSEWHERE = frozenset({DemandKind.PRODUCT_EVENTS, DemandKind.CATALOGUE})
"""Topics whose bad messages the pricing flow has made letters of."""


class DemandDecoding(RoutedDecoding[Routed]):
    """`RawBatch` in, `Routed` out; what is routed already stays as it is. kinds: topic to the kind of its messages.
    limits: of input, from the settings."""

    def __init__(
        self,
        kinds: Mapping[str, DemandKind],
        shards: int,
        placement: Placement,
        limits: InputLimits = DEFAULT_LIMITS,
    ) -> None:
        super().__init__(kinds, shards, placement)
        self._kinds = kinds
        self._limits = limits

    def _decode(self, topic: str, batch: RawBatch, letters: list[DeadLetter], routed: list[Routed]) -> None:
        kind = self._kinds[topic]
        time_ms = batch.kafka_times_ms[0]
        signals: dict[int, SignalBatch] = {}
        decisions: dict[int, DecisionBatch] = {}
        for partition, raw in zip(batch.partitions, batch.messages(), strict=True):
            found = self._one(kind, raw, batch.topic, partition)
            if isinstance(found, DeadLetter):
                letters += [] if kind in READ_ELSEWHERE else [found]
                continue
            shard = shard_of(found.product_id.encode(), self._shards)
            if isinstance(found, Decision):
                decisions.setdefault(shard, DecisionBatch([], time_ms)).decisions.append(found)
            else:
                signals.setdefault(shard, SignalBatch([], time_ms)).signals.append(found)
        routed += [(self._routing.name(shard), each) for shard, each in signals.items()]
        routed += [(self._routing.name(shard), each) for shard, each in decisions.items()]

    def _one(self, kind: DemandKind, raw: RawMessage, topic: str, partition: int) -> Signal | Decision | DeadLetter:
        if kind is DemandKind.DECISIONS:
            return decode_decision(raw, topic, partition, limits=self._limits)
        if kind is not DemandKind.CATALOGUE:
            return decode_demand(kind, raw, topic, partition, limits=self._limits)
        change = decode(SignalKind.CATALOGUE, raw, topic, partition, limits=self._limits)
        if isinstance(change, DeadLetter):
            return change
        assert isinstance(change, CatalogueChange)
        entry = change.entry
        if entry is None:
            return Entry(change.product_id, "", None)
        return Entry(change.product_id, entry.category, entry.base_price)
