"""Prices, bounds, endings and texts are in whole minor units of the currency, for none, two and three decimals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PolicyError
from core.money import money_text, scale_of
from core.positions import SourcePosition
from pricing.commands import Freeze
from pricing.explanation import explain
from pricing.policy import parse_policy
from pricing.state.shard import Shard
from tests.support.shards import apply
from tests.support.signals import T0, entry, event, override, update_of

DECIMALS = {"GBP": 2, "JPY": 0, "KRW": 0, "KWD": 3, "TND": 3, "CLF": 4, "USD": 2}


def prices_of(policy: str, *signals: object) -> list[tuple[float, list[float]]]:
    """Price and amounts after each signal."""
    shard = Shard(parse_policy(policy))
    updates = [update_of(decision) for signal in signals for decision in apply(shard, signal)]  # type: ignore[arg-type]
    return [(update.new_price, [adjustment.amount for adjustment in update.adjustments]) for update in updates]


@pytest.mark.parametrize(("currency", "decimals"), DECIMALS.items())
def test_the_scale_is_that_of_iso_4217(currency: str, decimals: int) -> None:
    assert scale_of(currency) == 10**decimals
    assert parse_policy(f'currency = "{currency}"').scale == 10**decimals


@pytest.mark.parametrize("currency", ["XAU", "XXX", "ABC", "gbp", "GB", "", "POUND", "ＧＢＰ"])
def test_what_is_no_currency_with_a_minor_unit_is_refused(currency: str) -> None:
    with pytest.raises(PolicyError, match="ISO 4217"):
        parse_policy(f'currency = "{currency}"')


def test_a_yen_has_no_decimals() -> None:
    two_views = prices_of('currency = "JPY"', event(100), event(104.18, at_ms=T0 + 1))
    assert two_views == [(105.0, [100.0, 5.0]), (111.0, [104.0, 7.0])]


def test_a_dinar_has_three_decimals() -> None:
    two_views = prices_of('currency = "KWD"\n[demand]\nfactor = 0.1', event(1.234), event(1.234, at_ms=T0 + 1))
    assert two_views == [(1.334, [1.234, 0.1]), (1.375, [1.234, 0.141])]


@given(st.sampled_from([*DECIMALS]), st.lists(st.floats(0.5, 1e6), min_size=1, max_size=5))
def test_amounts_are_whole_minor_units_and_add_up(currency: str, prices: list[float]) -> None:
    scale = 10 ** DECIMALS[currency]
    policy = f'currency = "{currency}"\n[guardrails]\nmax_step_percent = 10.3\nceiling = 900000.55555'
    for price, amounts in prices_of(policy, *(event(price) for price in prices)):
        units = [round(amount * scale) for amount in amounts]
        assert [unit / scale for unit in units] == amounts
        assert sum(units) == round(price * scale)
        assert round(price * scale) / scale == price


@pytest.mark.parametrize(
    ("currency", "floor", "lowest"), [("JPY", 20.2, 21.0), ("GBP", 20.202, 20.21), ("KWD", 20.2002, 20.201)]
)
def test_a_bound_is_rounded_inwards(currency: str, floor: float, lowest: float) -> None:
    policy = f'currency = "{currency}"\n[guardrails]\nfloor = {floor}'
    assert prices_of(policy, event(1.0))[0][0] == lowest


@pytest.mark.parametrize(
    ("currency", "endings", "price", "expected"),
    [
        ("JPY", "[80, 99]", 1234.0, 1199.0),
        ("JPY", "[80, 99]", 1250.0, 1280.0),
        ("JPY", "[0]", 1250.0, 1300.0),
        ("GBP", "[99]", 4.2, 8.99),
        ("KWD", "[990, 500]", 1.1, 5.99),
        ("KWD", "[250]", 1.1, 6.25),
    ],
)
def test_endings_count_in_minor_units(currency: str, endings: str, price: float, expected: float) -> None:
    policy = f'currency = "{currency}"\n[guardrails]\nendings = {endings}'
    assert prices_of(policy, event(price))[0][0] == expected


@pytest.mark.parametrize(("currency", "last"), [("JPY", 99), ("GBP", 99), ("KWD", 999), ("CLF", 9999)])
def test_the_last_possible_ending(currency: str, last: int) -> None:
    policy = f'currency = "{currency}"\n[guardrails]\nendings = '
    assert parse_policy(f"{policy}[{last}]").guardrails.endings == (last,)
    with pytest.raises(PolicyError, match=f"from 0 to {last}"):
        parse_policy(f"{policy}[{last + 1}]")


@pytest.mark.parametrize(
    ("currency", "price", "amounts"),
    [("JPY", 8.0, [10.0, -2.0]), ("GBP", 7.89, [10.0, -2.11]), ("KWD", 7.889, [9.999, -2.11])],
)
def test_an_override_is_in_minor_units_also_after_events_under_it(
    currency: str, price: float, amounts: list[float]
) -> None:
    shard = Shard(parse_policy(f'currency = "{currency}"'))
    apply(shard, entry(base_price=5.5555))
    assert update_of(apply(shard, override(7.8888))[0]).new_price == price
    apply(shard, event(9.9994))
    state = shard.get("A")
    assert state is not None
    assert (state.price, [adjustment.amount for adjustment in state.adjustments]) == (price, amounts)


@pytest.mark.parametrize(
    ("currency", "price", "amounts"),
    [("JPY", 11.0, [10.0, 1.0]), ("GBP", 10.56, [10.0, 0.56]), ("KWD", 10.556, [9.999, 0.557])],
)
def test_a_freeze_holds_a_price_in_minor_units(currency: str, price: float, amounts: list[float]) -> None:
    shard = Shard(parse_policy(f'currency = "{currency}"'))
    apply(shard, event(5.5555))
    apply(shard, Freeze("all", "stop", "ann", T0, SourcePosition("price-freezes", 0, 1), True))
    apply(shard, event(9.9994, at_ms=T0 + 1))
    state = shard.get("A")
    assert state is not None
    assert (state.price, [adjustment.amount for adjustment in state.adjustments]) == (price, amounts)


def test_amounts_in_texts_have_the_decimals_of_the_currency() -> None:
    assert [money_text(1234.5, scale) for scale in (1, 100, 1000)] == ["1,234", "1,234.50", "1,234.500"]
    shard = Shard(parse_policy('currency = "JPY"'))
    update = update_of(apply(shard, event(1200))[0])
    text = explain(update.new_price, 1100.0, update.demand, update.price_source, update.adjustments, scale=1)
    assert "1,205" in text
    assert "1,100" in text
    assert ".00" not in text
