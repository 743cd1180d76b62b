"""Rolling origin: a forecast at every day and hour of a period, each with what was known before it."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.timestamps import DAY_MS
from forecasting.calendar import is_closed, is_shut
from forecasting.evaluation.simple_methods import DayMethods, HourMethods, Method
from forecasting.features import day_features, hour_features, recent_rows
from forecasting.history import HOUR_MS, History
from forecasting.model import nothing
from forecasting.names import DAY_FEATURES
from forecasting.replay import Actual, Replay, winsor_caps
from forecasting.serving.session import Model

Floats = NDArray[np.float64]
PRICE = DAY_FEATURES.index("price")
RATE = DAY_FEATURES.index("units_28d")
MODEL = "model"


class Rolled(NamedTuple):
    """Forecasts of a period, a row for each product and moment. moment: days or hours since 1970. rate: units a day
    in the 28 days before. methods: by name, the model among them."""

    place: NDArray[np.int64]
    moment: NDArray[np.int64]
    actual: Floats
    price: Floats
    rate: Floats
    methods: dict[str, Method]


class Period:
    """A period of recorded demand that is forecast. first, last: days since 1970, both included."""

    def __init__(self, replay: Replay, actual: Actual, first: int, last: int) -> None:
        self._replay, self._actual = replay, actual
        self._start, self.first, self.last = replay.first_day, first, last
        days = actual.days(self._start, last)
        caps = winsor_caps(days[:, : first - self._start])
        self.units = np.minimum(days, caps[:, None])
        self._methods = DayMethods(self.units)
        self._open = [self._start + each for each in np.flatnonzero(days.sum(axis=0) > 0).tolist()]

    @property
    def before(self) -> Floats:
        """Winsorised units of the days before the period, (products, days)."""
        return self.units[:, : self.first - self._start]

    @property
    def orders(self) -> Floats:
        """Units of each order of the period."""
        return self._actual.orders(self.first * DAY_MS, (self.last + 1) * DAY_MS)

    def roll(self, model: Model, progress: Callable[[], None] = lambda: None) -> tuple[Rolled, Rolled]:
        """Forecasts of the days, and of the hours in which the shop may sell or did. Days on which it sold nothing
        are left out. progress: called before each day. Raises ValueError if there is no other, and ModelError."""
        of_hours = HourMethods(lru_cache(maxsize=2000)(self._hour), self._open)
        day_parts, hour_parts = [], []
        for day in range(self.first, self.last + 1):
            progress()
            if day not in self._open:
                continue
            day_parts.append(self._day(model, day))
            for start_ms in range(0, DAY_MS, HOUR_MS):
                history = self._replay.until(day * DAY_MS + start_ms)
                # Hours that are forecast as nothing count if something was sold in them.
                if not is_shut(history) or self._hour(day, start_ms).any():
                    hour_parts.append(self._hour_of(model, history, of_hours))
        if not day_parts or not hour_parts:
            raise ValueError("the shop sold nothing in the days that are to be forecast")
        return _joined(day_parts), _joined(hour_parts)

    def _day(self, model: Model, day: int) -> Rolled:
        history = self._replay.until(day * DAY_MS)
        rows = recent_rows(history)
        features = day_features(history, rows, day)
        said = nothing(len(rows)) if is_closed(history, day) else model.forecast("day", features)
        places = self._places(history, rows)
        column = day - self._start
        methods = self._methods.at(column, places) | {MODEL: Method(said.p10, said.p50, said.p90, said.mean)}
        vectors = features.vectors.astype(np.float64)
        return Rolled(
            places,
            np.full(len(rows), day),
            self.units[places, column],
            vectors[:, PRICE],
            vectors[:, RATE] * features.scale,
            methods,
        )

    def _hour_of(self, model: Model, history: History, of_hours: HourMethods) -> Rolled:
        rows = recent_rows(history)
        features = hour_features(history, rows)
        said = nothing(len(rows)) if is_shut(history) else model.forecast("hour", features)
        places = self._places(history, rows)
        day, start_ms = divmod(history.at_ms, DAY_MS)
        methods = of_hours.at(day, start_ms, places) | {MODEL: Method(said.p10, said.p50, said.p90, said.mean)}
        return Rolled(
            places,
            np.full(len(rows), history.at_ms // HOUR_MS),
            self._hour(day, start_ms)[places],
            np.zeros(len(rows)),
            features.scale,
            methods,
        )

    def _hour(self, day: int, start_ms: int) -> Floats:
        start = day * DAY_MS + start_ms
        return self._actual.units(start, start + HOUR_MS)

    def _places(self, history: History, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._actual.places([history.names[row] for row in rows.tolist()])


def _joined(parts: list[Rolled]) -> Rolled:
    methods = {
        name: Method(*(np.concatenate(each) for each in zip(*(part.methods[name] for part in parts), strict=True)))
        for name in parts[0].methods
    }
    place, moment, actual, price, rate = (np.concatenate(each) for each in list(zip(*parts, strict=True))[:5])
    return Rolled(place, moment, actual, price, rate, methods)
