"""The pricing step: signals of a shard to decisions. It connects `pricing.state.shard.Shard` to Bytewax."""

import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

from bytewax.operators import StatefulBatchLogic
from prometheus_client import Counter as Metric

import telemetry
from connectors.kafka import CaughtUp
from core.dead_letter import DeadLetter
from core.timestamps import DAY_MS
from dataflows.recovery.state_log import StateLog
from dataflows.steps.room import ProductRoom
from pricing.batches import Batch, ChangeBatch, EventBatch, RefillRequest
from pricing.decision import Cause, Priced, PriceDecision, PriceSource, to_priced
from pricing.policy import PricingPolicy
from pricing.state.admission import admit_changes, admit_events
from pricing.state.shard import Shard

Clock = Callable[[], int]
"""A function that returns UTC milliseconds."""

EXPIRY_GRACE_MS = 200
"""A timer fires this long after an override's end, so that messages sent before the end are read first."""

ANNOUNCED_MS = 60_000
"""Time from the announcement of products to forget until they are forgotten."""

NEVER_MS = sys.maxsize

log = telemetry.get_logger("pricing")


def wall_clock_ms() -> int:
    """The time of the system's clock, UTC milliseconds."""
    return time.time_ns() // 1_000_000


Work = Batch | RefillRequest | CaughtUp
"""Input of the pricing step."""


