"""The market's step: bars are written now and then, final ones at once, and silence is found by a timer."""

import sys
from datetime import UTC, datetime
from functools import partial

import telemetry
from core.work import RefillRequest, Touched
from dataflows.steps.room import symbol_room
from dataflows.steps.tick import LOOK_FOR_SILENCE_MS, WRITE_BARS_MS, TickStep
from dataflows.workers import PerWorker
from market.applied import Applied
from market.batches import TickBatch
from market.policy import MarketPolicy, parse_policy
from market.state.lane import Lane
from market.state.symbol import Limits
from market.ticks import Tick

START_US = 1_700_000_000_000_000
SILENCE = parse_policy("[silence]\nsilence_s = 5\n")


class Steps:
    """A shard and the lane of its worker, on a clock that the test sets."""

    def __init__(
        self, policy: MarketPolicy | None = None, state: bytes | None = None, limit: int = sys.maxsize
    ) -> None:
        self.now_ms = 1_000_000
        policy = policy or MarketPolicy()
        self.room = room = symbol_room(limit)
        lanes = PerWorker(partial(Lane, watches_silence=policy.silence.silence_s is not None, room=room))
        make = partial(TickStep, policy, limits=Limits(), lanes=lanes, clock=lambda: self.now_ms, room=room)
        self.shard, self.lane = make(state), make(None)

    def tick(self, *at_s: int) -> list[Applied]:
        ticks = [Tick("X", 5, 1, START_US + each * 1_000_000) for each in at_s]
        zeros = [0] * len(ticks)
        self.shard.on_batch([Touched(0, 0)])
        return self.lane.on_batch([TickBatch("t", zeros, zeros, ticks, zeros)])[0]

    def wakes_in_ms(self, step: TickStep) -> float | None:
        at = step.notify_at()
        return None if at is None else (at - datetime.fromtimestamp(self.now_ms / 1000, UTC)).total_seconds() * 1000


def test_bars_are_written_once_some_time_after_the_first_change() -> None:
    steps = Steps()
    assert [each.bars for each in steps.tick(0)] == [[]]
    assert steps.wakes_in_ms(steps.lane) == WRITE_BARS_MS
    steps.now_ms += WRITE_BARS_MS - 1
    assert [each.bars for each in steps.tick(1)] == [[]]
    steps.now_ms += 1
    (written,) = steps.lane.on_notify()[0]
    assert [bar.trades for bar in written.bars] == [2] * 5
    assert steps.wakes_in_ms(steps.lane) is None
    assert steps.lane.on_notify()[0] == []


def test_ticks_of_more_symbols_than_are_allowed_are_letters_also_after_a_start() -> None:
    symbols = telemetry.SYMBOLS._value.get()

    def apply(steps: Steps, names: str) -> tuple[list[str], list[tuple[str, int, bytes]]]:
        ticks, zeros = [Tick(name, 5, 1, START_US) for name in names], [0] * len(names)
        steps.shard.on_batch([Touched(0, 0)])
        batch = TickBatch("t", zeros, list(range(len(names))), ticks, zeros, 0, [name.encode() for name in names])
        (applied,) = steps.lane.on_batch([batch])[0]
        letters = [(each.error_code, each.position.offset, each.raw) for each in applied.dead_letters]
        assert len(applied.offsets) == len(applied.ticks)
        return [each.tick.symbol for each in applied.ticks], letters

    steps = Steps(limit=2)
    assert apply(steps, "ABCAC") == (list("ABA"), [("too_many_symbols", 2, b"C"), ("too_many_symbols", 4, b"C")])
    assert telemetry.SYMBOLS._value.get() == symbols + 2
    assert ("symbols_at_limit", "2") in telemetry.alerts_in_force()
    restored = Steps(state=steps.shard.snapshot(), limit=3)
    assert apply(restored, "ABCD") == (list("ABC"), [("too_many_symbols", 3, b"D")])
    assert apply(restored, "D") == ([], [("too_many_symbols", 0, b"D")])
    steps.room.note(-2)
    restored.room.note(-3)
    assert telemetry.SYMBOLS._value.get() == symbols
    assert telemetry.alerts_in_force() == []


def test_the_end_of_input_writes_the_bars_that_wait() -> None:
    steps = Steps()
    steps.tick(0)
    assert [len(each.bars) for each in steps.lane.on_eof()[0]] == [5]


def test_a_start_writes_the_bars_of_before_once() -> None:
    before = Steps()
    before.tick(0)
    steps = Steps(state=before.shard.snapshot())
    (first,) = steps.shard.on_batch([RefillRequest("start")])[0]
    assert ([bar.trades for bar in first.bars], len(first.latest)) == ([1] * 5, 1)
    (again,) = steps.shard.on_batch([RefillRequest("Redis is empty")])[0]
    assert (again.bars, len(again.latest)) == ([], 1)


def test_a_lane_has_no_state() -> None:
    steps = Steps()
    steps.tick(0)
    assert steps.lane.snapshot() is None


def test_silence_is_looked_for_while_nothing_comes() -> None:
    steps = Steps(SILENCE)
    steps.tick(0)
    assert steps.wakes_in_ms(steps.shard) == LOOK_FOR_SILENCE_MS
    steps.now_ms += 4_999
    assert [each.alerts for each in steps.shard.on_notify()[0]] == [[]]
    steps.now_ms += LOOK_FOR_SILENCE_MS
    assert [[alert.kind for alert in each.alerts] for each in steps.shard.on_notify()[0]] == [["silence"]]
