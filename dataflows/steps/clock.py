"""The clock of the steps: processing time."""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""A function that returns UTC milliseconds."""


def wall_clock_ms() -> int:
    """The time of the system's clock, UTC milliseconds."""
    return time.time_ns() // 1_000_000
