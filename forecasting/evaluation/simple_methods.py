"""The simple methods that a model has to beat, for all products and days at once.

Methods that a library has are the library's (`statsforecast`): exponential smoothing, Croston and TSB. Those by
day of the week are not, because its seasons have a fixed length, and holidays shift them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsforecast import StatsForecast
from statsforecast.models import TSB, CrostonClassic, SimpleExponentialSmoothing

from forecasting.calendar import WEEK
from forecasting.features import QUANTILES
from forecasting.simple import SES_RATE, TSB_RATE

Floats = NDArray[np.float64]

SEASONAL_NAIVE = "seasonal naive"
MEAN_28 = "mean of 28 days"


class Method(NamedTuple):
    """The forecasts of a method. A method without quantiles says its point for all of them."""

    p10: Floats
    p50: Floats
    p90: Floats
    mean: Floats


def point(values: Floats) -> Method:
    """The method of a single number."""
    return Method(values, values, values, values)


def _of(sample: Floats) -> Method:
    """The method of a sample, (products, values): its quantiles and mean."""
    if not sample.shape[1]:
        return point(np.zeros(len(sample)))
    p10, p50, p90 = np.quantile(sample, QUANTILES, axis=1)
    return Method(p10, p50, p90, sample.mean(axis=1))


class DayMethods:
    """Simple methods for the units of a day. units: winsorised, (products, days), of all days from the first to the
    last one that is forecast. Methods for a day use the columns before it."""

    def __init__(self, units: Floats) -> None:
        self._units = units
        self._open = units.sum(axis=0) > 0
        self._smooth = _smoothed(units, self._open)

    def at(self, day: int, places: NDArray[np.int64]) -> dict[str, Method]:
        """All methods by name. day: the column that is forecast."""
        known = self._units[places, :day]
        days = np.flatnonzero(self._open[:day])
        alike = [each for week in range(1, 9) if (each := day - WEEK * week) >= 0 and self._open[each]]
        last_week = known[:, alike[0]] if alike and alike[0] == day - WEEK else known[:, days[-1]]
        methods = {SEASONAL_NAIVE: point(last_week)}
        for window in (7, 14, 28, 56):
            methods[f"quantiles of {window} days"] = _of(known[:, days[days >= day - window]])
        for window in (7, 28, 56):
            methods[f"mean of {window} days"] = point(methods[f"quantiles of {window} days"].mean)
        methods["quantiles of 8 same weekdays"] = _of(known[:, alike])
        methods["mean of 4 same weekdays"] = point(_of(known[:, alike[:4]]).mean)
        return methods | {name: point(values[places, day]) for name, values in self._smooth.items()}


def _smoothed(units: Floats, is_open: NDArray[np.bool_]) -> dict[str, Floats]:
    """The forecasts of the library's methods, one day ahead, for each product and day, from its first sale on."""
    days = np.flatnonzero(is_open)
    first = np.argmax(units > 0, axis=1)
    sold = np.flatnonzero(units.any(axis=1))
    parts = [(row, days[days >= first[row]]) for row in sold.tolist()]
    # Its methods say nothing of fewer than two days.
    parts = [(row, known) for row, known in parts if len(known) > 1]
    table = pd.DataFrame(
        {
            "unique_id": np.concatenate([np.full(len(known), row) for row, known in parts]),
            "ds": np.concatenate([known for _, known in parts]),
            "y": np.concatenate([units[row, known] for row, known in parts]),
        }
    )
    models = {
        "exponential smoothing": SimpleExponentialSmoothing(alpha=SES_RATE),
        "Croston": CrostonClassic(),
        "TSB": TSB(alpha_d=TSB_RATE, alpha_p=TSB_RATE),
    }
    library: Any = StatsForecast(models=list(models.values()), freq=1, n_jobs=1)
    # One step ahead on a grid of open days: the time stamps are numbered, because the closed ones are left out.
    table["ds"] = np.searchsorted(days, table["ds"].to_numpy())
    library.forecast(df=table, h=1, fitted=True)
    fitted = library.forecast_fitted_values()
    rows, columns = fitted["unique_id"].to_numpy(np.int64), days[fitted["ds"].to_numpy(np.int64)]
    found = {}
    for name, model in models.items():
        values = np.zeros(units.shape)
        values[rows, columns] = np.nan_to_num(fitted[str(model)].to_numpy(np.float64))
        found[name] = values
    return found


class HourMethods:
    """Simple methods for the units of 60 minutes: those of the same time of earlier days. units: of a day (days
    since 1970) and a time of the day, all products. days: on which the shop was open."""

    def __init__(self, units: Callable[[int, int], Floats], days: Sequence[int]) -> None:
        self._units = units
        self._days = np.array(days, np.int64)

    def at(self, day: int, start_ms: int, places: NDArray[np.int64]) -> dict[str, Method]:
        """All methods by name, for the hour that begins at a time of a day."""
        known = self._days[(self._days < day) & (self._days >= day - 56)]
        sample = np.stack([self._units(each, start_ms)[places] for each in known.tolist()], axis=1)
        alike = known[(day - known) % WEEK == 0]
        by_weekday = sample[:, np.isin(known, alike)]
        last = by_weekday[:, -1:] if len(alike) and alike[-1] == day - WEEK else sample[:, -1:]
        return {
            "same hour a week before": _of(last),
            "same hour of 28 days": _of(sample[:, known >= day - 28]),
            "same hour of 56 days": _of(sample),
            "same hour of 8 same weekdays": _of(by_weekday),
            "nothing": point(np.zeros(len(places))),
        }
