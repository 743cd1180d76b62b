"""Corrections: products whose state has times from the future are mended."""

import msgspec
import pytest

from core.event_clock import EventClock
from pricing.commands import Freeze, OverrideRemoval, ProductCorrection
from pricing.decision import Cause
from pricing.policy import PricingPolicy, parse_policy
from pricing.state.shard import Shard
from tests.support.shards import apply
from tests.support.signals import POSITION, T0, entry, event, override, update_of

HALF_LIFE = 'half_life_s = 1800\nlate_events = "count"'
SHOP = parse_policy(f"[demand]\n{HALF_LIFE}\n[guardrails]\ncooldown_s = 60")
DAY_MS = 86_400_000
FAR_MS = T0 + 365 * 70 * DAY_MS


def correction(demand: float | None = None, at_ms: int = T0 + 1000) -> ProductCorrection:
    return ProductCorrection("A", at_ms, demand, 70)


def poisoned(policy: PricingPolicy = SHOP) -> Shard:
    """A shard from before events had an upper bound: one came from the future."""
    shard = Shard(policy)
    apply(shard, *[event(10.0, "purchase") for _ in range(250)], event(12.0, at_ms=FAR_MS))
    # Snapshots of that time have no clock.
    shard.clock = EventClock(T0)
    return shard


def test_without_a_correction_one_event_from_the_future_ends_demand_and_prices() -> None:
    shard = poisoned()
    decisions = apply(shard, *[event(10.0, "purchase", T0 + number) for number in range(100)])
    assert {each.cause for each in decisions} == {Cause.LATE}
    assert update_of(decisions[-1]).demand == 1.0


def test_a_correction_gives_demand_and_prices_back() -> None:
    shard = poisoned()
    (mended,) = apply(shard, correction(demand=1249.0))
    update = update_of(mended)
    assert (mended.cause, update.version, update.event_time_ms) == (Cause.CORRECTED, 252, T0 + 1000)
    assert (update.demand, update.new_price) == (1249.0, round(12 + 5 * 1249**0.5, 2))
    # The next event is not late, its demand adds up, no cooldown holds its price, and the day is the day of today.
    (after,) = apply(shard, event(10.0, "view", T0 + 61_000))
    assert (after.cause, update_of(after).demand) == (Cause.EVENT, 1249.0 * 0.5 ** (60 / 1800) + 1)
    assert update_of(after).new_price == round(10 + 5 * update_of(after).demand ** 0.5, 2)
    state = shard.get("A")
    assert state is not None
    assert (state.day, state.day_open) == (T0 // DAY_MS, mended.day_open)


def test_a_correction_that_changes_no_price_still_ends_a_cooldown_from_the_future() -> None:
    shard = poisoned()
    (mended,) = apply(shard, correction())
    assert update_of(mended).new_price == update_of(mended).previous_price
    (after,) = apply(shard, event(30.0, at_ms=T0 + 1000 + 60_000))
    assert (after.cause, update_of(after).adjustments[0].amount) == (Cause.EVENT, 30.0)
    assert update_of(after).new_price == round(30 + 5 * update_of(after).demand ** 0.5, 2)


@pytest.mark.parametrize("demand", [None, 7.0])
def test_a_second_correction_changes_the_version_alone(demand: float | None) -> None:
    shard = poisoned()
    (first,) = apply(shard, correction(demand))
    (second,) = apply(shard, correction(demand))
    before, after = update_of(first), update_of(second)
    same = msgspec.structs.replace(after, version=before.version, previous_price=before.previous_price)
    assert same == before
    assert after.version == before.version + 1
    assert after.demand == (1.0 if demand is None else demand)


def test_a_product_in_the_past_keeps_its_times() -> None:
    shard = Shard(SHOP)
    apply(shard, event(10.0))
    before = msgspec.structs.replace(shard.get("A"))  # type: ignore[type-var]
    (mended,) = apply(shard, correction(at_ms=FAR_MS))
    state = shard.get("A")
    assert state is not None
    for name in ("demand", "demand_time_ms", "base_time_ms", "event_time_ms", "changed_at_ms", "day", "price"):
        assert getattr(state, name) == getattr(before, name)
    assert mended.version == 2


def test_an_override_and_a_freeze_hold_the_price_of_a_corrected_product() -> None:
    shard = poisoned()
    apply(shard, override(9.0))
    (held,) = apply(shard, correction(50.0))
    assert (held.cause, update_of(held).new_price, update_of(held).demand) == (Cause.UNDER_OVERRIDE, 9.0, 50.0)
    (removed,) = apply(shard, OverrideRemoval("A", T0 + 5000, 7))
    assert update_of(removed).new_price == round(12 + 5 * 50**0.5, 2)
    (frozen,) = apply(shard, Freeze("all", "r", "s", T0, POSITION, True), correction(2.0))
    assert (frozen.cause, update_of(frozen).new_price) == (Cause.UNDER_FREEZE, update_of(removed).new_price)
    state = shard.get("A")
    assert state is not None
    assert (state.held, state.version) == (True, 255)


def test_a_product_that_only_the_catalogue_knows_and_one_that_nothing_knows() -> None:
    shard = Shard(SHOP)
    assert apply(shard, correction()) == []
    assert len(shard) == 0
    apply(shard, entry(4.0))
    (mended,) = apply(shard, correction())
    assert (update_of(mended).new_price, update_of(mended).price_source) == (4.0, "base")


def test_a_correction_is_in_the_next_snapshot() -> None:
    shard = poisoned()
    whole = shard.snapshot()
    apply(shard, correction(9.0))
    changes = shard.changes()
    assert changes is not None
    assert Shard(SHOP, whole, changes).get("A") == shard.get("A")
