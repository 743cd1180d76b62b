"""The decoding step of the market's flow: messages of a poll to ticks for lanes, to rules for shards, and to dead
letters."""

import sys
from collections.abc import Mapping, Sequence

from connectors.decode.market import TickKind, decode, decode_rule
from connectors.decode.wire import STAGE, RawMessage
from connectors.kafka import RawBatch
from core.dead_letter import DeadLetter, ErrorCode
from core.placement import Placement
from core.positions import SourcePosition
from core.shards import shard_of
from dataflows.steps.lanes import RoutedDecoding
from dataflows.steps.tick import TickWork
from market.alerts import AlertRule, RuleRemoval
from market.batches import RuleChanges, TickBatch

Routed = tuple[str, TickWork]
"""Shard or lane, and an input of the market's step for it."""


class TickDecoding(RoutedDecoding[Routed]):
    """`RawBatch` in, `Routed` out; what is routed already stays as it is. Runs in the worker that has read the
    messages. All workers of a process share it.

    kinds: topic to the kind of its ticks; the topic of rules has None. symbols_max: ticks of further symbols become
    letters, so that a producer of random names does not fill the memory."""

    def __init__(
        self,
        kinds: Mapping[str, TickKind | None],
        shards: int,
        placement: Placement,
        symbols_max: int = sys.maxsize,
    ) -> None:
        super().__init__(kinds, shards, placement)
        self._kinds = kinds
        self._symbols_max = symbols_max
        self._shard_of: dict[str, int] = {}

    def _decode(self, topic: str, batch: RawBatch, letters: list[DeadLetter], routed: list[Routed]) -> None:
        kind = self._kinds[topic]
        if kind is None:
            self._decode_rules(batch, letters, routed)
        else:
            ticks = self._decode_ticks(kind, batch, letters)
            if ticks.ticks:
                self._routing.route(ticks, batch.epoch, routed)

    def _decode_ticks(self, kind: TickKind, batch: RawBatch, letters: list[DeadLetter]) -> TickBatch:
        ticks = TickBatch(batch.topic, [], [], [], [], max(0, batch.kafka_times_ms[0]))
        for partition, raw in zip(batch.partitions, batch.messages(), strict=True):
            tick = decode(kind, raw, batch.topic, partition)
            if isinstance(tick, DeadLetter):
                letters.append(tick)
                continue
            shard = self._shard_of.get(tick.symbol)
            if shard is None:
                if len(self._shard_of) >= self._symbols_max:
                    letters.append(self._refuse(raw, SourcePosition(batch.topic, partition, raw.offset)))
                    continue
                shard = self._shard_of[tick.symbol] = shard_of(tick.symbol.encode(), self._shards)
            ticks.partitions.append(partition)
            ticks.offsets.append(raw.offset)
            ticks.ticks.append(tick)
            ticks.shards.append(shard)
        return ticks

    def _refuse(self, raw: RawMessage, position: SourcePosition) -> DeadLetter:
        detail = f"there are {self._symbols_max} symbols already (MARKET_SYMBOLS_MAX)"
        return DeadLetter(ErrorCode.TOO_MANY_SYMBOLS, STAGE, detail, position, raw.value or b"")

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
