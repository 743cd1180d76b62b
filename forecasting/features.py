"""Features of products at a moment: the only code that makes any, for training and for serving.

All of it is additions, multiplications, divisions and orders of single rows, so that a row is the same to the bit
whatever else is in its batch. Nothing from the moment on is used: a `History` does not know it. Sales are measured
against `scale`, what the product sells on a usual day, so that one model fits large and small products, also after
the shop has grown."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.timestamps import DAY_MS
from forecasting.calendar import open_days, weekday
from forecasting.demand import AMOUNT_SCALE
from forecasting.history import HOUR_MS, MINUTE_MS, NEVER, History, Ring
from forecasting.names import DAY_FEATURES, HOUR_FEATURES
from forecasting.shop import Shop, shop_level, usual_of
from forecasting.simple import SES_RATE, decayed, quantile, tsb

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

RECENT_DAYS = 28
"""A product is forecast if something of it was sold in so many days."""
LONG_DAYS = 120
CAP_SHARE = 0.985
"""Days above this quantile of a product count as this quantile: an order of a thousand pieces is no habit."""
QUANTILES = (0.1, 0.5, 0.9)
AGE_MAX = 400.0
VALUE_MAX = 1e6


class Features(msgspec.Struct, frozen=True):
    """The features of rows of a history. vectors: (rows, features), NaN for what is not known. scale: units of a
    usual day, (rows). level: what the shop will sell, against a usual day. steady: units by smoothing alone,
    (rows). seen: quantiles 10, 50 and 90 of the last 28 days, (3, rows)."""

    rows: Rows
    vectors: NDArray[np.float32]
    scale: Floats
    level: float
    steady: Floats
    seen: Floats


def recent_rows(history: History, days: int = RECENT_DAYS) -> Rows:
    """The rows of the products of which something was sold in the days before the history's moment, in order."""
    sold = history.last_ms[: len(history.names)] >= history.at_ms - days * DAY_MS
    found = np.flatnonzero(sold)
    return found[found > 0].astype(np.int64)


