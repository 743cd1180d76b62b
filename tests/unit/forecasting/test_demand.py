"""Demand out of invoices: returns, cancellations, free items and charges."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.generators.invoices import read_invoices
from core.timestamps import DAY_MS, parse_rfc3339
from forecasting.demand import CANCELLED_WITHIN_MS, Demand, SoldLine, demand_of, is_product
from tests.support.pipeline import ROOT

YEAR = ROOT / "data" / "online-retail-2010-12-to-2011-10.csv.gz"


def line(
    units: int, at_ms: int = 0, *, product: str = "22086", price: float = 2.0, who: str | None = "c"
) -> SoldLine:
    return SoldLine(product, at_ms, units, price, who)


def left(*lines: SoldLine) -> list[tuple[int, int | None]]:
    return [(each.at_ms, each.cancelled_at_ms) for each in demand_of(lines)]


def test_free_items_charges_and_nothing_are_no_demand() -> None:
    assert demand_of([line(6, price=0.0), line(1, product="POST"), line(1, product="M"), line(0)]) == []
    assert [is_product(code) for code in ("22086", "85123A", "15056BL", "C2", "DOT", "1234", "BANK CHARGES")] == [
        *([True] * 3),
        *([False] * 4),
    ]


def test_a_cancellation_within_a_day_takes_back_the_latest_equal_sale() -> None:
    assert left(line(6, 0), line(6, 10), line(-6, 20)) == [(0, None), (10, 20)]
    assert left(line(6, 0), line(6, 10), line(-6, 20), line(-6, 30)) == [(0, 30), (10, 20)]
    assert left(line(6, 5), line(-6, 5)) == [(5, 5)]
    last = CANCELLED_WITHIN_MS
    assert left(line(6, 0), line(-6, last)) == [(0, last)]


@pytest.mark.parametrize(
    "other",
    [
        line(-6, CANCELLED_WITHIN_MS + 1),
        line(-5, 20),
        line(-6, 20, who="another"),
        line(-6, 20, who=None),
        line(-6, 20, product="22087"),
    ],
)
def test_every_other_return_leaves_the_demand(other: SoldLine) -> None:
    assert left(line(6, 0), other) == [(0, None)]


def test_customers_who_are_not_known_cancel_nothing() -> None:
    assert left(line(6, 0, who=None), line(-6, 20, who=None)) == [(0, None)]


def test_a_cancellation_is_known_from_its_moment_on() -> None:
    sale = Demand("22086", 10, 6, 2.0, cancelled_at_ms=20)
    assert [sale.is_known(at_ms) for at_ms in (10, 11, 20, 21)] == [False, True, True, False]


lines = st.lists(
    st.builds(
        line,
        st.integers(-3, 3),
        st.integers(0, 3).map(lambda half_days: half_days * DAY_MS // 2),
        who=st.sampled_from(["a", "b", None]),
        product=st.sampled_from(["22086", "22087", "POST"]),
    ),
    max_size=25,
)


@given(lines, st.randoms(use_true_random=False))
def test_the_order_of_lines_does_not_matter(given_lines: list[SoldLine], chance: random.Random) -> None:
    shuffled = list(given_lines)
    chance.shuffle(shuffled)
    assert sorted(map(repr, demand_of(shuffled))) == sorted(map(repr, demand_of(given_lines)))


@given(lines)
def test_each_line_below_zero_cancels_one_sale_at_most(given_lines: list[SoldLine]) -> None:
    found = demand_of(given_lines)
    cancelled = [each for each in found if each.cancelled_at_ms is not None]
    returns = [each for each in given_lines if each.units < 0 and each.customer and is_product(each.product_id)]
    assert len(cancelled) <= len(returns)
    assert len(found) == sum(each.units > 0 and is_product(each.product_id) for each in given_lines)


def year() -> Iterator[SoldLine]:
    for each in read_invoices(YEAR):
        yield SoldLine(each.stock_code, each.event_time_ms, each.quantity, each.price, each.customer)


def test_the_real_year() -> None:
    found = demand_of(year())
    (mistake,) = [each for each in found if each.units == 74_215]
    assert mistake.at_ms == parse_rfc3339("2011-01-18T10:01:00Z")
    assert mistake.cancelled_at_ms == parse_rfc3339("2011-01-18T10:17:00Z")
    counted = [each for each in found if each.cancelled_at_ms is None]
    assert max(each.units for each in counted) < 10_000
    assert len(found) > 415_000
    # Cancellations within a day are few: most lines below zero are returns of weeks before.
    assert 500 < len(found) - len(counted) < 5_000
    # The shop sells nothing on Saturdays (1970-01-01 was a Thursday).
    assert {(each.at_ms // DAY_MS + 3) % 7 for each in found} == {0, 1, 2, 3, 4, 6}
