"""Rounds of forecasts: which products of a shard are due, and what is forecast for them.

A product that sold or was looked at in the last hour is forecast every minute, others every five. The chain, from
best to worst: a model; the model's last forecast, if it is at most five minutes old; the mean of the product's
category; nothing."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.timestamps import DAY_MS
from forecasting.calendar import is_closed, is_shut, open_days
from forecasting.features import Features, day_features, hour_features, recent_rows
from forecasting.forecast import by_chance, demand_score, next_day, shorter
from forecasting.history import HOUR_MS, MINUTE_MS
from forecasting.model import ModelError, Units, nothing
from forecasting.names import HOUR_FEATURES
from forecasting.published import (
    CACHED_FOR_MS,
    HORIZONS,
    EndedHour,
    Forecast,
    HourForecast,
    Made,
    Quantities,
    Source,
)
from forecasting.state.shard import ForecastShard, Lane

BATCH = 256
QUIET_EVERY = 5
"""Minutes between two forecasts of a product that nobody looks at."""

HOUR_28D, UNITS_28D = (HOUR_FEATURES.index(name) for name in ("hour_28d", "units_28d"))


class Forecaster(Protocol):
    """A model. version: as in its description."""

    @property
    def version(self) -> str: ...

    def forecast(self, kind: str, features: Features) -> Units:
        """Forecasts of units. Raises ModelError."""


class Models(Protocol):
    """The models in force. changes: grows when they change."""

    @property
    def changes(self) -> int: ...

    def of(self, product_id: str) -> Forecaster | None:
        """The model that forecasts a product; None if there is none."""


class Rounds:
    """The rounds of a shard. Belongs to the thread of the shard. number: of the shard, of so many. on_failure:
    called with the text of a model that failed."""

    def __init__(self, shard: ForecastShard, number: int, shards: int, on_failure: Callable[[str], None]) -> None:
        self._shard, self._lane = shard, shard.lane
        # Shards take turns within a minute.
        self._turn_ms = number * MINUTE_MS // shards
        self._on_failure = on_failure
        self._minute = -1
        self._waiting: list[str] = []
        self._day = -1
        self._all = False
        self._days: dict[str, tuple[int, str, Quantities, Quantities]] = {}

    def restart(self) -> None:
        """Forecast all products again: the past is known now."""
        self._minute, self._all = -1, True
        self._days.clear()

    def repeat(self) -> None:
        """Look again in this minute: the models have changed."""
        self._minute = -1

    @property
    def waiting(self) -> int:
        """The number of products that are due, and not forecast yet."""
        return len(self._waiting)

    def next_ms(self, now_ms: int) -> int:
        """The processing time of the next round; now if some products of this one wait."""
        if self._waiting:
            return now_ms
        return (self._minute_of(now_ms) + 1) * MINUTE_MS + self._turn_ms

    def make(self, models: Models, now_ms: int, is_over: Callable[[], bool] = lambda: False) -> list[Made]:
        """Forecasts of the products that are due. is_over: true once the time for this call is up; the products
        that are left wait for the next call."""
        minute = self._minute_of(now_ms)
        at_ms = self._lane.clock.at_ms(now_ms)
        if not at_ms:
            return []
        history = self._lane.history
        history.advance(at_ms)
        if minute > self._minute:
            self._minute = minute
            # Those that still wait from the last minute come first: else the last rows never had their turn.
            self._waiting = list(dict.fromkeys([*self._waiting, *self._due(minute, models)]))
            if self._day != (day := history.at_ms // DAY_MS):
                self._day = day
                self._days.clear()
            if minute % 60 == 0:
                self._shard.forget_old()
        made: list[Made] = []
        while self._waiting and not is_over():
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            made += self._batch([each for each in batch if each in self._shard.products], models, now_ms)
        return made

    def _minute_of(self, now_ms: int) -> int:
        return (now_ms - self._turn_ms) // MINUTE_MS

    def _due(self, minute: int, models: Models) -> Iterator[str]:
        """The products of the shard to be forecast in a minute."""
        history, products = self._lane.history, self._shard.products
        rows = recent_rows(history)
        latest = history.at_ms // MINUTE_MS
        steps = np.arange(latest - 60, latest, dtype=np.int64)
        rings = (history.minute_orders, history.minute_views, history.minute_carts)
        busy = np.logical_or.reduce([ring.window(rows, steps).any(axis=1) for ring in rings])
        for row, is_busy in zip(rows.tolist(), busy.tolist(), strict=True):
            product = products.get(name := history.names[row])
            if product is not None and (is_busy or self._all or self._is_due(name, product.last, minute, models)):
                yield name
        self._all = False

    def _is_due(self, name: str, last: Forecast | None, minute: int, models: Models) -> bool:
        """True for a product that nobody looks at if it is its turn, or if a model could say more than the last
        forecast."""
        if last is None or last.source != "model":
            return True
        if (minute + zlib.crc32(name.encode())) % QUIET_EVERY == 0:
            return True
        model = models.of(name)
        return model is None or model.version != last.model

    def _batch(self, product_ids: Sequence[str], models: Models, now_ms: int) -> Iterator[Made]:
        history = self._lane.history
        rows = np.array([history.rows[each] for each in product_ids], np.int64)
        features = hour_features(history, rows)
        by_model: dict[Forecaster | None, list[int]] = {}
        for place, product_id in enumerate(product_ids):
            by_model.setdefault(models.of(product_id), []).append(place)
        for model, places in by_model.items():
            chosen = np.array(places)
            part = _only(features, chosen)
            names = [product_ids[place] for place in places]
            if model is not None:
                try:
                    yield from self._by_model(model, names, part, now_ms)
                    continue
                except ModelError as error:
                    self._on_failure(str(error))
            yield from self._without(names, part, now_ms)

    def _by_model(self, model: Forecaster, names: list[str], features: Features, now_ms: int) -> list[Made]:
        """Raises ModelError."""
        hour = nothing(len(names)) if is_shut(self._lane.history) else model.forecast("hour", features)
        today, tomorrow = self._days_of(model, names, features.rows)
        left = self._left_of_day()
        sizes = self._order_sizes(features.rows)
        units = {minutes: shorter(hour, minutes, sizes) for minutes in HORIZONS[:-2]}
        units |= {HORIZONS[-2]: hour, HORIZONS[-1]: next_day(today, tomorrow, left)}
        made = []
        for place, name in enumerate(names):
            horizons = {minutes: _at(each, place) for minutes, each in units.items()}
            made.append(self._made(name, features, place, now_ms, horizons, model=model.version, source="model"))
        return made

    def _without(self, names: list[str], features: Features, now_ms: int) -> Iterator[Made]:
        """Forecasts of products that no model forecasts."""
        means = category_means(self._lane)
        for place, name in enumerate(names):
            product = self._shard.products[name]
            last = product.last
            if (
                last is not None
                and last.source in ("model", "cached")
                and self._lane.history.at_ms - last.made_at_ms <= CACHED_FOR_MS
            ):
                yield self._made(
                    name,
                    features,
                    place,
                    now_ms,
                    dict(last.horizons),
                    model=last.model,
                    source="cached",
                    made_at_ms=last.made_at_ms,
                )
            elif product.category in means:
                of_hour, of_day = means[product.category]
                minutes = np.array(HORIZONS[:-1])
                units = by_chance(np.append(of_hour * minutes / 60, of_day))
                horizons = {each: _at(units, number) for number, each in enumerate(HORIZONS)}
                yield self._made(name, features, place, now_ms, horizons, source="category")
            else:
                yield self._made(name, features, place, now_ms, {}, source="base")

    def _made(
        self,
        name: str,
        features: Features,
        place: int,
        now_ms: int,
        horizons: dict[int, Quantities],
        *,
        model: str = "",
        source: Source,
        made_at_ms: int | None = None,
    ) -> Made:
        product, history = self._shard.products[name], self._lane.history
        # Not a number on the first day of a shop.
        usual = float(np.nan_to_num(features.vectors[place, HOUR_28D])) * float(features.scale[place])
        score = demand_score(horizons[60].mean, usual) if 60 in horizons else 0.5
        at_ms = history.at_ms if made_at_ms is None else made_at_ms
        before = product.last.version if product.last else 0
        version = max(before + 1, now_ms)
        forecast = Forecast(name, at_ms, model, source, horizons, score, version)
        product.last = forecast
        self._shard.note_forecast(name)
        ended = self._end_hour(name, forecast)
        values = [None if np.isnan(value) else float(value) for value in features.vectors[place]]
        return Made(forecast, values, ended)

    def _end_hour(self, name: str, forecast: Forecast) -> EndedHour | None:
        """Note the first forecast of an hour. Returns the hour that is over by then."""
        product, history = self._shard.products[name], self._lane.history
        start_ms = history.at_ms - history.at_ms % HOUR_MS
        before = product.hour
        if before is not None and before.start_ms >= start_ms:
            return None
        product.hour = None
        if 60 in forecast.horizons:
            product.hour = HourForecast(start_ms, forecast.horizons[60], forecast.model, forecast.source)
        if before is None or start_ms - before.start_ms > DAY_MS:
            return None
        row = history.rows[name]
        step = np.array([before.start_ms // HOUR_MS], np.int64)
        units = int(history.hours.window([row], step)[0, 0])
        return EndedHour(name, units, before, forecast.version)

    def _days_of(self, model: Forecaster, names: list[str], rows: NDArray[np.int64]) -> tuple[Units, Units]:
        """Forecasts of today and of tomorrow, made of what was known at midnight, once a day."""
        history = self._lane.history
        day = history.at_ms // DAY_MS
        missing = [
            place
            for place, name in enumerate(names)
            if (known := self._days.get(name)) is None or known[:2] != (day, model.version)
        ]
        if missing:
            chosen = rows[missing]
            both = [
                nothing(len(missing))
                if is_closed(history, target)
                else model.forecast("day", day_features(history, chosen, day, target))
                for target in (day, day + 1)
            ]
            for number, place in enumerate(missing):
                self._days[names[place]] = (day, model.version, _at(both[0], number), _at(both[1], number))
        found = [self._days[name] for name in names]
        return _units([each[2] for each in found]), _units([each[3] for each in found])

    def _left_of_day(self) -> float:
        """The share of a day's sales that comes after this time of the day, in the last four weeks."""
        history = self._lane.history
        days = open_days(history, history.at_ms // DAY_MS, 28)
        if not len(days):
            return 1 - (history.at_ms % DAY_MS) / DAY_MS
        steps = (days[:, None] * 24 + np.arange(24)).reshape(-1)
        by_hour = history.hours.window([0], steps)[0].reshape(-1, 24).sum(axis=0)
        now = (history.at_ms % DAY_MS) / HOUR_MS
        weights = np.clip(np.arange(24) + 1 - now, 0, 1)
        total = float(by_hour.sum())
        return float((by_hour * weights).sum()) / total if total else 1.0

    def _order_sizes(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Units of an order, in the last four weeks; 1 where nothing was sold."""
        history = self._lane.history
        day = history.at_ms // DAY_MS
        steps = np.arange(day - 28, day + 1, dtype=np.int64)
        orders = history.day_orders.window(rows, steps).sum(axis=1)
        units = history.days.window(rows, steps).sum(axis=1)
        sizes: NDArray[np.float64] = np.divide(units, orders, out=np.ones(len(rows)), where=orders > 0)
        return sizes


def category_means(lane: Lane) -> dict[str, tuple[float, float]]:
    """By category, the mean of its products in the last four weeks: units of the next hour, and of a day. Made once
    a minute."""
    history = lane.history
    if lane.means_at_ms == history.at_ms:
        return lane.means
    rows = recent_rows(history)
    sums: dict[str, list[float]] = {}
    if len(rows):
        features = hour_features(history, rows)
        hours = features.vectors[:, HOUR_28D] * features.scale
        days = features.vectors[:, UNITS_28D] * features.scale
        for row, hour, day in zip(rows.tolist(), hours.tolist(), days.tolist(), strict=True):
            category = lane.category_of(history.names[row])
            if category and np.isfinite(hour) and np.isfinite(day):
                total = sums.setdefault(category, [0.0, 0.0, 0.0])
                for place, value in enumerate((1.0, hour, day)):
                    total[place] += value
    lane.means_at_ms = history.at_ms
    lane.means = {category: (hour / count, day / count) for category, (count, hour, day) in sums.items()}
    return lane.means


def _only(features: Features, places: NDArray[Any]) -> Features:
    return Features(
        features.rows[places],
        features.vectors[places],
        features.scale[places],
        features.level,
        features.steady[places],
        features.seen[:, places],
    )


def _at(units: Units, place: int) -> Quantities:
    values = (units.p10, units.p50, units.p90, units.mean)
    return Quantities(*(round(float(each[place]), 6) for each in values))


def _units(quantities: list[Quantities]) -> Units:
    columns = zip(*((each.p10, each.p50, each.p90, each.mean) for each in quantities), strict=True)
    return Units(*(np.array(column) for column in columns))
