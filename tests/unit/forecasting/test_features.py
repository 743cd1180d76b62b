"""Features: nothing of the future, the same to the bit in any batch, and what they say."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.timestamps import DAY_MS
from forecasting.calendar import is_closed, is_quiet, open_days, weekday
from forecasting.demand import Demand
from forecasting.features import Features, day_features, hour_features, recent_rows
from forecasting.history import DAYS, HOUR_MS, MINUTE_MS, History, Sold
from forecasting.names import DAY_FEATURES, HOUR_FEATURES
from forecasting.replay import Actual, Replay, known_before, sold_of, winsor_caps
from tests.support.small_shop import START, START_MS, demand_of_shop

AT = START_MS + 100 * DAY_MS + 11 * HOUR_MS + 17 * MINUTE_MS


def both(history: History, rows: "np.ndarray[tuple[int], np.dtype[np.int64]] | None" = None) -> list[Features]:
    rows = recent_rows(history) if rows is None else rows
    return [day_features(history, rows, history.at_ms // DAY_MS), hour_features(history, rows)]


def assert_equal(one: list[Features], other: list[Features]) -> None:
    for mine, theirs in zip(one, other, strict=True):
        for name in Features.__struct_fields__:
            a, b = np.asarray(getattr(mine, name)), np.asarray(getattr(theirs, name))
            assert a.tobytes() == b.tobytes(), name


def until(at_ms: int) -> History:
    return Replay(demand_of_shop()).until(at_ms)


def test_the_future_changes_nothing() -> None:
    """Sales and cancellations from the moment on are fed, before and after the moment is reached."""
    known = both(until(AT))
    rng = random.Random(1)
    history = History()
    future = [Sold(f"{20000 + rng.randrange(60)}", AT + rng.randrange(90 * DAY_MS), 500, 1, 1) for _ in range(500)]
    for sold in future[:250]:
        history.add(sold)
    for each in demand_of_shop():
        if each.at_ms < AT:
            history.add(sold_of(each))
            if each.cancelled_at_ms is not None:
                history.add(sold_of(each).taken_back(), each.cancelled_at_ms)
    history.advance(AT)
    for sold in future[250:]:
        history.add(sold)
    assert_equal(both(history), known)
    history.advance(AT + MINUTE_MS)
    assert both(history)[1].vectors.tobytes() != known[1].vectors.tobytes()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 90), st.integers(0, 24 * 60))
def test_arrivals_in_any_order_and_any_batches_give_the_same_bits(seed: int, day: int, minute: int) -> None:
    at_ms = START_MS + day * DAY_MS + minute * MINUTE_MS
    expected = both(until(at_ms))
    rng = random.Random(seed)
    sales = [each for each in demand_of_shop() if each.at_ms < at_ms]
    rng.shuffle(sales)
    history = History()
    # Some are late, but not older than what is kept.
    history.advance(at_ms)
    for each in sales:
        history.add(sold_of(each))
        if each.cancelled_at_ms is not None:
            history.add(sold_of(each).taken_back(), each.cancelled_at_ms)
    rows = recent_rows(history)
    assert [history.names[row] for row in sorted(rows)] != [] or day == 1
    names = {history.names[row]: row for row in rows.tolist()}
    other = until(at_ms)
    order = [names[other.names[row]] for row in recent_rows(other).tolist()]
    in_order = np.array(order, np.int64)
    found = both(history, in_order)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.vectors.tobytes() == theirs.vectors.tobytes()
        assert mine.steady.tobytes() == theirs.steady.tobytes()
    for part in np.array_split(in_order, 3):
        for whole, piece in zip(found, both(history, part), strict=True):
            places = np.isin(in_order, part)
            assert piece.vectors.tobytes() == whole.vectors[places].tobytes()
            assert piece.scale.tobytes() == whole.scale[places].tobytes()
            assert piece.seen.tobytes() == np.ascontiguousarray(whole.seen[:, places]).tobytes()


def test_the_figures_of_a_product() -> None:
    """Two units on each of the last 20 open days, 5 of them in the last quarter of an hour."""
    history = History()
    today = START + 60
    for day in range(today - 60, today):
        if weekday(day) != 5:
            history.add(Sold("p", day * DAY_MS + 10 * HOUR_MS, 2, 2 * 15_000))
    now = today * DAY_MS + 10 * HOUR_MS
    history.add(Sold("p", now - 10 * MINUTE_MS, 5, 5 * 15_000))
    history.advance(now)
    history.add_interest("p", now - MINUTE_MS, views=3, carts=1)
    history.set_stock("p", 21)
    row = np.array([history.row("p")], np.int64)
    of_day = dict(zip(DAY_FEATURES, day_features(history, row, today).vectors[0].tolist(), strict=True))
    of_hour = dict(zip(HOUR_FEATURES, hour_features(history, row).vectors[0].tolist(), strict=True))
    usual = pytest.approx(2 / 2.1)
    for name in ("units_7d", "units_28d", "units_1", "same_weekday_4", "q50_28d", "decay_03", "decay_25"):
        assert of_day[name] == usual, name
    assert (of_day["sold_28d"], of_day["orders_28d"], of_day["units_per_order"]) == (1, 1, 2)
    assert (of_day["price"], of_day["price_7d"], of_day["days_since_sale"]) == (1.5, 1, 0)
    assert of_day["stock_cover"] == pytest.approx(10)
    assert of_day["shop_weekday"] == pytest.approx(1)
    assert (of_hour["units_5m"], of_hour["units_15m"], of_hour["orders_15m"]) == (0, pytest.approx(5 / 2.1), 1)
    assert (of_hour["views_60m"], of_hour["carts_60m"]) == (3, 1)
    assert of_hour["hour_28d"] == usual
    assert of_hour["shop_share_28d"] == pytest.approx(1)
    assert of_hour["units_today"] == pytest.approx(5 / 2.1)


def test_a_large_order_is_no_habit() -> None:
    demand = demand_of_shop()
    odd = Demand("20005", START_MS + 80 * DAY_MS + 10 * HOUR_MS, 70_000, 1.0)
    before, after = (Replay(each).until(AT) for each in (demand, sorted([*demand, odd], key=lambda x: x.at_ms)))
    units = [day_features(history, np.array([history.row("20005")]), AT // DAY_MS) for history in (before, after)]
    assert units[1].scale[0] < 3 * units[0].scale[0]
    assert units[1].steady[0] < 3 * units[0].steady[0]


def test_closed_days_and_quiet_hours_are_seen() -> None:
    history = until(AT)
    saturday = next(day for day in range(AT // DAY_MS, AT // DAY_MS + 7) if weekday(day) == 5)
    assert [is_closed(history, saturday + each) for each in range(7)] == [True, *([False] * 6)]
    assert not is_closed(until(START_MS + 10 * DAY_MS), START + 12)  # It has seen one Saturday.
    assert all(weekday(int(day)) != 5 for day in open_days(history, AT // DAY_MS, 100))
    day_ms = AT // DAY_MS * DAY_MS
    quiet = [is_quiet(history, day_ms + hour * HOUR_MS, day_ms + (hour + 1) * HOUR_MS) for hour in range(24)]
    assert quiet == [True] * 8 + [False] * 10 + [True] * 6
    assert not is_quiet(History(), 0, HOUR_MS)


def test_a_shop_that_has_rested_for_weeks_is_forecast_all_the_same() -> None:
    history = Replay(demand_of_shop()).until(START_MS + 190 * DAY_MS + 11 * HOUR_MS)
    history.add(Sold("20039", history.at_ms, 3, 30))
    history.advance(history.at_ms + 17 * MINUTE_MS)
    (row,) = recent_rows(history)
    _, features = both(history)
    assert history.names[row] == "20039"
    assert features.steady[0] > 0
    assert features.level > 0


def test_a_shop_without_a_sale_has_features_of_nothing() -> None:
    history = History()
    history.advance(AT)
    assert len(recent_rows(history)) == 0
    history.set_stock("p", 5)
    for features in both(history, np.array([history.row("p")], np.int64)):
        assert np.isnan(features.vectors).all()
        assert features.steady.tolist() == [0]


def test_what_is_too_old_is_forgotten_and_sums_stay_in_bounds() -> None:
    history = History()
    history.advance(START_MS + 200 * DAY_MS)
    history.add(Sold("p", START_MS + (200 - DAYS) * DAY_MS, 5, 5))
    assert history.days.sums[history.row("p")].sum() == 0
    for _ in range(2):
        history.add(Sold("p", START_MS + 199 * DAY_MS, 2**40, 1))
    assert history.days.sums[history.row("p")].max() == (2**31 - 1) // 2
    history.add(Sold("p", START_MS + 198 * DAY_MS, -5, -5))
    assert history.days.sums.min() == 0
    for number in range(700):  # More rows than there were.
        history.add(Sold(f"{number}", START_MS + 199 * DAY_MS, 1, 1))
    assert len(recent_rows(history)) == 701


def test_what_is_cancelled_after_the_end_is_not_known_before_it() -> None:
    cut_ms = START_MS + 100 * DAY_MS
    sale = Demand("p", cut_ms - HOUR_MS, 5, 1.0, cut_ms + HOUR_MS)
    gone = Demand("p", cut_ms - HOUR_MS, 7, 1.0, cut_ms - MINUTE_MS)
    later = Demand("p", cut_ms, 9, 1.0)
    assert [(each.units, each.cancelled_at_ms) for each in known_before([gone, sale, later], cut_ms)] == [
        (7, cut_ms - MINUTE_MS),
        (5, None),
    ]


def test_actual_units_leave_cancelled_sales_out() -> None:
    actual = Actual(demand_of_shop())
    days = actual.days(START, START + 9)
    kept = [
        each for each in demand_of_shop() if each.cancelled_at_ms is None and each.at_ms < START_MS + 10 * DAY_MS
    ]
    assert days.sum() == sum(each.units for each in kept)
    place = actual.places(["20003", "unknown"])
    assert days[place[1]].sum() == 0
    assert days[place[0]].sum() == sum(each.units for each in kept if each.product_id == "20003")
    caps = winsor_caps(days)
    assert caps[place[1]] == np.inf
    assert actual.orders(START_MS, START_MS + 10 * DAY_MS).sum() == days.sum()
