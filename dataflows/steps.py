"""The flow's stateful steps: thin shells that hand batches to the pure functions of `pricing/`."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from zlib import crc32

import msgspec
from bytewax.operators import StatefulBatchLogic
from prometheus_client import Counter

import telemetry
from connectors.decode import SignalKind, decode, decode_usual_event
from connectors.kafka import RawBatch
from dataflows.state_log import StateLog
from pricing.decision import PUBLISHED, Cause, FreezeChange, PriceDecision, PriceSource, encode_update
from pricing.events import DeadLetter, Freeze, FreezeLift, Signal, shard_of
from pricing.policy import PricingPolicy
from pricing.shard import SETTLED, RefillRequest, Shard, SignalBatch
from sinks import history_rows, redis
from sinks.dead_letters import encode_dead_letter
from sinks.kafka import Record
from sinks.outgoing import Outgoing, Row

log = telemetry.get_logger("pricing")


class Decoded(msgspec.Struct, gc=False):
    """What a shard's raw messages turned into. `batches` are keyed by the shard that owns the product."""

    batches: list[tuple[str, SignalBatch]]
    dead_letters: list[DeadLetter]


class Priced(msgspec.Struct, gc=False):
    """Decisions in order. `kafka_time_ms` is that of the first message they come from, 0 for a timer's."""

    decisions: list[PriceDecision]
    kafka_time_ms: int
    freezes: list[FreezeChange]


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
        topic, partition, shards = batch.topic, batch.partition, self._shards
        home = batch.shard
        kind = self._kinds[topic]
        at_home: list[Signal] = []
        elsewhere: dict[int, list[Signal]] = {}
        dead_letters: list[DeadLetter] = []
        events = kind is SignalKind.PRODUCT_EVENTS
        for raw in batch.messages:
            # The hot path: a usual event under its product's key, which is what brought it to this shard.
            if events and (event := decode_usual_event(raw)) and event.product_id.encode() == raw.key:
                at_home.append(event)
                continue
            # A freeze comes to every shard, and one of them speaks of it.
            recorded = kind is not SignalKind.FREEZES or shard_of(raw.key or b"", shards) == home
            signal = decode(kind, raw, topic, partition, recorded=recorded)
            if isinstance(signal, DeadLetter):
                if recorded:
                    dead_letters.append(signal)
                continue
            if isinstance(signal, Freeze | FreezeLift):
                at_home.append(signal)
                continue
            shard = crc32(signal.product_id.encode()) % shards
            if shard == home:
                at_home.append(signal)
            else:
                elsewhere.setdefault(shard, []).append(signal)
        kafka_time_ms = batch.messages[0].kafka_time_ms
        batches = []
        if at_home:
            batches.append((str(home), SignalBatch(topic, partition, at_home, kafka_time_ms)))
        for shard, signals in elsewhere.items():
            telemetry.REROUTED.inc(len(signals))
            batches.append((str(shard), SignalBatch(topic, partition, signals, kafka_time_ms)))
        self._ok[topic].inc(len(batch.messages) - len(dead_letters))
        if dead_letters:
            self._bad[topic].inc(len(dead_letters))
        for letter in dead_letters:
            telemetry.DEAD_LETTERS.labels(letter.error_code).inc()
        return Decoded(batches, dead_letters)

    def snapshot(self) -> None:
        return None


class PriceLogic(StatefulBatchLogic[SignalBatch | RefillRequest, Priced, bytes]):
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

    def on_batch(self, values: list[SignalBatch | RefillRequest]) -> tuple[list[Priced], bool]:
        now_ms = self._clock()
        shard = self._shard
        results = []
        for value in values:
            if isinstance(value, RefillRequest) and value.reason == SETTLED:
                results.append(Priced(list(shard.repeat()), 0, []))
            elif isinstance(value, RefillRequest):
                results.append(Priced(list(shard.refill()), 0, shard.take_freeze_changes()))
            else:
                decisions = shard.apply(value, now_ms)
                results.append(Priced(decisions, value.kafka_time_ms, shard.take_freeze_changes()))
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
        return [priced for priced in results if priced.decisions or priced.freezes]


class Encoded(msgspec.Struct, gc=False):
    """Decisions as bytes for each sink."""

    kafka_time_ms: int
    updates: list[Record]
    latest: list[redis.RedisRow]
    history: list[bytes]


@cache
def _decisions(price_source: str, cause: str) -> Counter:
    # Looking a labelled metric up costs more than adding to it.
    return telemetry.DECISIONS.labels(price_source, cause)


def encode(item: tuple[str, Priced], *, with_latest: bool = True, with_history: bool = True) -> tuple[str, Encoded]:
    """Encode every update once, and from it what each sink takes that there is. Of the latest rows only the newest
    of a product is kept."""
    shard, priced = item
    updates: list[Record] = []
    latest: dict[str, bytes] = {}
    history: list[bytes] = []
    newest: dict[str, tuple[PriceDecision, bytes | None]] = {}
    counts: dict[tuple[str, str], int] = {}
    events = 0
    topic, partition, place = "", -1, b""
    encoded: bytes | None
    for decision in priced.decisions:
        update = decision.update
        cause = decision.cause
        if cause == Cause.EVENT and update is not None:
            # The hot path: what the rest of the loop would do, in fewer steps.
            product_id = decision.product_id
            encoded = encode_update(update)
            updates.append((product_id.encode(), encoded))
            if with_history:
                position = decision.position
                if position.partition != partition or position.topic != topic:
                    topic, partition = position.topic, position.partition
                    place = history_rows.event_place(position)
                history.append(history_rows.encode_event(place, position.offset, encoded))
            if with_latest:
                newest[product_id] = decision, encoded
            events += 1
            continue
        encoded = None if update is None else encode_update(update)
        if cause == Cause.REPEAT and encoded is not None:
            updates.append((decision.product_id.encode(), encoded))
        elif cause in PUBLISHED:
            if encoded is not None:
                updates.append((decision.product_id.encode(), encoded))
            if with_history:
                history += history_rows.encode_rows(decision, encoded)
        if not with_latest:
            pass
        elif decision.catalogue is None and not decision.forgotten:
            newest[decision.product_id] = decision, encoded
        else:
            newest.pop(decision.product_id, None)
            latest.update(redis.encode_rows(decision, encoded))
        counted = (update.price_source if update is not None else "none"), cause
        counts[counted] = counts.get(counted, 0) + 1
    for decision, encoded in newest.values():
        latest.update(redis.encode_rows(decision, encoded))
    for change in priced.freezes:
        if with_latest:
            latest.update([redis.encode_freeze(change)])
        if with_history:
            history += history_rows.encode_freeze(change)
    if events:
        _decisions(PriceSource.DYNAMIC, Cause.EVENT).inc(events)
    for labels, count in counts.items():
        _decisions(*labels).inc(count)
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
