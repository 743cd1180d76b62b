"""The flow's stateful steps: thin shells that hand batches to the pure functions of `pricing/`."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache

import msgspec
from bytewax.operators import StatefulBatchLogic
from prometheus_client import Counter as Metric

import telemetry
from connectors.decode import SignalKind, decode, decode_usual_events
from connectors.kafka import RawBatch
from core.dead_letter import DeadLetter
from core.shards import shard_of
from dataflows.state_log import StateLog
from pricing.batches import SETTLED, Batch, Change, ChangeBatch, EventBatch, RefillRequest
from pricing.commands import Freeze, FreezeLift
from pricing.decision import (
    PUBLISHED,
    Cause,
    FreezeChange,
    PriceDecision,
    PricedEvents,
    PriceSource,
    encode_update,
)
from pricing.events import ProductEvent
from pricing.policy import PricingPolicy
from pricing.shard import Shard
from sinks import history_rows, redis
from sinks.dead_letters import encode_dead_letter
from sinks.kafka import Record
from sinks.outgoing import Outgoing, Row

log = telemetry.get_logger("pricing")


class Decoded(msgspec.Struct, gc=False):
    """What a shard's raw messages turned into. `batches` are keyed by the shard that owns the product."""

    batches: list[tuple[str, Batch]]
    dead_letters: list[DeadLetter]


class Priced(msgspec.Struct, gc=False):
    """Decisions in order; what is in `events` and what is not are of different products. `kafka_time_ms` is that of
    the first message they come from, 0 for a timer's."""

    decisions: list[PriceDecision]
    kafka_time_ms: int
    freezes: list[FreezeChange]
    events: PricedEvents | None = None


Clock = Callable[[], int]

EXPIRY_GRACE_MS = 200
"""How long the timer lets what was sent before an override's end arrive: it belongs before the end."""


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class DecodeLogic(StatefulBatchLogic[RawBatch, Decoded, None]):
    """Decodes in the worker that owns the key's shard, so that decoding scales with processes."""

    def __init__(self, kinds: Mapping[str, SignalKind], shards: int) -> None:
        self._kinds = kinds
        self._shards = shards
        self._ok = {topic: telemetry.EVENTS.labels(topic, "ok") for topic in kinds}
        self._bad = {topic: telemetry.EVENTS.labels(topic, "dead_letter") for topic in kinds}

    def on_batch(self, values: list[RawBatch]) -> tuple[list[Decoded], bool]:
        return [self._decode(batch) for batch in values], StatefulBatchLogic.RETAIN

    def _decode(self, batch: RawBatch) -> Decoded:
        topic, partition = batch.topic, batch.partition
        kafka_time_ms = batch.kafka_times_ms[0]
        dead_letters: list[DeadLetter] = []
        batches: list[tuple[str, Batch]]
        if self._kinds[topic] is not SignalKind.PRODUCT_EVENTS:
            batches = self._decode_changes(batch, dead_letters)
        elif usual := decode_usual_events(batch.keys, batch.values):
            # Their keys are their products' ids, which is what brought them to this shard.
            keys: list[bytes] = batch.keys  # type: ignore[assignment]
            events = EventBatch(topic, partition, batch.offsets, keys, usual, kafka_time_ms)
            batches = [(str(batch.shard), events)]
        else:
            batches = self._decode_events(batch, dead_letters)
        self._ok[topic].inc(len(batch) - len(dead_letters))
        if dead_letters:
            self._bad[topic].inc(len(dead_letters))
        for letter in dead_letters:
            telemetry.DEAD_LETTERS.labels(letter.error_code).inc()
        return Decoded(batches, dead_letters)

    def _decode_events(self, batch: RawBatch, dead_letters: list[DeadLetter]) -> list[tuple[str, Batch]]:
        """Events of any form, in the batch of the shard that owns their product."""
        topic, partition, shards = batch.topic, batch.partition, self._shards
        groups: dict[int, EventBatch] = {}
        for raw in batch.messages():
            event = decode(SignalKind.PRODUCT_EVENTS, raw, topic, partition)
            if isinstance(event, DeadLetter):
                dead_letters.append(event)
                continue
            assert isinstance(event, ProductEvent)
            key = event.product_id.encode()
            shard = shard_of(key, shards)
            if shard not in groups:
                groups[shard] = EventBatch(topic, partition, [], [], [], batch.kafka_times_ms[0])
            group = groups[shard]
            group.offsets.append(raw.offset)
            group.keys.append(key)
            group.events.append(event)
        telemetry.REROUTED.inc(sum(len(group.events) for shard, group in groups.items() if shard != batch.shard))
        return [(str(shard), group) for shard, group in groups.items()]

    def _decode_changes(self, batch: RawBatch, dead_letters: list[DeadLetter]) -> list[tuple[str, Batch]]:
        """Changes, in the batch of the shard that owns their product. A freeze comes to every shard, and one of
        them speaks of it."""
        topic, partition, home = batch.topic, batch.partition, batch.shard
        kind = self._kinds[topic]
        groups: dict[int, list[Change]] = {}
        for raw in batch.messages():
            recorded = kind is not SignalKind.FREEZES or shard_of(raw.key or b"", self._shards) == home
            change = decode(kind, raw, topic, partition, recorded=recorded)
            if isinstance(change, DeadLetter):
                if recorded:
                    dead_letters.append(change)
                continue
            assert not isinstance(change, ProductEvent)
            shard = home
            if not isinstance(change, Freeze | FreezeLift):
                shard = shard_of(change.product_id.encode(), self._shards)
            groups.setdefault(shard, []).append(change)
        telemetry.REROUTED.inc(sum(len(group) for shard, group in groups.items() if shard != home))
        return [
            (str(shard), ChangeBatch(topic, partition, group, batch.kafka_times_ms[0]))
            for shard, group in groups.items()
        ]

    def snapshot(self) -> None:
        return None


