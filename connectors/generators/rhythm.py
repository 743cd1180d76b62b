"""The daily rhythm of simulated activity."""

import math

DAY_S = 86_400
# The quietest time has a fifth of the average activity; the busiest, half a day later, 1.8 times.
DEPTH = 0.8


def activity_at(at_ms: float, quietest_s: int) -> float:
    """The activity at a time, as a multiple of the day's average. at_ms: UTC milliseconds. quietest_s: the second
    of the UTC day at which the activity is least."""
    seconds = at_ms / 1000 % DAY_S
    return 1 - DEPTH * math.cos(2 * math.pi * (seconds - quietest_s) / DAY_S)
