"""The watch of the system's clock: if it goes back, the flow starts again at once.

The problem. Bytewax 0.21.1 times epochs, pauses of sources and timers by the system's clock. After a step back by
an hour, no epoch ends and nothing is read for an hour: no commits, no refill of Redis, no clean stop. Nothing in
Python can end an epoch. librdkafka waits by that clock too.

The idea. A thread compares the clock with the monotonic one. After a step back, the process replaces itself by a
new one with the same command line. That is as safe as a crash: work that is not committed is done again. The
processes of a cluster end when one of them does this, as after any crash of one."""

import os
import sys
import threading
import time
from collections.abc import Callable

import telemetry

LOOK_EVERY_S = 0.5
STEP_BACK_S = 2.0
"""A smaller step back is waited out: it delays an epoch by as much."""

log = telemetry.get_logger("flow")


class ClockWatch:
    """The difference between the system's clock and the monotonic one. Belongs to one thread.

    restart: called after a step back by more than `STEP_BACK_S`. Steps forward, and slow corrections, are
    followed."""

    def __init__(
        self,
        restart: Callable[[float], None],
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._restart = restart
        self._wall = wall
        self._monotonic = monotonic
        self._difference_s = wall() - monotonic()

    def look(self) -> None:
        """Compare the clocks once."""
        difference_s = self._wall() - self._monotonic()
        back_s, self._difference_s = self._difference_s - difference_s, difference_s
        if back_s > STEP_BACK_S:
            self._restart(back_s)


def watch_clock(stop: threading.Event) -> None:
    """Start a thread that restarts the flow after a step back of the clock, unless `stop` is set: a stop has a time
    limit of its own."""

    def run() -> None:
        while not stop.wait(LOOK_EVERY_S):
            watch.look()

    def restart(back_s: float) -> None:
        if not stop.is_set():
            log.warning(
                "the system's clock went back; the flow starts again, nothing is lost", seconds=round(back_s)
            )
            start_again()

    watch = ClockWatch(restart)
    threading.Thread(target=run, name="clock", daemon=True).start()


def start_again() -> None:
    """Replace this process by a new one with the same command line. Files and sockets of Python are closed by
    that."""
    sys.stderr.flush()
    try:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # our own command line
    except OSError as error:
        telemetry.fatal("the flow cannot start again", error=error.strerror)
