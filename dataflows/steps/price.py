"""The pricing step: signals of a shard to decisions. It connects `pricing.state.shard.Shard` to Bytewax."""

import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from bytewax.operators import StatefulBatchLogic
from prometheus_client import Counter as Metric

import telemetry
from connectors.kafka import CaughtUp
from core.dead_letter import DeadLetter
from core.timestamps import DAY_MS
from core.work import RefillRequest, Refused, Touched
from dataflows.recovery.state_log import StateLog
from dataflows.steps.clock import Clock, wall_clock_ms
from dataflows.steps.kept_shard import KeptShard
from dataflows.steps.room import CountedRoom
from dataflows.workers import PerWorker
from pricing.batches import Batch, ChangeBatch, EventBatch, SignalBatch
from pricing.decision import Cause, Priced, PriceDecision, PriceSource, to_priced
from pricing.policy import PricingPolicy
from pricing.state.admission import admit_changes
from pricing.state.lane import Lane
from pricing.state.product import Decider
from pricing.state.shard import Shard
from pricing.state.signals import ECHO, OUTSIDE_BAND, OVERSOLD

EXPIRY_GRACE_MS = 200
"""A timer fires this long after an override's end, so that messages sent before the end are read first."""

ANNOUNCED_MS = 60_000
"""Time from the announcement of products to forget until they are forgotten."""

NEVER_MS = sys.maxsize

log = telemetry.get_logger("pricing")


Work = Batch | RefillRequest | CaughtUp | Touched | Refused
"""Input of the pricing step."""


