"""A rule fires once for each crossing, and moves are those of a plain recomputation."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.alerts import Alert, AlertRule, Observed, PriceWindow, RuleDocument, RuleKind, WatchedRule
from market.amounts import UNITS, parse_amount
from market.detectors import Anomaly

JUMP = Anomaly("jump", "critical", "a jump")


def run(rule: AlertRule, prices: list[str]) -> list[Alert | None]:
    watched = WatchedRule(RuleDocument(rule))
    return [
        watched.observe(Observed(seq, parse_amount(price), seq * 1_000_000, True, []))
        for seq, price in enumerate(prices, 1)
    ]


@pytest.mark.parametrize(
    ("kind", "prices", "fires"),
    [
        ("above", ["99", "100", "100.00000001", "101", "100", "100.5"], [3, 6]),
        ("above", ["101", "102"], [1]),
        ("below", ["101", "100", "99.99999999", "98", "100", "99"], [3, 6]),
    ],
)
def test_a_rule_fires_once_for_each_crossing(kind: RuleKind, prices: list[str], fires: list[int]) -> None:
    alerts = run(AlertRule("r", "X", kind, Decimal(100)), prices)
    assert [seq for seq, alert in enumerate(alerts, 1) if alert] == fires


def test_an_alert_says_what_crossed_what() -> None:
    alert = run(AlertRule("r", "X", "above", Decimal("100.50"), webhook="https://x/y"), ["1", "101"])[1]
    assert alert == Alert(
        "r-2", "X", "above", "warning", 2_000_000, "price 101 is above 100.5", 101.0, 100.5, "https://x/y"
    )


def test_a_threshold_may_have_more_digits_than_a_price() -> None:
    alerts = run(AlertRule("r", "X", "above", Decimal("0.000000001")), ["0.00000001"])
    assert alerts[0] is not None


def test_a_price_that_is_not_the_latest_crosses_nothing_but_counts_for_moves() -> None:
    above = WatchedRule(RuleDocument(AlertRule("r", "X", "above", Decimal(1))))
    assert above.observe(Observed(1, 5 * UNITS, 1, False, [])) is None
    move = WatchedRule(RuleDocument(AlertRule("r", "X", "move_percent", Decimal(5), 60)))
    assert move.observe(Observed(1, 100 * UNITS, 2_000_000, True, [])) is None
    assert move.observe(Observed(2, 90 * UNITS, 1_000_000, False, [])) is None
    alert = move.observe(Observed(3, 100 * UNITS, 3_000_000, True, []))
    assert alert is not None
    assert alert.value == pytest.approx(100 / 9)
    assert alert.text == "+11.11 % within 60 s, limit 5 %"


def test_a_move_of_exactly_the_threshold_is_none() -> None:
    alerts = run(AlertRule("r", "X", "move_percent", Decimal(2), 60), ["100", "102", "102.00000001", "98"])
    assert [alert is not None for alert in alerts] == [False, False, True, False]


def test_an_anomaly_fires_once_until_there_is_none() -> None:
    watched = WatchedRule(RuleDocument(AlertRule("r", "X", "anomaly")))
    found = [
        watched.observe(Observed(seq, 5, seq, False, anomalies))
        for seq, anomalies in enumerate([[JUMP], [JUMP], [], [JUMP]], 1)
    ]
    assert [each is not None for each in found] == [True, False, False, True]
    assert found[0] is not None
    assert (found[0].severity, found[0].text, found[0].threshold) == ("critical", "a jump", None)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 50)), min_size=1, max_size=40), st.integers(1, 15))
def test_a_window_in_any_order_has_the_moves_of_a_recomputation(ticks: list[tuple[int, int]], width: int) -> None:
    window = PriceWindow(width, [])
    newest = 0
    for index, (at, price) in enumerate(ticks):
        window.add(at, price)
        restored = PriceWindow(width, window.prices())
        newest = max(newest, at)
        inside = [then for time, then in ticks[: index + 1] if newest - width < time]
        moves = [abs(Fraction(100 * (price - then), then)) for then in inside]
        assert abs(window.largest_move(price)) == abs(restored.largest_move(price)) == max(moves, default=0)
