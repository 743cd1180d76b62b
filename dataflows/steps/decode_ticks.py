"""The decoding step of the market's flow: messages of a poll to ticks for lanes, to rules for shards, and to dead
letters."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from connectors.decode.market import TickKind, decode, decode_rule
from connectors.kafka import RawBatch
from core.dead_letter import DeadLetter
from core.placement import Placement
from core.shards import shard_of
from dataflows.steps.lanes import RoutedDecoding
from dataflows.steps.tick import TickWork
from market.alerts import AlertRule, RuleRemoval
from market.batches import RuleChanges, TickBatch

Routed = tuple[str, TickWork]
"""Shard or lane, and an input of the market's step for it."""


SYMBOLS_CACHED = 100_000


class TickDecoding(RoutedDecoding[Routed]):
    """`RawBatch` in, `Routed` out; what is routed already stays as it is. Runs in the worker that has read the
    messages. All workers of a process share it.

    kinds: topic to the kind of its ticks; the topic of rules has None."""

    def __init__(self, kinds: Mapping[str, TickKind | None], shards: int, placement: Placement) -> None:
        super().__init__(kinds, shards, placement)
        self._kinds = kinds
        self._shard_of = lru_cache(SYMBOLS_CACHED)(lambda symbol: shard_of(symbol.encode(), shards))

    def _decode(self, topic: str, batch: RawBatch, letters: list[DeadLetter], routed: list[Routed]) -> None:
        kind = self._kinds[topic]
        if kind is None:
            self._decode_rules(batch, letters, routed)
        else:
            ticks = self._decode_ticks(kind, batch, letters)
            if ticks.ticks:
                self._routing.route(ticks, batch.epoch, routed)

    def _decode_ticks(self, kind: TickKind, batch: RawBatch, letters: list[DeadLetter]) -> TickBatch:
        ticks = TickBatch(batch.topic, [], [], [], [], max(0, batch.kafka_times_ms[0]), [])
        for partition, raw in zip(batch.partitions, batch.messages(), strict=True):
            tick = decode(kind, raw, batch.topic, partition)
            if isinstance(tick, DeadLetter):
                letters.append(tick)
                continue
            ticks.partitions.append(partition)
            ticks.offsets.append(raw.offset)
            ticks.ticks.append(tick)
            ticks.shards.append(self._shard_of(tick.symbol))
            ticks.values.append(raw.value)
        return ticks

    def _decode_rules(self, batch: RawBatch, letters: list[DeadLetter], routed: list[Routed]) -> None:
        """Append the rules, each for the shard of its symbol. The message that ends a rule does not name its
        symbol, so every shard gets it."""
        groups: dict[int, list[AlertRule | RuleRemoval]] = {}
        for partition, raw in zip(batch.partitions, batch.messages(), strict=True):
            change = decode_rule(raw, batch.topic, partition)
            if isinstance(change, DeadLetter):
                letters.append(change)
                continue
            shards: Sequence[int] = range(self._shards)
            if isinstance(change, AlertRule):
                shards = (shard_of(change.symbol.encode(), self._shards),)
            for shard in shards:
                groups.setdefault(shard, []).append(change)
        routed += [(self._routing.name(shard), RuleChanges(changes)) for shard, changes in groups.items()]