class _Days:
    """The sums of whole days before a day: only of days on which the shop was open.
    The sums of units are capped."""

    def __init__(self, history: History, rows: Rows, day: int) -> None:
        self.rows = rows
        self.day = day
        self.open = open_days(history, day, LONG_DAYS)
        raw = history.days.window(rows, self.open).astype(np.float64)
        self.orders = history.day_orders.window(rows, self.open).astype(np.float64)
        self.amounts = history.day_amounts.window(rows, self.open).astype(np.float64)
        self.raw = raw
        self.cap = _cap(raw)[:, None]
        self.units = np.minimum(raw, self.cap)
        shop = slice(0, 1)
        self.shop = Shop(history.days.window(shop, self.open)[0], self.open, day)
        self.shop_orders = Shop(history.day_orders.window(shop, self.open)[0], self.open, day)
        first = history.first_ms[rows]
        self.age = np.where(first == NEVER, 0.0, day - first // DAY_MS).astype(np.float64)

    def recent(self, days: int) -> NDArray[np.bool_]:
        """True for the open days that are among the last so many days."""
        return self.open >= self.day - days

    def lived(self, days: int) -> Floats:
        """Open days among the last so many, since the product was first sold; at least 1."""
        starts = self.day - np.minimum(self.age, days)
        return np.maximum(len(self.open) - np.searchsorted(self.open, starts), 1).astype(np.float64)

    def steady(self, target: int) -> Floats:
        """Units of a day by smoothing alone."""
        smoothed: Floats = (decayed(self.units, SES_RATE) + tsb(self.units)) / 2
        return smoothed * self.shop.weekday_factor(target)

    def level(self, target: int) -> float:
        """The forecast of the shop for a day, against a usual one."""
        return shop_level(self.shop, self.shop_orders, target)


def day_features(history: History, rows: Rows, day: int, target: int | None = None) -> Features:
    """Features for the units of a whole day. day: the first day that is not used, days since 1970. target: the day
    that is forecast, if it is a later one."""
    target = day if target is None else target
    days = _Days(history, rows, day)
    count = len(rows)
    if not len(days.open):
        return _nothing_known(rows, DAY_FEATURES)
    # What a day sells that had no sale yet stays a little above 0, so that ratios stay finite.
    of_28, of_56 = days.lived(28), days.lived(56)
    sums = {window: days.units[:, days.recent(window)].sum(axis=1) for window in (7, 14, 28, 56)}
    scale = usual_of(sums[28] / of_28, sums[56] / of_56) + 0.1
    values: dict[str, Any] = {}
    for window, total in sums.items():
        values[f"units_{window}d"] = total / days.lived(window) / scale
    weekdays = _Weekdays(days, target)
    for name, weeks in (("same_weekday_1", slice(0, 1)), ("same_weekday_2", slice(1, 2))):
        values[name] = weekdays.mean(weeks) / scale
    values["same_weekday_4"] = weekdays.mean(slice(0, 4)) / scale
    values["same_weekday_8"] = weekdays.mean(slice(0, 8)) / scale
    for back in (1, 2, 3):
        values[f"units_{back}"] = days.units[:, -back] / scale if len(days.open) >= back else np.full(count, np.nan)
    sold = days.raw > 0
    values["sold_7d"] = sold[:, days.recent(7)].sum(axis=1) / days.lived(7)
    values["sold_28d"] = sold[:, days.recent(28)].sum(axis=1) / of_28
    values["sold_56d"] = sold[:, days.recent(56)].sum(axis=1) / of_56
    orders = days.orders[:, days.recent(28)].sum(axis=1)
    values["orders_28d"] = orders / of_28
    values["units_per_order"] = sums[28] / np.maximum(orders, 1)
    ordered = np.sort(days.units[:, days.recent(28)], axis=1)
    for percent in (10, 25, 50, 75, 90):
        values[f"q{percent}_28d"] = quantile(ordered, percent / 100) / scale
    values["max_28d"] = quantile(ordered, 1.0) / scale
    for name, rate in (("decay_03", 0.03), ("decay_10", 0.1), ("decay_25", 0.25)):
        values[name] = decayed(days.units, rate) / scale
    values["sold_decay"] = decayed(sold.astype(np.float64), 0.1)
    values["days_since_sale"] = _since(sold)
    values["age"] = np.minimum(days.age, AGE_MAX)
    values["scale"] = scale
    # At least one open day is known, and 1 stands for a shop that has rested for weeks.
    shop_28, shop_56 = days.shop.mean(28) or 1.0, days.shop.usual or 1.0
    values["shop_7d"] = days.shop.mean(7) / shop_28
    values["shop_1"] = float(days.shop.sums[-1]) / shop_28
    values["shop_28d"] = shop_28 / shop_56
    values["shop_weekday"] = days.shop.weekday_factor(target)
    values["weekday"] = float(weekday(target))
    values["day_of_month"] = float(target % 30)
    values["closed_before"] = float(target - int(days.open[-1]))
    values |= _prices(days)
    values["stock_cover"] = history.stock[rows] / scale
    seen = np.array([quantile(ordered, share) for share in QUANTILES])
    vectors = _stacked(values, DAY_FEATURES, count)
    return Features(rows, vectors, scale, days.level(target), days.steady(target), seen)


def hour_features(history: History, rows: Rows) -> Features:
    """Features for the units of the 60 minutes from the history's moment on."""
    at_ms = history.at_ms
    today = at_ms // DAY_MS
    days = _Days(history, rows, today)
    if not len(days.open):
        return _nothing_known(rows, HOUR_FEATURES)
    sums = {window: days.units[:, days.recent(window)].sum(axis=1) for window in (7, 28)}
    scale = sums[28] / days.lived(28) + 0.1
    values: dict[str, Any] = {}
    for minutes in (1, 5, 15, 60):
        values[f"units_{minutes}m"] = _last_minutes(history, history.minutes, rows, minutes) / scale
        values[f"orders_{minutes}m"] = _last_minutes(history, history.minute_orders, rows, minutes)
    values["views_60m"] = _last_minutes(history, history.minute_views, rows, 60)
    values["carts_60m"] = _last_minutes(history, history.minute_carts, rows, 60)
    values["units_today"] = _today(history, rows) / scale
    alike = _same_hours(history, rows, days.open[days.recent(28)])
    capped = np.minimum(alike, days.cap)
    values["hour_28d"] = capped.sum(axis=1) / days.lived(28) / scale
    values["hour_7d"] = capped[:, days.open[days.recent(28)] >= today - 7].sum(axis=1) / days.lived(7) / scale
    values["hour_sold_28d"] = (alike > 0).sum(axis=1) / days.lived(28)
    same_weekday = [day for day in days.open[days.recent(28)].tolist() if (today - day) % 7 == 0]
    of_weekday = np.minimum(_same_hours(history, rows, np.array(same_weekday, np.int64)), days.cap)
    values["hour_weekday_4"] = of_weekday.sum(axis=1) / max(len(same_weekday), 1) / scale
    values["units_28d"], values["units_7d"] = sums[28] / days.lived(28) / scale, sums[7] / days.lived(7) / scale
    values["sold_28d"] = (days.raw[:, days.recent(28)] > 0).sum(axis=1) / days.lived(28)
    values["decay_10"] = decayed(days.units, 0.1) / scale
    values["days_since_sale"] = (at_ms - history.last_ms[rows]) / DAY_MS
    values["scale"] = scale
    shop = np.zeros(1, np.int64)
    shop_28 = days.shop.mean(28) or 1.0
    shop_hours = np.minimum(_same_hours(history, shop, days.open[days.recent(28)]), shop_28)
    values["shop_share_28d"] = _mean(shop_hours[0]) / shop_28
    shop_alike = np.minimum(_same_hours(history, shop, np.array(same_weekday, np.int64)), shop_28)
    values["shop_share_weekday"] = _mean(shop_alike[0]) / shop_28
    values["shop_60m"] = _last_minutes(history, history.minutes, shop, 60)[0] / shop_28
    values["shop_today"] = _today(history, shop)[0] / shop_28
    values["shop_weekday"] = days.shop.weekday_factor(today)
    values["weekday"] = float(weekday(today))
    values["hour"] = (at_ms % DAY_MS) / HOUR_MS
    values["stock_cover"] = history.stock[rows] / scale
    prices = _prices(days)
    values["price"], values["price_7d"] = prices["price"], prices["price_7d"]
    hours = np.sort(alike, axis=1)
    seen = np.array([quantile(hours, share) for share in QUANTILES])
    # After a rest of four weeks, nothing is known of the hours of the day.
    share = values["shop_share_28d"] if alike.shape[1] else 1 / 24
    steady, level = days.steady(today) * share, days.level(today) * share
    return Features(rows, _stacked(values, HOUR_FEATURES, len(rows)), scale, level, steady, seen)


class _Weekdays:
    """The units of the same day of the week in the eight weeks before."""

    def __init__(self, days: _Days, target: int) -> None:
        places = {int(day): column for column, day in enumerate(days.open)}
        weeks = [target - 7 * week for week in range(1, 10) if target - 7 * week < days.day][:8]
        self.columns = [places.get(day) for day in weeks]
        self._units = days.units

    def mean(self, weeks: slice) -> Any:
        """The mean over some of the weeks in which the shop was open; NaN if there is none."""
        columns = [column for column in self.columns[weeks] if column is not None]
        if not columns:
            return np.full(len(self._units), np.nan)
        return self._units[:, columns].sum(axis=1) / len(columns)


def _prices(days: _Days) -> dict[str, Any]:
    """The mean price of the last 120 days, and that of 7 and 28 against it; NaN if no price is known."""
    prices = {}
    for window in (7, 28, LONG_DAYS):
        columns = days.recent(window)
        units = days.raw[:, columns].sum(axis=1)
        amounts = days.amounts[:, columns].sum(axis=1)
        prices[window] = np.divide(
            amounts, units * AMOUNT_SCALE, out=np.full(len(units), np.nan), where=amounts > 0
        )
    usual = np.maximum(prices[LONG_DAYS], 0.01)
    return {"price": usual, "price_7d": prices[7] / usual, "price_28d": prices[28] / usual}


def _last_minutes(history: History, ring: Ring, rows: Rows, minutes: int) -> Floats:
    last = history.at_ms // MINUTE_MS
    steps = np.arange(last - minutes, last, dtype=np.int64)
    total: Floats = ring.window(rows, steps).sum(axis=1).astype(np.float64)
    return total


def _today(history: History, rows: Rows) -> Floats:
    """Units from midnight to the moment."""
    last = history.at_ms // HOUR_MS
    steps = np.arange(last - last % 24, last + 1, dtype=np.int64)
    # The history knows nothing of the current hour but what is before the moment.
    total: Floats = history.hours.window(rows, steps).sum(axis=1).astype(np.float64)
    return total


def _same_hours(history: History, rows: Rows, days: Rows) -> Floats:
    """Units in the 60 minutes that begin at the same time of earlier days, as (rows, days). An hour that is cut by
    the moment counts by its share."""
    first = (history.at_ms % DAY_MS) // HOUR_MS
    later = (history.at_ms % HOUR_MS) / HOUR_MS
    units = history.hours.window(rows, days * 24 + first).astype(np.float64)
    if later:
        units = units * (1 - later) + history.hours.window(rows, days * 24 + first + 1) * later
    return units


def _cap(units: Floats) -> Floats:
    """Of each row, the largest sum that counts as habit: a high quantile of its days, or its only sales."""
    if not units.shape[1]:
        return np.zeros(len(units))
    ordered = np.sort(units, axis=1)
    cap = ordered[:, max(int(np.ceil(units.shape[1] * CAP_SHARE)) - 1, 0)]
    return np.where(cap == 0, ordered[:, -1], cap)


def _nothing_known(rows: Rows, names: tuple[str, ...]) -> Features:
    """Before the first day of the shop."""
    count = len(rows)
    vectors = np.full((count, len(names)), np.nan, np.float32)
    return Features(rows, vectors, np.ones(count), 1.0, np.zeros(count), np.zeros((len(QUANTILES), count)))


def _mean(values: Floats) -> float:
    return float(values.sum()) / len(values) if len(values) else 0.0


def _since(sold: NDArray[np.bool_]) -> Floats:
    """Open days since the last sale: 0 if it was on the last of them."""
    since = np.argmax(sold[:, ::-1], axis=1).astype(np.float64)
    return np.where(sold.any(axis=1), since, float(sold.shape[1]))


def _stacked(values: dict[str, Any], names: tuple[str, ...], count: int) -> NDArray[np.float32]:
    matrix = np.empty((count, len(names)), np.float32)
    for column, name in enumerate(names):
        matrix[:, column] = np.minimum(values[name], VALUE_MAX)
    return matrix
