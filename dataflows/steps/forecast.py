"""The step of forecasts: signals of a shard in, forecasts out now and then. It connects `forecasting.state` to
Bytewax."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from bytewax.operators import StatefulBatchLogic

import telemetry
from connectors.decode.forecasting import Decision
from connectors.kafka import CaughtUp
from core.dead_letter import DeadLetter
from core.placement import Placement
from core.work import RefillRequest, Refused
from dataflows.recovery.state_log import StateLog
from dataflows.steps.clock import Clock
from dataflows.steps.decode_demand import DecisionBatch
from dataflows.steps.kept_shard import KeptShard
from dataflows.workers import PerWorker
from forecasting.published import Forecast, Made
from forecasting.state.rounds import Models, Rounds
from forecasting.state.shard import ForecastShard, Lane
from forecasting.state.signals import SignalBatch

CALL_S = 0.1
"""Time for the forecasts of one call. What is left is made in the next one, so that signals are not held up."""

PAUSE_MS = 20
ALIVE_EVERY_MS = 5_000
UNREAD_MAX_MS = 60_000
"""Forecasts begin once all messages of before the start are read, but after this time in any case: a partition may
have no leader."""

ForecastWork = SignalBatch | DecisionBatch | Refused | RefillRequest | CaughtUp
"""Input of the step."""


class Forecasted(msgspec.Struct, gc=False):
    """The results of a call. made: new forecasts. again: those that a store has lost. alive: the flow makes
    forecasts. kafka_time_ms: Kafka's time stamp of the first message behind it, 0 if a timer made it."""

    made: list[Made] = []
    again: list[Forecast] = []
    decisions: list[Decision] = []
    dead_letters: Sequence[DeadLetter] = ()
    kafka_time_ms: int = 0
    alive: bool = False


class ForecastStep(StatefulBatchLogic[ForecastWork, Any, bytes | None]):
    """A shard: `ForecastWork` in, what `encode` makes of `Forecasted` out. Belongs to one worker's thread. Resume
    state: of `KeptShard`. lanes: of the process."""

    def __init__(
        self,
        resume_state: bytes | None,
        *,
        models: Models,
        lanes: PerWorker[Lane],
        placement: Placement,
        shards: int,
        clock: Clock,
        state_log: StateLog | None = None,
        encode: Callable[[list[Forecasted]], list[Any]] = list,
    ) -> None:
        self._models = models
        self._lane = lanes.mine()
        self._placement = placement
        self._shards = shards
        self._clock = clock
        self._encode = encode
        self._rounds: Rounds | None = None
        self._number = 0
        # Not moved by signals: they may come faster than a pause ends.
        self._due_ms = self._alive_ms = 0
        self._caught_up = 0
        self._is_caught_up = False
        self._seen_changes = models.changes
        self._kept = KeptShard(self._make, resume_state, state_log)

    def _make(self, documents: list[bytes]) -> ForecastShard:
        shard = ForecastShard(self._lane, documents)
        self._lane.room.note(len(shard))
        self._number = number = len(self._lane.shards)
        self._lane.shards[number] = shard
        self._rounds = Rounds(shard, number, self._shards, _note_failure)
        now_ms = self._clock()
        self._due_ms, self._alive_ms = now_ms + UNREAD_MAX_MS, now_ms
        return shard

    def on_batch(self, values: list[ForecastWork]) -> tuple[list[Any], bool]:
        if self._placement.workers > 1:
            telemetry.fatal("the flow of forecasts looks at the whole shop, so it runs in one process with -w 1")
        self._kept.note_news()
        now_ms = self._clock()
        results: list[Forecasted] = []
        shard = self._kept.shard
        for value in values:
            if isinstance(value, SignalBatch):
                shard.apply(value.signals, now_ms)
            elif isinstance(value, DecisionBatch):
                results.append(Forecasted(decisions=value.decisions, kafka_time_ms=value.kafka_time_ms))
            elif isinstance(value, Refused):
                results.append(Forecasted(dead_letters=value.letters))
                for letter in value.letters:
                    telemetry.DEAD_LETTERS.labels(letter.error_code).inc()
            elif isinstance(value, RefillRequest):
                known = (shard.products[name] for name in value.keys or shard.products if name in shard.products)
                results.append(Forecasted(again=[each.last for each in known if each.last], alive=True))
            else:
                self._caught_up += 1
                if self._caught_up == value.partitions and self._rounds is not None:
                    self._rounds.restart()
                    self._due_ms, self._is_caught_up = now_ms, True
        if shard.refused:
            telemetry.FORECASTS_REFUSED.inc(shard.refused)
            shard.refused = 0
        return self._encode(results), StatefulBatchLogic.RETAIN

    def on_notify(self) -> tuple[list[Any], bool]:
        self._kept.note_news()
        rounds = self._rounds
        assert rounds is not None
        now_ms, started = self._clock(), time.monotonic()
        self._alive_ms = now_ms + ALIVE_EVERY_MS
        if self._seen_changes != self._models.changes:
            self._seen_changes = self._models.changes
            rounds.repeat()
            self._due_ms = min(self._due_ms, now_ms) if self._is_caught_up else self._due_ms
        if now_ms < self._due_ms:
            return self._encode([Forecasted(alive=True)]), StatefulBatchLogic.RETAIN
        made = rounds.make(self._models, now_ms, lambda: time.monotonic() - started > CALL_S)
        if made:
            telemetry.FORECAST_S.observe(time.monotonic() - started)
        for each in made:
            telemetry.FORECASTS.labels(each.forecast.source).inc()
        telemetry.FORECASTS_WAITING.labels(str(self._number)).set(rounds.waiting)
        self._due_ms = max(rounds.next_ms(now_ms), self._clock() + PAUSE_MS)
        return self._encode([Forecasted(made=made, alive=True)]), StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        if self._rounds is None:
            return None
        return datetime.fromtimestamp(min(self._due_ms, self._alive_ms) / 1000, UTC)

    def snapshot(self) -> bytes | None:
        return self._kept.snapshot()


def _note_failure(reason: str) -> None:
    telemetry.FORECAST_FAILURES.inc()
    telemetry.get_logger("forecasts").error("a model failed", error=reason)
