"""Several sources in one input step, whose epochs end together.

Bytewax 0.21.1 ends an epoch by each input step's own clock, and a step that has ended its epoch reads nothing until
all others have ended theirs. Nothing brings their clocks together again: two steps drift apart by a millisecond or
two a second, until after some minutes each second is spent waiting (docs/decisions/0013). Partitions of one step in
one worker share a clock; the steps of several workers do not, so `EpochPhase` brings those together."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

import telemetry

TOLERATED_S = 0.05
"""What is not worth a correction: an epoch's commit takes about as long."""

MARGIN_S = 0.003
"""Longer than Bytewax lets pass between two readings, so that the last one before an epoch's end is known."""


class Together(FixedPartitionedSource[Any, Any]):
    """The partitions of `first` under their own names, those of the others as `name/partition`."""

    def __init__(self, first: FixedPartitionedSource[Any, Any], **others: FixedPartitionedSource[Any, Any]) -> None:
        self._first = first
        self._others = others
        self._phases: dict[int, EpochPhase] = {}
        self._parts = 0

    def list_parts(self) -> list[str]:
        others = [f"{name}/{part}" for name, source in self._others.items() for part in source.list_parts()]
        parts = [*self._first.list_parts(), *others]
        self._parts = len(parts)
        return parts

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> "_Part":
        name, found, part = for_part.partition("/")
        source, part = (self._others[name], part) if found else (self._first, for_part)
        # Workers are threads.
        phase = self._phases.setdefault(threading.get_ident(), EpochPhase())
        phase.parts += 1
        phase.alone = phase.parts == self._parts
        return _Part(source.build_part(step_id, part, resume_state), phase)


class _Part(StatefulSourcePartition[Any, Any]):
    def __init__(self, part: StatefulSourcePartition[Any, Any], phase: "EpochPhase") -> None:
        self._part = part
        self._phase = phase
        self._ended_at = 0.0
        self.close = part.close  # type: ignore[method-assign]

    def next_batch(self) -> Any:
        if self._phase.waits:
            self._phase.read()
        if self._ended_at:
            telemetry.EPOCH_CLOSE.observe(time.monotonic() - self._ended_at)
            self._ended_at = 0.0
        return self._part.next_batch()

    def next_awake(self) -> datetime | None:
        wanted = self._part.next_awake()
        return self._phase.next_awake(wanted) if self._phase.shift_s else wanted

    def snapshot(self) -> Any:
        if not self._phase.waits:
            self._phase.end()
        self._ended_at = time.monotonic()
        return self._part.snapshot()


class EpochPhase:
    """When a worker's epochs end. One that waited for another worker's reads on past the end of its next epoch's
    time by as much, once: from then on they end theirs together. `alone`, with all `parts` of the flow, it has
    nobody to wait for.

    What it cannot know is whether it waited for others or for its own commit. So where a shift did not help, that
    wait is what is usual from then on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ended_at = -inf
        self._interval_s = inf
        self._usual_s = 0.0
        self._waited_s = 0.0
        self.parts = 0
        self.alone = False
        self.waits = False
        self.shift_s = 0.0

    def end(self) -> None:
        """An epoch has ended; nothing is read until all have ended theirs."""
        now = self._clock()
        self._interval_s = min(self._interval_s, now - self._ended_at)
        self._ended_at = now
        self.waits = True

    def read(self) -> None:
        """Something is read again."""
        waited_s = self._clock() - self._ended_at
        helped = waited_s < self._waited_s - self.shift_s / 2
        if (self.shift_s and not helped) or waited_s < self._usual_s:
            self._usual_s = waited_s
        excess_s = waited_s - self._usual_s
        shifts = excess_s > TOLERATED_S and self._interval_s < inf and not self.alone
        self.shift_s = excess_s if shifts else 0.0
        self._waited_s = waited_s
        self.waits = False

    def next_awake(self, wanted: datetime | None) -> datetime | None:
        """`wanted`, but not in the time by which the epoch is to end later: whenever any partition wakes then, the
        epochs of all end."""
        now = self._clock()
        due = self._ended_at + self._interval_s - MARGIN_S
        until = due + self.shift_s
        at = datetime.now(UTC)
        wakes = now if wanted is None else now + (wanted - at).total_seconds()
        if not due <= max(wakes, now) < until:
            return wanted
        return at + timedelta(seconds=until - now)