class PricingStep(StatefulBatchLogic[Work, Priced, bytes]):
    """The state of one shard: `Work` in, `Priced` out. Bytewax also wakes it when an override ends. Belongs to one
    worker's thread.

    execution: number of the flow's executions before this one. room: of the process, for products. ttl_ms: products
    without a signal for so long are forgotten, if nothing else holds them; 0 keeps all.

    Resume state is the pointer of the shard's log or, without a log, a document of the whole shard."""

    def __init__(
        self,
        policy: PricingPolicy,
        resume_state: bytes | None,
        *,
        clock: Clock = wall_clock_ms,
        state_log: StateLog | None = None,
        version_base: int = 0,
        execution: int = 0,
        room: ProductRoom | None = None,
        ttl_ms: int = 0,
    ) -> None:
        documents = [] if resume_state is None else [resume_state]
        self._state_log = state_log
        if state_log is not None:
            self._log, documents = state_log.open(resume_state)
        self._shard = Shard(policy, *documents, version_base=version_base)
        if state_log is not None:
            self._log.follow(self._shard)
        self._clock = clock
        self._execution = execution
        self._room = room or ProductRoom(sys.maxsize)
        self._ttl_ms = ttl_ms
        self._kafka_time_ms = 0
        self._swept_at_ms = 0
        self._forget_at_ms = NEVER_MS
        self._caught_up: list[CaughtUp] = []
        self._size = 0
        self._note_size()

    def on_batch(self, values: list[Work]) -> tuple[list[Priced], bool]:
        now_ms = self._clock()
        shard = self._shard
        results = []
        for value in values:
            if isinstance(value, EventBatch):
                results.append(self._price_events(value, now_ms))
            elif isinstance(value, ChangeBatch):
                results.append(self._price_changes(value, now_ms))
            elif isinstance(value, CaughtUp):
                self._caught_up.append(value)
                if len(self._caught_up) == value.partitions:
                    was_resumed = any(each.was_resumed for each in self._caught_up)
                    settled = shard.settle(was_resumed=was_resumed, execution=self._execution)
                    results.append(to_priced(settled))
            else:
                results.append(to_priced(list(shard.refill(value.products)), freezes=shard.take_freeze_changes()))
        if expired := shard.expire(now_ms - EXPIRY_GRACE_MS):
            results.append(to_priced(expired))
        results += self._forget(now_ms)
        return self._report(results), StatefulBatchLogic.RETAIN

    def _price_events(self, batch: EventBatch, now_ms: int) -> Priced:
        letters: list[DeadLetter] = []
        kafka_time_ms = batch.kafka_time_ms
        if len(batch.events) > (free := self._room.free):
            batch, letters = admit_events(batch, self._shard, free)
        events, decisions = self._shard.apply_events(batch, now_ms)
        self._note(kafka_time_ms, letters)
        return to_priced(decisions, kafka_time_ms=kafka_time_ms, events=events, dead_letters=letters)

    def _price_changes(self, batch: ChangeBatch, now_ms: int) -> Priced:
        letters: list[DeadLetter] = []
        if len(batch.changes) > (free := self._room.free):
            batch, letters = admit_changes(batch, self._shard, free)
        decisions = self._shard.apply(batch, now_ms)
        freezes = self._shard.take_freeze_changes()
        self._note(batch.kafka_time_ms, letters)
        return to_priced(decisions, kafka_time_ms=batch.kafka_time_ms, freezes=freezes, dead_letters=letters)

    def _note(self, kafka_time_ms: int, letters: list[DeadLetter]) -> None:
        self._note_size()
        self._kafka_time_ms = max(self._kafka_time_ms, kafka_time_ms)
        if letters:
            telemetry.DEAD_LETTERS.labels(letters[0].error_code).inc(len(letters))

    def _note_size(self) -> None:
        size = len(self._shard)
        if size != self._size:
            self._room.note(size - self._size)
            self._size = size

    def _forget(self, now_ms: int) -> list[Priced]:
        """Once a day, announce products without a signal, and forget them a minute later, when that is committed.
        The day is that of Kafka's time stamps: a clock that runs ahead must not forget what is sold."""
        until_ms = min(now_ms, self._kafka_time_ms)
        forgotten: list[PriceDecision] = []
        # First what is announced: a shard with a message a day would announce anew for ever.
        if now_ms >= self._forget_at_ms:
            self._forget_at_ms = NEVER_MS
            forgotten = self._shard.forget(now_ms)
            self._note_size()
        if until_ms >= self._swept_at_ms + DAY_MS:
            before_ms = max(0, until_ms - self._ttl_ms) if self._ttl_ms else 0
            if self._shard.announce(before_ms):
                self._swept_at_ms, self._forget_at_ms = until_ms, now_ms + ANNOUNCED_MS
        return [to_priced(forgotten)] if forgotten else []

    def on_notify(self) -> tuple[list[Priced], bool]:
        results = [to_priced(self._shard.expire(self._clock() - EXPIRY_GRACE_MS))]
        return self._report(results), StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        expiry_ms = self._shard.next_expiry_ms()
        return None if expiry_ms is None else datetime.fromtimestamp((expiry_ms + EXPIRY_GRACE_MS) / 1000, UTC)

    def snapshot(self) -> bytes:
        if self._state_log is None or not self._state_log.writes:
            return self._shard.snapshot()
        self._state_log.save()
        return self._log.pointer()

    def _report(self, results: list[Priced]) -> list[Priced]:
        alerts = self._shard.alerts
        for reason, count in alerts.items():
            telemetry.GUARDRAIL_ALERTS.labels(reason).inc(count)
            log.warning("prices held: a bound is unusable", reason=reason, decisions=count)
        alerts.clear()
        telemetry.LATE_EVENTS.inc(self._shard.causes[Cause.LATE])
        self._shard.causes.clear()
        for priced in results:
            _count(priced)
        return [
            priced
            for priced in results
            if priced.decisions or priced.freezes or priced.events or priced.dead_letters
        ]


@cache
def _decisions(price_source: str, cause: str) -> Metric:
    # Cached, because the lookup of a labelled metric costs more than adding to it.
    return telemetry.DECISIONS.labels(price_source, cause)


def _count(priced: Priced) -> None:
    if priced.events:
        _decisions(PriceSource.DYNAMIC, Cause.EVENT).inc(len(priced.events.updates))
    if priced.decisions:
        counts = Counter((d.update.price_source if d.update else "none", d.cause) for d in priced.decisions)
        for labels, count in counts.items():
            _decisions(*labels).inc(count)
