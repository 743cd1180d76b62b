"""The hours of the shop: closed days and hours, read off what the whole shop sold."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.timestamps import DAY_MS
from forecasting.history import HOUR_MS, History

WEEK = 7
LOOK_BACK = 56
"""Days that are looked at."""
SEEN = 3
"""So many days of a weekday, or days in which an hour may have sales, must have been seen before it is called
closed."""


def weekday(day: int) -> int:
    """The day of the week, 0 is Monday. day: days since 1970-01-01, a Thursday."""
    return (day + 3) % WEEK


def open_days(history: History, end: int, days: int) -> NDArray[np.int64]:
    """The days before a day on which the shop sold anything, at most `days` back, in order."""
    first = int(history.first_ms[0]) // DAY_MS
    steps = np.arange(max(end - days, first), end, dtype=np.int64)
    sold = history.days.window(slice(0, 1), steps)[0]
    found: NDArray[np.int64] = steps[sold > 0]
    return found


def is_closed(history: History, day: int) -> bool:
    """True if the shop never sells on this day of the week: in the eight weeks before the history's moment there
    were at least three of them, and none had a sale."""
    end = history.at_ms // DAY_MS
    first = int(history.first_ms[0]) // DAY_MS
    alike = [each for each in range(max(end - LOOK_BACK, first), end) if weekday(each) == weekday(day)]
    if len(alike) < SEEN:
        return False
    return not history.days.window(slice(0, 1), np.array(alike, np.int64)).any()


def is_quiet(history: History, start_ms: int, end_ms: int) -> bool:
    """True if the shop has sold nothing at this time of the day in the last 28 days, of which it sold something on
    at least three."""
    today = history.at_ms // DAY_MS
    days = open_days(history, today, 28)
    if len(days) < SEEN:
        return False
    hours = {each % 24 for each in range(start_ms // HOUR_MS, (end_ms - 1) // HOUR_MS + 1)}
    steps: Any = [day * 24 + hour for day in days.tolist() for hour in hours]
    return not history.hours.window(slice(0, 1), np.array(steps, np.int64)).any()


def is_shut(history: History) -> bool:
    """True if the shop does not sell in the 60 minutes from the history's moment on, by all that is known."""
    at_ms = history.at_ms
    return is_closed(history, at_ms // DAY_MS) or is_quiet(history, at_ms, at_ms + HOUR_MS)
