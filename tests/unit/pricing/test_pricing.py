"""The price of a product: the formula, overrides, the catalogue, and adjustments that add up."""

from math import sqrt

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.money import DIGITS, difference, round_money
from core.positions import SourcePosition
from pricing.batches import EventBatch, Signal
from pricing.catalogue import CatalogueChange, CatalogueEntry
from pricing.commands import Freeze, OverrideRemoval, PriceOverride
from pricing.decision import Cause, encode_update
from pricing.explanation import bound_by, explain
from pricing.policy import default_policy, parse_policy
from pricing.state.shard import Shard
from tests.support.shards import NOW_MS as NOW
from tests.support.shards import apply
from tests.support.signals import PRICES, T0, TYPES, WEIGHTS, entry, event, override, update_of


def test_the_default_formula() -> None:
    shard = Shard(default_policy())
    updates = [update_of(d) for d in apply(shard, event(10), event(10, "cart"), event(12, "purchase"))]
    assert [u.new_price for u in updates] == [15.0, 20.0, 27.0]
    assert [u.demand for u in updates] == [1, 4, 9]
    assert [u.version for u in updates] == [1, 2, 3]
    assert [u.previous_price for u in updates] == [None, 15.0, 20.0]
    assert updates[0].timestamp == 1_700_000_000


@given(st.lists(st.tuples(TYPES, PRICES), min_size=1, max_size=12))
def test_every_price_is_the_formula_and_adds_up_to_the_cent(events: list[tuple[str, float]]) -> None:
    shard = Shard(default_policy())
    demand = 0.0
    for index, (event_type, price) in enumerate(events):
        demand += WEIGHTS[event_type]
        update = update_of(apply(shard, event(price, event_type))[0])
        assert update.new_price == round(price + 5 * sqrt(demand), 2)
        assert update.adjustments[0].amount == round(price, 2)
        assert update.version == index + 1


def test_an_override_holds_while_demand_goes_on_and_its_removal_restores_the_price() -> None:
    shard = Shard(default_policy())
    apply(shard, event(10))
    (set_,) = apply(shard, override(99))
    assert (set_.cause, update_of(set_).price_source, update_of(set_).new_price) == (
        "override_set",
        "override",
        99.0,
    )
    (under,) = apply(shard, event(20, "cart"))
    assert under.cause == Cause.UNDER_OVERRIDE
    assert (update_of(under).new_price, update_of(under).demand, update_of(under).version) == (99.0, 4.0, 3)
    (removed,) = apply(shard, OverrideRemoval("A", T0 + 5000, 7))
    assert (removed.cause, update_of(removed).price_source) == ("override_removed", "dynamic")
    assert (update_of(removed).new_price, update_of(removed).version) == (30.0, 4)
    assert update_of(removed).previous_price == 99.0
    assert removed.position.offset == 7
    assert removed.ended is not None
    assert removed.ended.removed_at_ms == T0 + 5000


def test_removing_what_is_not_there_changes_nothing() -> None:
    shard = Shard(default_policy())
    apply(shard, event(10))
    assert apply(shard, OverrideRemoval("A", T0, 1), OverrideRemoval("unknown", T0, 2)) == []
    assert update_of(apply(shard, event(10))[0]).version == 2


def test_an_override_ends_when_its_time_has_passed() -> None:
    shard = Shard(default_policy())
    apply(shard, event(10), override(99, expires_ms=NOW + 500))
    assert shard.next_expiry_ms() == NOW + 500
    assert shard.expire(NOW + 499) == []
    (expired,) = shard.expire(NOW + 500)
    assert (expired.cause, expired.position.topic, expired.position.offset) == (
        "override_expired",
        "overrides",
        100,
    )
    assert update_of(expired).new_price == 15.0
    assert update_of(expired).event_time_ms == NOW + 500
    assert shard.expire(NOW + 10_000) == []


def test_a_replaced_override_does_not_expire_later() -> None:
    shard = Shard(default_policy())
    apply(shard, event(10), override(99, expires_ms=NOW + 500))
    (second,) = apply(shard, override(50, offset=101))
    assert second.ended is not None
    assert second.ended.override.position.offset == 100
    assert shard.expire(NOW + 1000) == []
    state = shard.get("A")
    assert state is not None
    assert state.price == 50.0


def test_the_catalogue_gives_a_base_price_until_the_first_event() -> None:
    shard = Shard(default_policy())
    (known,) = apply(shard, entry(4.0))
    assert (update_of(known).new_price, update_of(known).price_source, known.version) == (4.0, "base", 1)
    assert known.cause == Cause.CATALOGUE
    (set_,) = apply(shard, override(9))
    assert update_of(set_).previous_price == 4.0
    (removed,) = apply(shard, OverrideRemoval("A", T0, 1))
    assert (update_of(removed).price_source, update_of(removed).new_price) == ("base", 4.0)
    assert update_of(apply(shard, event(10))[0]).new_price == 15.0
    (changed,) = apply(shard, entry(8.0))
    assert (update_of(changed).new_price, changed.cause, changed.version) == (15.0, Cause.DESCRIBED, 4)


def test_a_product_that_nobody_knows_any_more_has_no_price() -> None:
    shard = Shard(default_policy())
    apply(shard, override(9))
    (removed,) = apply(shard, OverrideRemoval("A", T0, 1))
    assert removed.update is None
    apply(shard, entry(4.0))
    (forgotten,) = apply(shard, CatalogueChange("A", None, T0, 5))
    assert forgotten.update is None
    assert forgotten.forgotten