class PricingStep(StatefulBatchLogic[Work, Any, bytes | None]):
    """The state of one key: `Work` in, what `encode` makes of `Priced` out. Belongs to one worker's thread.

    A key is a lane or a shard (`core/placement.py`). A lane gets the signals of all shards of its worker. A shard
    has state, and gets what is not a signal. Bytewax also wakes it when an override ends.

    lanes: of the process, each with the shards of its worker. execution: number of the flow's executions before
    this one. room: of the process, for products. ttl_ms: products without a signal for so long are forgotten, if
    nothing else holds them; 0 keeps all.

    Resume state is the pointer of the shard's log or, without a log, a document of the whole shard; None for a
    lane."""

    def __init__(
        self,
        policy: PricingPolicy,
        resume_state: bytes | None,
        *,
        lanes: PerWorker[Lane],
        clock: Clock = wall_clock_ms,
        state_log: StateLog | None = None,
        version_base: int = 0,
        execution: int = 0,
        room: CountedRoom,
        ttl_ms: int = 0,
        encode: Callable[[list[Priced]], list[Any]] = list,
    ) -> None:
        self._policy = policy
        self._lane = lanes.mine()
        self._clock = clock
        self._version_base = version_base
        self._execution = execution
        self._room = room
        self._ttl_ms = ttl_ms
        self._encode = encode
        self._is_lane = False
        self._kafka_time_ms = 0
        self._swept_at_ms = 0
        self._forget_at_ms = NEVER_MS
        self._caught_up: list[CaughtUp] = []
        self._kept = KeptShard(self._make, resume_state, state_log)

    def _make(self, documents: list[bytes]) -> Shard:
        shard = Shard(self._policy, *documents, version_base=self._version_base)
        self._room.note(len(shard))
        return shard

    def on_batch(self, values: list[Work]) -> tuple[list[Any], bool]:
        self._kept.note_news()
        now_ms = self._clock()
        results = []
        for value in values:
            if isinstance(value, EventBatch):
                self._is_lane = True
                results.append(self._price_events(value, now_ms))
            elif isinstance(value, SignalBatch):
                self._is_lane = True
                results.append(self._apply_signals(value, now_ms))
            elif isinstance(value, Touched):
                self._lane.hold(value.shard, self._kept.shard)
                self._kafka_time_ms = max(self._kafka_time_ms, value.kafka_time_ms)
            elif isinstance(value, ChangeBatch):
                results.append(self._change(value, now_ms))
            elif isinstance(value, Refused):
                results.append(to_priced([], dead_letters=value.letters))
            elif isinstance(value, RefillRequest):
                results.append(self._refill(value))
            else:
                results.append(self._settle(value))
        if self._kept.opened is not None:
            results += self._expire(now_ms)
            results += self._forget(now_ms)
        results += self._pass_time(now_ms)
        return self._report(results), StatefulBatchLogic.RETAIN

    def _price_events(self, batch: EventBatch, now_ms: int) -> Priced:
        events, decisions, letters = self._lane.apply_events(batch, now_ms)
        _report_counts(self._lane.decider)
        return to_priced(decisions, kafka_time_ms=batch.kafka_time_ms, events=events, dead_letters=letters)

    def _apply_signals(self, batch: SignalBatch, now_ms: int) -> Priced:
        decisions, letters = self._lane.apply_signals(batch, now_ms)
        touched = set(batch.shards)
        for number in touched:
            decider = self._lane.shard(number).decider
            if decider.alerts or decider.causes:
                _report_counts(decider)
        shown = self._lane.take_shown(now_ms, touched)
        return to_priced(decisions, kafka_time_ms=batch.kafka_time_ms, dead_letters=letters, signals=shown)

    def _pass_time(self, now_ms: int) -> list[Priced]:
        """The results of what has run out: for a lane in all its shards, which change after they are woken."""
        decisions, shown = [], []
        if self._is_lane:
            if (due_ms := self._lane.next_due_ms()) is not None and due_ms <= now_ms:
                decisions, shown = self._lane.pass_time(now_ms), self._lane.take_shown(now_ms)
        elif (shard := self._kept.opened) is not None and shard.signals.is_timed:
            signals = shard.signals
            decisions, shown = signals.pass_time(now_ms), signals.take_shown(now_ms)
            _report_counts(shard.decider)
        return [to_priced(decisions, signals=shown)] if decisions or shown else []

    def _change(self, batch: ChangeBatch, now_ms: int) -> Priced:
        shard = self._lane.shard(batch.shard)
        before, letters = len(shard), list[DeadLetter]()
        if len(batch.changes) > (free := self._room.free):
            batch, letters = admit_changes(batch, shard, free)
        decisions = shard.apply(batch, now_ms)
        self._room.note(len(shard) - before)
        _report_counts(shard.decider)
        freezes, shown = shard.take_freeze_changes(), shard.signals.take_shown(now_ms)
        return to_priced(
            decisions,
            kafka_time_ms=batch.kafka_time_ms,
            freezes=freezes,
            dead_letters=letters,
            signals=shown,
        )

    def _refill(self, request: RefillRequest) -> Priced:
        shard = self._kept.shard
        decisions = list(shard.refill(request.keys))
        shown = shard.signals.take_shown(self._clock())
        return to_priced(decisions, freezes=shard.take_freeze_changes(), signals=shown)

    def _settle(self, caught_up: CaughtUp) -> Priced:
        self._caught_up.append(caught_up)
        if len(self._caught_up) != caught_up.partitions:
            return to_priced([])
        was_resumed = any(each.was_resumed for each in self._caught_up)
        return to_priced(self._kept.shard.settle(was_resumed=was_resumed, execution=self._execution))

    def _expire(self, now_ms: int) -> list[Priced]:
        ended = self._kept.shard.expire(now_ms - EXPIRY_GRACE_MS)
        return [to_priced(ended)] if ended else []

    def _forget(self, now_ms: int) -> list[Priced]:
        """Once a day, announce products without a signal, and forget them a minute later, when that is committed.
        The day is that of Kafka's time stamps: a clock that runs ahead must not forget what is sold."""
        until_ms = min(now_ms, self._kafka_time_ms)
        forgotten: list[PriceDecision] = []
        # First what is announced: a shard with a message a day would announce anew for ever.
        if now_ms >= self._forget_at_ms:
            self._forget_at_ms = NEVER_MS
            forgotten = self._kept.shard.forget(now_ms)
            self._room.note(-len(forgotten))
        if until_ms >= self._swept_at_ms + DAY_MS:
            before_ms = max(0, until_ms - self._ttl_ms) if self._ttl_ms else 0
            if self._kept.shard.announce(before_ms):
                self._swept_at_ms, self._forget_at_ms = until_ms, now_ms + ANNOUNCED_MS
        if not forgotten:
            return []
        return [to_priced(forgotten, signals=self._kept.shard.signals.take_shown(now_ms))]

    def on_notify(self) -> tuple[list[Any], bool]:
        self._kept.note_news()
        now_ms = self._clock()
        ended = self._expire(now_ms) if self._kept.opened is not None else []
        return self._report(ended + self._pass_time(now_ms)), StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        times_ms = [self._lane.next_due_ms() if self._is_lane else None]
        if (shard := self._kept.opened) is not None:
            expiry_ms = shard.next_expiry_ms()
            times_ms += None if expiry_ms is None else expiry_ms + EXPIRY_GRACE_MS, shard.signals.next_due_ms()
        earliest_ms = min((at_ms for at_ms in times_ms if at_ms is not None), default=None)
        return None if earliest_ms is None else datetime.fromtimestamp(earliest_ms / 1000, UTC)

    def snapshot(self) -> bytes | None:
        return self._kept.snapshot()

    def _report(self, results: list[Priced]) -> list[Any]:
        """Count and encode what was decided."""
        if self._kept.opened is not None:
            _report_counts(self._kept.opened.decider)
        found = [
            each
            for each in results
            if each.decisions or each.freezes or each.events or each.dead_letters or each.signals
        ]
        for priced in found:
            _count(priced)
        return self._encode(found)


def _report_counts(decider: Decider) -> None:
    for reason, count in decider.alerts.items():
        telemetry.GUARDRAIL_ALERTS.labels(reason).inc(count)
        log.warning("prices held: a bound is unusable", reason=reason, decisions=count)
    decider.alerts.clear()
    if decider.causes:
        telemetry.LATE_EVENTS.inc(decider.causes[Cause.LATE])
        telemetry.OVERSOLD.inc(decider.causes[OVERSOLD])
        for reason in (ECHO, OUTSIDE_BAND):
            telemetry.QUOTES_IGNORED.labels(reason).inc(decider.causes[reason])
        decider.causes.clear()


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
    for letter in priced.dead_letters:
        telemetry.DEAD_LETTERS.labels(letter.error_code).inc()