class PriceLogic(StatefulBatchLogic[Batch | RefillRequest, Priced, bytes]):
    """Holds one shard, and wakes when an override in it ends. Without a log, snapshots hold the whole shard."""

    def __init__(
        self,
        policy: PricingPolicy,
        resume_state: bytes | None,
        *,
        clock: Clock = wall_clock_ms,
        state_log: StateLog | None = None,
    ) -> None:
        documents = [] if resume_state is None else [resume_state]
        self._state_log = state_log
        if state_log is not None:
            self._log, documents = state_log.open(resume_state)
        self._shard = Shard(policy, *documents)
        if state_log is not None:
            self._log.follow(self._shard)
        self._clock = clock
        self._size = 0

    def on_batch(self, values: list[Batch | RefillRequest]) -> tuple[list[Priced], bool]:
        now_ms = self._clock()
        shard = self._shard
        results = []
        for value in values:
            if isinstance(value, EventBatch):
                events, decisions = shard.apply_events(value, now_ms)
                results.append(Priced(decisions, value.kafka_time_ms, [], events))
            elif isinstance(value, ChangeBatch):
                decisions = shard.apply(value, now_ms)
                results.append(Priced(decisions, value.kafka_time_ms, shard.take_freeze_changes()))
            elif value.reason == SETTLED:
                results.append(Priced(list(shard.repeat()), 0, []))
            else:
                results.append(Priced(list(shard.refill()), 0, shard.take_freeze_changes()))
        results.append(Priced(shard.expire(now_ms - EXPIRY_GRACE_MS), 0, []))
        return self._report(results), StatefulBatchLogic.RETAIN

    def on_notify(self) -> tuple[list[Priced], bool]:
        results = [Priced(self._shard.expire(self._clock() - EXPIRY_GRACE_MS), 0, [])]
        return self._report(results), StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        expiry_ms = self._shard.next_expiry_ms()
        return None if expiry_ms is None else datetime.fromtimestamp((expiry_ms + EXPIRY_GRACE_MS) / 1000, UTC)

    def snapshot(self) -> bytes:
        if self._state_log is None or not self._state_log.writes:
            return self._shard.snapshot()
        self._state_log.save()
        return self._log.place()

    def _report(self, results: list[Priced]) -> list[Priced]:
        if len(self._shard) != self._size:
            telemetry.PRODUCTS.inc(len(self._shard) - self._size)
            self._size = len(self._shard)
        for reason, count in self._shard.alerts.items():
            telemetry.GUARDRAIL_ALERTS.labels(reason).inc(count)
            log.warning("prices held: a bound is unusable", reason=reason, decisions=count)
        self._shard.alerts.clear()
        return [priced for priced in results if priced.decisions or priced.freezes or priced.events]


