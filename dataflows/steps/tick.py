"""The market's step: ticks of all shards of a worker to what the sinks write. It connects `market.state` to
Bytewax."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from bytewax.operators import StatefulBatchLogic
from prometheus_client import Counter as Metric

import telemetry
from connectors.kafka import CaughtUp
from core.work import RefillRequest, Refused, Touched
from dataflows.recovery.state_log import StateLog
from dataflows.steps.clock import Clock
from dataflows.steps.kept_shard import KeptShard
from dataflows.steps.room import CountedRoom
from dataflows.workers import PerWorker
from market.applied import Applied
from market.batches import RuleChanges, TickBatch
from market.policy import MarketPolicy
from market.state.lane import Lane
from market.state.shard import Shard
from market.state.symbol import Limits

WRITE_BARS_MS = 1_500
"""Time from the change of a bar until it is written. The contract allows 2 s, to the database."""

LOOK_FOR_SILENCE_MS = 1_000

TickWork = TickBatch | RuleChanges | Touched | Refused | RefillRequest | CaughtUp
"""Input of the step."""


class TickStep(StatefulBatchLogic[TickWork, Any, bytes | None]):
    """The state of one key: `TickWork` in, what `encode` makes of `Applied` out. Belongs to one worker's thread.

    A key is a lane or a shard (`core/placement.py`). A lane gets the ticks of all shards of its worker, and writes
    their bars now and then. A shard has state, and gets what is no tick. Resume state: of `KeptShard`; None for a
    lane. lanes: of the process, each with the shards of its worker. clock: processing time, UTC milliseconds. room:
    of the process, for symbols."""

    def __init__(
        self,
        policy: MarketPolicy,
        resume_state: bytes | None,
        *,
        limits: Limits,
        lanes: PerWorker[Lane],
        clock: Clock,
        room: CountedRoom,
        state_log: StateLog | None = None,
        encode: Callable[[list[Applied]], list[Any]] = list,
    ) -> None:
        self._policy = policy
        self._limits = limits
        self._lane = lanes.mine()
        self._clock = clock
        self._room = room
        self._encode = encode
        self._is_lane = False
        self._write_bars_at_ms: int | None = None
        self._look_at_ms: int | None = None
        self._kept = KeptShard(self._make, resume_state, state_log)

    def _make(self, documents: list[bytes]) -> Shard:
        shard = Shard(self._policy, self._limits, documents, self._room)
        if self._policy.silence.silence_s is not None:
            now_ms = self._clock()
            # Symbols that fell silent while the flow was away have the whole time once more.
            shard.note_arrivals(now_ms)
            self._look_at_ms = now_ms + LOOK_FOR_SILENCE_MS
        return shard

    def on_batch(self, values: list[TickWork]) -> tuple[list[Any], bool]:
        self._kept.note_news()
        now_ms = self._clock()
        results = []
        for value in values:
            if isinstance(value, TickBatch):
                self._is_lane = True
                results.append(self._lane.apply(value, now_ms))
            elif isinstance(value, Touched):
                self._lane.hold(value.shard, self._kept.shard)
            elif isinstance(value, RuleChanges):
                self._kept.shard.change_rules(value.changes)
            elif isinstance(value, Refused):
                results.append(Applied(dead_letters=value.letters))
            elif isinstance(value, RefillRequest):
                results.append(self._refill(value))
        return self._report(results, now_ms)

    def _refill(self, request: RefillRequest) -> Applied:
        shard = self._kept.shard
        bars, shard.unwritten = shard.unwritten, []
        return Applied(bars=bars, latest=shard.latest(request.keys))

    def on_notify(self) -> tuple[list[Any], bool]:
        self._kept.note_news()
        return self._report([], self._clock())

    def on_eof(self) -> tuple[list[Any], bool]:
        return self._encode([Applied(bars=self._lane.take_bars())]), StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        times = [at_ms for at_ms in (self._write_bars_at_ms, self._look_at_ms) if at_ms is not None]
        return datetime.fromtimestamp(min(times) / 1000, UTC) if times else None

    def snapshot(self) -> bytes | None:
        return self._kept.snapshot()

    def _report(self, results: list[Applied], now_ms: int) -> tuple[list[Any], bool]:
        """Count and encode what was applied, and what is due."""
        if self._is_lane and self._lane.has_bars:
            if self._write_bars_at_ms is None:
                self._write_bars_at_ms = now_ms + WRITE_BARS_MS
            elif now_ms >= self._write_bars_at_ms:
                self._write_bars_at_ms = None
                results.append(Applied(bars=self._lane.take_bars()))
        if self._look_at_ms is not None and now_ms >= self._look_at_ms:
            self._look_at_ms = now_ms + LOOK_FOR_SILENCE_MS
            results.append(Applied(alerts=self._kept.shard.report_silence(now_ms)))
        for applied in results:
            _count(applied)
        return self._encode(results), StatefulBatchLogic.RETAIN


@cache
def _of_kind(counter: Metric, kind: str) -> Metric:
    # Cached, because the lookup of a labelled metric costs more than adding to it.
    return counter.labels(kind)


def _count(applied: Applied) -> None:
    late = sum(tick.is_late for tick in applied.ticks)
    if late:
        telemetry.LATE_TICKS.inc(late)
    found = Counter(anomaly.kind for tick in applied.ticks if tick.anomalies for anomaly in tick.anomalies)
    for kind, count in found.items():
        _of_kind(telemetry.ANOMALIES, kind).inc(count)
    for alert in applied.alerts:
        _of_kind(telemetry.MARKET_ALERTS, alert.kind).inc()
    for letter in applied.dead_letters:
        telemetry.DEAD_LETTERS.labels(letter.error_code).inc()
