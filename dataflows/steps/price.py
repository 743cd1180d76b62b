"""The pricing step: signals of a shard to decisions. It connects `pricing.state.shard.Shard` to Bytewax."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

from bytewax.operators import StatefulBatchLogic
from prometheus_client import Counter as Metric

import telemetry
from connectors.kafka import CaughtUp
from dataflows.recovery.state_log import StateLog
from pricing.batches import Batch, ChangeBatch, EventBatch, RefillRequest
from pricing.decision import Cause, Priced, PriceSource, to_priced
from pricing.policy import PricingPolicy
from pricing.state.shard import Shard

Clock = Callable[[], int]
"""A function that returns UTC milliseconds."""

EXPIRY_GRACE_MS = 200
"""A timer fires this long after an override's end, so that messages sent before the end are read first."""

log = telemetry.get_logger("pricing")


def wall_clock_ms() -> int:
    """The time of the system's clock, UTC milliseconds."""
    return time.time_ns() // 1_000_000


Work = Batch | RefillRequest | CaughtUp
"""Input of the pricing step."""


class PricingStep(StatefulBatchLogic[Work, Priced, bytes]):
    """The state of one shard: `Work` in, `Priced` out. Bytewax also wakes it when an override ends. Belongs to one
    worker's thread.

    execution: number of the flow's executions before this one.

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
        self._caught_up: list[CaughtUp] = []
        self._size = 0

    def on_batch(self, values: list[Work]) -> tuple[list[Priced], bool]:
        now_ms = self._clock()
        shard = self._shard
        results = []
        for value in values:
            if isinstance(value, EventBatch):
                events, decisions = shard.apply_events(value, now_ms)
                results.append(to_priced(decisions, kafka_time_ms=value.kafka_time_ms, events=events))
            elif isinstance(value, ChangeBatch):
                decisions = shard.apply(value, now_ms)
                freezes = shard.take_freeze_changes()
                results.append(to_priced(decisions, kafka_time_ms=value.kafka_time_ms, freezes=freezes))
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
        return self._report(results), StatefulBatchLogic.RETAIN

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
        size = len(self._shard)
        if size != self._size:
            telemetry.PRODUCTS.inc(size - self._size)
            self._size = size
        alerts = self._shard.alerts
        for reason, count in alerts.items():
            telemetry.GUARDRAIL_ALERTS.labels(reason).inc(count)
            log.warning("prices held: a bound is unusable", reason=reason, decisions=count)
        alerts.clear()
        telemetry.LATE_EVENTS.inc(self._shard.causes[Cause.LATE])
        self._shard.causes.clear()
        for priced in results:
            _count(priced)
        return [priced for priced in results if priced.decisions or priced.freezes or priced.events]


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