class Encoded(msgspec.Struct, gc=False):
    """Decisions as bytes for each sink."""

    kafka_time_ms: int
    updates: list[Record]
    latest: list[redis.RedisRow]
    history: list[bytes]


@cache
def _decisions(price_source: str, cause: str) -> Metric:
    # Looking a labelled metric up costs more than adding to it.
    return telemetry.DECISIONS.labels(price_source, cause)


def encode(item: tuple[str, Priced], *, with_latest: bool = True, with_history: bool = True) -> tuple[str, Encoded]:
    """Encode every update once, and from it what each sink takes that there is. Of the latest rows only the newest
    of a product is kept."""
    shard, priced = item
    updates: list[Record] = []
    latest: dict[str, bytes] = {}
    history: list[bytes] = []
    if events := priced.events:
        updates = list(zip(events.keys, events.updates, strict=True))
        if with_history:
            history = history_rows.encode_events(events)
        if with_latest:
            latest = redis.encode_events(events)
        _decisions(PriceSource.DYNAMIC, Cause.EVENT).inc(len(updates))
    newest: dict[str, tuple[PriceDecision, bytes | None]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for decision in priced.decisions:
        update = decision.update
        cause = decision.cause
        encoded = None if update is None else encode_update(update)
        if encoded is not None and (cause == Cause.REPEAT or cause in PUBLISHED):
            updates.append((decision.product_id.encode(), encoded))
        if with_history and cause in PUBLISHED:
            history += history_rows.encode_rows(decision, encoded)
        if not with_latest:
            pass
        elif decision.catalogue is None and not decision.forgotten:
            newest[decision.product_id] = decision, encoded
        else:
            newest.pop(decision.product_id, None)
            latest.update(redis.encode_rows(decision, encoded))
        counts[update.price_source if update is not None else "none", cause] += 1
    for decision, encoded in newest.values():
        latest.update(redis.encode_rows(decision, encoded))
    for labels, count in counts.items():
        _decisions(*labels).inc(count)
    for change in priced.freezes:
        if with_latest:
            latest.update([redis.encode_freeze(change)])
        if with_history:
            history += history_rows.encode_freeze(change)
    return shard, Encoded(priced.kafka_time_ms, updates, list(latest.items()), history)


def updates_of(item: tuple[str, Encoded]) -> tuple[str, Outgoing[Record]] | None:
    return _outgoing(item[0], item[1].kafka_time_ms, item[1].updates)


def latest_of(item: tuple[str, Encoded]) -> tuple[str, Outgoing[redis.RedisRow]] | None:
    return _outgoing(item[0], item[1].kafka_time_ms, item[1].latest)


def history_of(item: tuple[str, Encoded]) -> tuple[str, Outgoing[bytes]] | None:
    return _outgoing(item[0], item[1].kafka_time_ms, item[1].history)


def dead_letters_of(
    clock: Clock,
) -> Callable[[tuple[str, Decoded]], tuple[str, Outgoing[Record]] | None]:
    def encode_all(item: tuple[str, Decoded]) -> tuple[str, Outgoing[Record]] | None:
        shard, decoded = item
        return _outgoing(shard, 0, [encode_dead_letter(letter, clock()) for letter in decoded.dead_letters])

    return encode_all


def _outgoing(shard: str, kafka_time_ms: int, rows: list[Row]) -> tuple[str, Outgoing[Row]] | None:
    return (shard, Outgoing(kafka_time_ms, rows)) if rows else None
