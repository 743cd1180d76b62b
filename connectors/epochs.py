"""Aligned sources: all sources of a flow in one input step, whose epochs end together.

The problem. Bytewax 0.21.1 ends an epoch by each input step's own clock. A step that has ended its epoch reads
nothing until all other steps have ended theirs. Nothing aligns the clocks again: two steps drift apart by one or
two milliseconds a second, until after some minutes most of each second is spent waiting (docs/decisions/0013).

The idea. Partitions of one step in one worker share a clock, so all sources of a flow become partitions of one step
(`AlignedSources`). The steps of several workers do not share a clock. So a worker that waited for the others ends
its next epoch later, once, by the time that it waited (`EpochPhase`). From then on, all epochs end together.

An example with epochs of 1 s. Worker A ends its epochs at 0.0, 1.0, 2.0 …, worker B at 0.3, 1.3 …

    A: ends at 0.0, waits until B ends at 0.3: reads again 0.3 s late, so excess = 0.3
    A: its next epoch is due at 1.0; it reads on until 1.3, because no partition wakes between 1.0 and 1.3
    A and B: end at 1.3, and at 2.3, 3.3 …; A waits for its own commit only, and shifts no more
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

import telemetry

TOLERATED_S = 0.05
"""A shorter wait is not corrected: an epoch's commit takes about as long."""

MARGIN_S = 0.003
"""Time before the end of an epoch within which a read counts as the last one. It must be longer than the pause
between two reads of Bytewax."""


class AlignedSources(FixedPartitionedSource[Any, Any]):
    """One source with the partitions of several: those of `first` under their own names, those of the others as
    `name/partition`. Items and resume states are those of the sources. Each worker's thread owns the partitions
    that it builds.

    through: a function from items of any source to items of this one. A step of its own would cost an eighth of a
    poll."""

    def __init__(
        self,
        first: FixedPartitionedSource[Any, Any],
        *,
        through: Callable[[Any], list[Any]] = list,
        **others: FixedPartitionedSource[Any, Any],
    ) -> None:
        self._first = first
        self._through = through
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
        # A worker is a thread.
        phase = self._phases.setdefault(threading.get_ident(), EpochPhase())
        phase.parts += 1
        phase.alone = phase.parts == self._parts
        return _Part(source.build_part(step_id, part, resume_state), phase, self._through)


class _Part(StatefulSourcePartition[Any, Any]):
    def __init__(
        self,
        part: StatefulSourcePartition[Any, Any],
        phase: "EpochPhase",
        through: Callable[[Any], list[Any]],
    ) -> None:
        self._part = part
        self._phase = phase
        self._through = through
        self.close = part.close  # type: ignore[method-assign]

    def next_batch(self) -> Any:
        if self._phase.waits:
            self._phase.read()
        if self._phase.closes_from:
            telemetry.EPOCH_CLOSE.observe(time.monotonic() - self._phase.closes_from)
            self._phase.closes_from = 0.0
        items = self._part.next_batch()
        return self._through(items) if items else items

    def next_awake(self) -> datetime | None:
        wanted = self._part.next_awake()
        return self._phase.next_awake(wanted) if self._phase.shift_s else wanted

    def snapshot(self) -> Any:
        if not self._phase.waits:
            self._phase.end()
        self._phase.given += 1
        if self._phase.given == self._phase.parts:
            self._phase.given, self._phase.closes_from = 0, time.monotonic()
        return self._part.snapshot()


class EpochPhase:
    """The end of a worker's epochs, in seconds of a monotonic clock. Belongs to the worker's thread.

    A worker that has all `parts` of the flow is `alone` and shifts nothing. A worker cannot know if it waited for
    others or for its own commit. So if a shift did not shorten the wait, the wait is usual from then on.

    waits: an epoch has ended and nothing was read since. shift_s: time by which the next epoch ends later. given:
    number of parts that have given their snapshots. closes_from: when the last of them did, until the next read;
    0 then."""

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
        self.given = 0
        self.closes_from = 0.0

    def end(self) -> None:
        """Record the end of an epoch. Bytewax reads nothing until all workers have ended theirs."""
        now = self._clock()
        self._interval_s = min(self._interval_s, now - self._ended_at)
        self._ended_at = now
        self.waits = True

    def read(self) -> None:
        """Record the first read after the end of an epoch, and choose the shift of the next end."""
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
        """The next time to wake: `wanted`, unless it is within the shift. A partition that wakes there would end
        the epoch of all partitions too early."""
        now = self._clock()
        due = self._ended_at + self._interval_s - MARGIN_S
        until = due + self.shift_s
        at = datetime.now(UTC)
        wakes = now if wanted is None else now + (wanted - at).total_seconds()
        if not due <= max(wakes, now) < until:
            return wanted
        return at + timedelta(seconds=until - now)