def test_demand_fades_by_event_time_and_late_events_count_what_is_left_of_them() -> None:
    policy = parse_policy("[demand]\nhalf_life_s = 60")
    early, late = event(10, at_ms=T0), event(10, at_ms=T0 + 60_000)
    for order in ((early, late), (late, early)):
        shard = Shard(policy)
        apply(shard, *order)
        state = shard.get("A")
        assert state is not None
        assert state.demand == pytest.approx(1.5)


@given(st.lists(st.tuples(TYPES, PRICES, st.booleans()), max_size=10))
def test_a_shard_restored_from_its_snapshot_goes_on_as_if_nothing_had_happened(
    steps: list[tuple[str, float, bool]],
) -> None:
    policy = parse_policy("[demand]\nhalf_life_s = 60\n[guardrails]\nmax_step_percent = 30\ncooldown_s = 5")
    steady, restored = Shard(policy), Shard(policy)
    documents: list[bytes] = []
    for index, (event_type, price, set_override) in enumerate(steps):
        signal: Signal = (
            override(price, index, NOW + index) if set_override else event(price, event_type, T0 + index)
        )
        assert apply(steady, signal) == apply(restored, signal)
        documents.append(restored.changes() or restored.snapshot())
        restored = Shard(policy, *documents)
    assert list(steady.refill()) == list(restored.refill())
    assert steady.expire(NOW + 100) == restored.expire(NOW + 100)


@given(st.lists(st.tuples(st.sampled_from("ABCDE"), TYPES, PRICES), min_size=1, max_size=20), st.booleans())
def test_events_in_one_batch_are_events_one_by_one(steps: list[tuple[str, str, float]], bounded: bool) -> None:
    """A is a usual product, B has a cost that D lacks, C an override, E a freeze."""
    policy = parse_policy("[guardrails]\nfloor_margin = 0.1\nmax_step_percent = 30" if bounded else "")
    position = SourcePosition("freezes", 0, 1)
    events = [event(price, kind, T0 + at, name) for at, (name, kind, price) in enumerate(steps)]
    shards = Shard(policy), Shard(policy)
    for shard in shards:
        for name in "ABC":
            apply(shard, CatalogueChange(name, CatalogueEntry(name, "Mug", "kitchen", 4.0, unit_cost=2.0), T0, 0))
        apply(shard, PriceOverride("C", 9.0, "sale", "ann", T0, None, position))
        apply(shard, Freeze("product:E", "wild", "ann", T0, position, True))
    one_by_one = apply(shards[0], *events, offset=5)
    keys = [each.product_id.encode() for each in events]
    priced, others = shards[1].apply_events(
        EventBatch("events", [0] * len(events), [*range(5, 5 + len(events))], keys, events), NOW
    )
    alike = [each for each in one_by_one if each.cause == Cause.EVENT and each.update is not None]
    assert (priced is None) == (not alike)
    if priced is not None:
        assert priced.updates == [encode_update(each.update) for each in alike if each.update]
        assert priced.offsets == [each.position.offset for each in alike]
        assert priced.keys == [each.product_id.encode() for each in alike]
        assert priced.day_opens == [each.day_open for each in alike]
        assert {each.product_id.encode() for each in others}.isdisjoint(priced.keys)
    assert others == [each for each in one_by_one if each not in alike]
    assert shards[0].changes() == shards[1].changes()
    assert shards[0].decider.alerts == shards[1].decider.alerts


def test_a_snapshot_of_another_format_is_refused() -> None:
    shard = Shard(default_policy())
    snapshot = bytearray(shard.snapshot())
    snapshot[1] = 99
    with pytest.raises(ValueError, match="format 99"):
        Shard(default_policy(), bytes(snapshot))


def test_an_explanation_names_every_amount_and_what_bound_the_price() -> None:
    shard = Shard(parse_policy("[guardrails]\nceiling = 12"))
    update = update_of(apply(shard, event(10))[0])
    text = explain(update.new_price, None, update.demand, update.price_source, update.adjustments, scale=100)
    for part in ("12.00", "10.00", "plus 5.00", "minus 3.00", "ceiling", "first price"):
        assert part in text
    assert bound_by(update.adjustments) == "ceiling"
    assert bound_by(update.adjustments[:2]) is None


HALVES = st.builds(
    lambda n, scale: (2 * n + 1) / (2 * scale), st.integers(-(10**11), 10**11), st.sampled_from([*DIGITS])
)


@given(st.one_of(PRICES, HALVES, st.integers(0, 10**11).map(lambda n: n / 1000), st.floats(-1e10, 1e10)))
@example(0.125)
@example(0.375)
@example(2.675)
@example(-0.125)
@example(0.5)
@example(1.0005)
def test_rounding_is_pythons_to_the_last_bit(amount: float) -> None:
    for scale, digits in DIGITS.items():
        assert round_money(amount, scale) == round(amount, digits)


@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12), st.sampled_from(list(DIGITS)))
def test_differences_of_minor_units_are_exact(higher: int, lower: int, scale: int) -> None:
    assert difference(higher / scale, lower / scale, scale) == (higher - lower) / scale
