"""The watch of the clock: a step back restarts the flow, and nothing else does."""

import sys
import threading
from typing import Any

import pytest

from dataflows import clock_watch
from dataflows.clock_watch import STEP_BACK_S, ClockWatch, start_again, watch_clock


class Clocks:
    """Two clocks that the test moves."""

    def __init__(self) -> None:
        self.wall_s, self.monotonic_s = 1_700_000_000.0, 50.0
        self.restarts: list[float] = []
        self.watch = ClockWatch(self.restarts.append, lambda: self.wall_s, lambda: self.monotonic_s)

    def go_on(self, step_s: float = 0.0) -> None:
        self.wall_s += 0.5 + step_s
        self.monotonic_s += 0.5
        self.watch.look()


def test_an_hour_back_restarts_the_flow_once() -> None:
    clocks = Clocks()
    clocks.go_on()
    clocks.go_on(-3600.0)
    clocks.go_on()
    assert clocks.restarts == [3600.0]


def test_back_after_a_step_forward_is_back() -> None:
    clocks = Clocks()
    clocks.go_on(3600.0)
    assert clocks.restarts == []
    clocks.go_on(-3600.0)
    assert clocks.restarts == [3600.0]


def test_small_steps_and_slow_corrections_are_waited_out() -> None:
    clocks = Clocks()
    for _ in range(10_000):
        clocks.go_on(-0.001)
    clocks.go_on(-STEP_BACK_S / 2)
    assert clocks.restarts == []


def test_a_flow_that_stops_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr(clock_watch, "ClockWatch", made.append)
    monkeypatch.setattr(clock_watch, "start_again", lambda: made.append("again"))
    stop = threading.Event()
    stop.set()
    watch_clock(stop)
    (restart,) = made
    restart(3600.0)
    assert made == [restart]
    for thread in threading.enumerate():
        if thread.name == "clock":
            thread.join()
    stop.clear()
    restart(3600.0)
    assert made == [restart, "again"]


def test_the_new_process_has_the_same_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []
    monkeypatch.setattr("os.execv", lambda *arguments: called.append(arguments))
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "bytewax.run", "dataflows.pricing", "-r", "here"])
    start_again()
    assert called == [(sys.executable, [sys.executable, "-m", "bytewax.run", "dataflows.pricing", "-r", "here"])]
