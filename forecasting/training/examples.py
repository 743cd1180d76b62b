"""Examples to learn from: features of a moment, beside what was sold after it."""

import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.timestamps import DAY_MS
from forecasting.features import Features, day_features, hour_features, recent_rows
from forecasting.history import HOUR_MS, MINUTE_MS, History
from forecasting.replay import Actual, Replay, winsor_caps

FIRST_AFTER_DAYS = 28
"""Days of history before the first example."""
MOMENTS_A_DAY = 4
HOUR_SHARE = 0.5
"""Of the products, so many are taken at a moment of the day."""
HOUR_DAYS = 180
"""Examples of hours are from so many last days: older ones teach little and cost time."""


class Examples(NamedTuple):
    """Features and what was sold. vectors: (examples, features). units: what was sold, cut down to the 99th
    percentile of the product. scale, level: as in `Features`. age_days: days before the end. share: what the shop
    sold at the time against the sum of the scales."""

    vectors: NDArray[np.float32]
    units: NDArray[np.float64]
    scale: NDArray[np.float64]
    level: NDArray[np.float64]
    age_days: NDArray[np.float64]
    share: NDArray[np.float64]


def examples_of(
    replay: Replay, actual: Actual, end: int, seed: int, progress: Callable[[], None] = lambda: None
) -> tuple[Examples, Examples]:
    """Examples of days and of hours, until the day before `end` (days since 1970). progress: called after each day.
    Raises ValueError if there are too few days."""
    first = replay.first_day + FIRST_AFTER_DAYS
    caps = winsor_caps(actual.days(replay.first_day, end - 1))
    of_days, of_hours = [], []
    for day in range(first, end):
        progress()
        sold = actual.units(day * DAY_MS, (day + 1) * DAY_MS)
        if not sold.any():
            continue
        history = replay.until(day * DAY_MS)
        rows = recent_rows(history)
        if not len(rows):
            continue
        features = day_features(history, rows, day)
        of_days.append(_example(features, history, actual, sold=sold, caps=caps, age_days=end - day))
        if day >= end - HOUR_DAYS:
            for at_ms in _moments(actual, day, random.Random(f"{seed} {day}")):  # noqa: S311 - a choice of examples
                history = replay.until(at_ms)
                rows = _some(recent_rows(history), at_ms, seed)
                if len(rows):
                    sold = actual.units(at_ms, at_ms + HOUR_MS)
                    features = hour_features(history, rows)
                    of_hours.append(_example(features, history, actual, sold=sold, caps=caps, age_days=end - day))
    if not of_days or not of_hours:
        raise ValueError(f"takes more than {FIRST_AFTER_DAYS} days with sales to learn from")
    return _joined(of_days), _joined(of_hours)


def _moments(actual: Actual, day: int, chance: random.Random) -> Iterator[int]:
    """Some moments of a day, in order: most on the full hour, while the shop sells."""
    starts = range(day * DAY_MS, (day + 1) * DAY_MS, HOUR_MS)
    hours = [hour for hour, start in enumerate(starts) if actual.units(start, start + HOUR_MS).any()]
    picked = sorted(chance.sample(hours, min(MOMENTS_A_DAY, len(hours))))
    for hour in picked:
        minutes = chance.choice((0, 0, 0, 15, 30, 45))
        yield day * DAY_MS + hour * HOUR_MS + minutes * MINUTE_MS


def _some(rows: NDArray[np.int64], at_ms: int, seed: int) -> NDArray[np.int64]:
    chance = np.random.default_rng([seed, at_ms // MINUTE_MS])
    return rows[chance.random(len(rows)) < HOUR_SHARE]


def _example(
    features: Features, history: History, actual: Actual, *, sold: Any, caps: Any, age_days: int
) -> Examples:
    places = actual.places([history.names[row] for row in features.rows.tolist()])
    units = np.minimum(sold[places], caps[places])
    count = len(units)
    share = float(units.sum()) / float(features.scale.sum())
    return Examples(
        features.vectors,
        units,
        features.scale,
        np.full(count, features.level),
        np.full(count, float(age_days)),
        np.full(count, share),
    )


def _joined(parts: list[Examples]) -> Examples:
    return Examples(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
