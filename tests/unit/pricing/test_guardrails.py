"""Guardrails bound every price, also after rounding. If a bound is not usable, the last good price stays."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.errors import BoundsUnusableError
from core.positions import SourcePosition
from pricing.catalogue import CatalogueChange, CatalogueEntry
from pricing.commands import PriceOverride
from pricing.decision import Cause, PriceUpdate
from pricing.guardrails import resolve_bounds
from pricing.policy import parse_policy
from pricing.state.shard import Shard
from tests.support.shards import apply
from tests.support.signals import T0, entry, event, override, update_of

CENTS = st.integers(1, 1_000_000).map(lambda cents: cents / 100)
BOUNDS = st.floats(0.01, 10_000)


def last_price(policy: str, *prices: float, gap_ms: int = 1000) -> PriceUpdate:
    shard = Shard(parse_policy(policy))
    for index, price in enumerate(prices):
        decision = apply(shard, event(price, at_ms=T0 + index * gap_ms))[0]
    return update_of(decision)


@given(CENTS, BOUNDS, BOUNDS)
def test_floor_and_ceiling_hold_after_rounding(price: float, floor: float, ceiling: float) -> None:
    assume(floor + 0.02 < ceiling)
    update = last_price(f"[guardrails]\nfloor = {floor!r}\nceiling = {ceiling!r}", price)
    assert floor <= update.new_price <= ceiling


@given(st.lists(CENTS, min_size=2, max_size=6), st.floats(0.1, 200))
def test_no_step_is_larger_than_the_policy_allows(prices: list[float], percent: float) -> None:
    shard = Shard(parse_policy(f"[guardrails]\nmax_step_percent = {percent!r}"))
    previous = None
    for price in prices:
        update = update_of(apply(shard, event(price))[0])
        if previous is not None:
            assert abs(update.new_price - previous) <= previous * percent / 100 + 1e-9
        previous = update.new_price


def test_the_cooldown_holds_the_price_until_event_time_has_passed() -> None:
    policy = "[guardrails]\ncooldown_s = 60"
    assert last_price(policy, 10, 20, gap_ms=59_999).new_price == 15.0
    assert last_price(policy, 10, 20, gap_ms=60_000).new_price == 27.07


@given(CENTS, st.lists(st.integers(0, 99), min_size=1, max_size=4, unique=True))
def test_prices_end_as_the_policy_says(price: float, endings: list[int]) -> None:
    assume(endings != [0])
    update = last_price(f"[guardrails]\nendings = {endings}", price)
    assert round(update.new_price * 100) % 100 in endings


@given(CENTS, CENTS)
def test_an_ending_never_breaks_a_bound(price: float, ceiling: float) -> None:
    update = last_price(f"[guardrails]\nceiling = {ceiling!r}\nendings = [99]", price)
    assert update.new_price <= ceiling


def test_bounds_come_from_the_catalogue() -> None:
    shard = Shard(parse_policy("[guardrails]\nfloor_margin = 0.5\nceiling_ratio = 2"))
    apply(shard, entry(10.0, unit_cost=8.0))
    assert update_of(apply(shard, event(1))[0]).new_price == 12.0
    assert update_of(apply(shard, event(100))[0]).new_price == 20.0


def test_a_floor_that_is_no_price_keeps_the_last_good_price() -> None:
    # The second cost below gives a floor that is too large for the database columns.
    shard = Shard(parse_policy("[guardrails]\nfloor_margin = 9"))
    apply(shard, entry(10.0, unit_cost=1.0))
    good = update_of(apply(shard, event(10))[0])
    apply(shard, entry(10.0, unit_cost=999_999_999.0))
    assert update_of(apply(shard, event(500))[0]).new_price == good.new_price
    # One by the entry, one by the event.
    assert shard.decider.alerts == {"the floor is above the largest price there is": 2}


def test_a_day_begins_with_its_first_price() -> None:
    shard = Shard(parse_policy("[guardrails]\nceiling_ratio = 2"))
    (no_price,) = apply(shard, event(10))
    assert no_price.update is None
    (first,) = apply(shard, entry(10.0))
    assert (update_of(first).new_price, first.cause, first.day_open) == (15.0, Cause.CATALOGUE, None)
    (second,) = apply(shard, event(10))
    assert second.day_open == update_of(first).new_price


def test_a_missing_bound_keeps_the_last_good_price_and_raises_an_alert() -> None:
    shard = Shard(parse_policy("[guardrails]\nfloor_margin = 0.2"))
    (no_price,) = apply(shard, event(10))
    assert no_price.update is None
    assert shard.decider.alerts == {"unit_cost is missing in the catalogue": 1}
    apply(shard, entry(10.0, unit_cost=5.0))
    good = update_of(apply(shard, event(10))[0])
    apply(shard, entry(10.0))
    held = update_of(apply(shard, event(500))[0])
    assert held.new_price == good.new_price == 17.07
    assert held.adjustments[-1].rule == "held"


@pytest.mark.parametrize(
    ("policy", "fields"),
    [
        ("floor_margin = 0.5\nceiling = 10", {"unit_cost": 9.0}),
        ("floor_margin = 0.5", {"unit_cost": -1.0}),
        ("floor_margin = 0.5", {"unit_cost": float("nan")}),
        ("floor_margin = 0.5", {}),
        ("ceiling_ratio = 2", {"base_price": float("inf")}),
    ],
)
def test_inverted_negative_and_missing_bounds_are_unusable(policy: str, fields: dict[str, Any]) -> None:
    catalogue = CatalogueEntry("A", "Mug", "kitchen", **{"base_price": 10.0, **fields})
    with pytest.raises(BoundsUnusableError):
        resolve_bounds(parse_policy(f"[guardrails]\n{policy}"), catalogue)


def test_an_override_beats_the_rule_but_not_the_floor() -> None:
    shard = Shard(parse_policy("[guardrails]\nfloor = 5\nmax_step_percent = 1\ncooldown_s = 1000\nendings = [99]"))
    apply(shard, event(10))
    update = update_of(apply(shard, override(7.5))[0])
    assert (update.new_price, update.price_source) == (7.5, "override")
    update = update_of(apply(shard, override(2, offset=101))[0])
    assert (update.new_price, update.adjustments[-1].rule) == (5.0, "floor")


@given(st.floats(0.01, 1e6), st.floats(0.01, 1e6), st.floats(0, 3), st.floats(0.5, 3))
def test_an_override_stays_within_the_catalogues_bounds_or_the_price_does_not_change(
    override_price: float, cost: float, margin: float, ratio: float
) -> None:
    shard = Shard(parse_policy(f"[guardrails]\nfloor_margin = {margin!r}\nceiling_ratio = {ratio!r}"))
    catalogue = CatalogueEntry("A", "Mug", "kitchen", base_price=1000.0, unit_cost=cost)
    (before,) = apply(shard, CatalogueChange("A", catalogue, T0, 0))
    position = SourcePosition("overrides", 0, 1)
    (after,) = apply(shard, PriceOverride("A", override_price, "x", "y", T0, None, position))
    if after.update is None:
        assert before.update is None
    elif after.update.adjustments[-1].rule == "held":
        assert before.update is not None
        assert after.update.new_price == before.update.new_price
    else:
        assert cost * (1 + margin) - 1e-6 <= after.update.new_price <= 1000 * ratio + 1e-6
