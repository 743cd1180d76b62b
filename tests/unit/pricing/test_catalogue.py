"""Catalogue messages: which of them change a price, and what a restart decides once more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.positions import SourcePosition
from pricing.batches import Change, ChangeBatch, EventBatch
from pricing.catalogue import CatalogueChange, CatalogueEntry
from pricing.commands import Freeze, FreezeLift, OverrideRemoval
from pricing.decision import Cause, PriceDecision
from pricing.events import ProductEvent
from pricing.policy import default_policy, parse_policy
from pricing.state.replay import VERSION_LIFT
from pricing.state.shard import Shard
from tests.support.signals import T0, entry, event, override, update_of

REMOVAL = CatalogueChange("A", None, T0, 9)
MARGIN = parse_policy("[guardrails]\nfloor_margin = 1")


def apply(shard: Shard, signal: Change | ProductEvent, offset: int = 7, now_ms: int = T0) -> list[PriceDecision]:
    """Apply one signal, and return all its decisions."""
    if isinstance(signal, ProductEvent):
        batch = EventBatch("product-events", [0], [offset], [b"A"], [signal])
        events, decisions = shard.apply_events(batch, now_ms)
        if events is None:
            return decisions
        state = shard.get("A")
        assert state is not None
        return [state.to_decision(Cause.EVENT, SourcePosition("product-events", 0, offset))]
    return shard.apply(ChangeBatch("any", 0, [signal]), now_ms)


def test_a_new_base_price_is_a_decision_and_a_new_name_is_none() -> None:
    shard = Shard(default_policy())
    (first,) = apply(shard, entry(4.0))
    (changed,) = apply(shard, entry(5.0))
    (renamed,) = apply(shard, CatalogueChange("A", CatalogueEntry("A", "Cup", "kitchen", 5.0), T0, 3))
    assert [(each.cause, each.version) for each in (first, changed, renamed)] == [
        (Cause.CATALOGUE, 1),
        (Cause.CATALOGUE, 2),
        (Cause.DESCRIBED, 2),
    ]
    assert (update_of(changed).previous_price, update_of(changed).new_price) == (4.0, 5.0)
    assert renamed.catalogue is not None


def test_a_base_price_that_a_bound_moved_is_a_price_of_ours() -> None:
    shard = Shard(MARGIN)
    (first,) = apply(shard, entry(4.0, unit_cost=3.0))
    assert (update_of(first).new_price, update_of(first).price_source) == (6.0, "dynamic")


def test_a_new_unit_cost_raises_a_price_below_its_floor_at_once() -> None:
    shard = Shard(MARGIN)
    apply(shard, entry(10.0, unit_cost=1.0))
    assert update_of(apply(shard, event(10))[0]).new_price == 15.0
    (raised,) = apply(shard, entry(10.0, unit_cost=9.0))
    assert (update_of(raised).new_price, raised.cause, raised.version) == (18.0, Cause.CATALOGUE, 3)
    (lowered,) = apply(shard, entry(10.0, unit_cost=2.0))
    assert (update_of(lowered).new_price, lowered.version) == (15.0, 4)
    (unchanged,) = apply(shard, entry(10.0, unit_cost=3.0))
    assert (update_of(unchanged).new_price, unchanged.cause, unchanged.version) == (15.0, Cause.DESCRIBED, 4)


def test_a_removed_product_has_no_price_and_readers_are_told() -> None:
    shard = Shard(default_policy())
    apply(shard, entry(4.0))
    (gone,) = apply(shard, REMOVAL)
    assert (gone.update, gone.cause, gone.version, gone.forgotten) == (None, Cause.CATALOGUE, 2, True)
    assert gone.withdrawn is not None
    assert (gone.withdrawn.version, gone.withdrawn.previous_price) == (2, 4.0)
    (back,) = apply(shard, entry(4.0))
    assert (back.version, update_of(back).previous_price) == (3, None)


@pytest.mark.parametrize("scope", ["product:A", "category:kitchen", "all"])
def test_a_product_that_is_removed_under_a_freeze_leaves_no_price(scope: str) -> None:
    shard = Shard(default_policy())
    apply(shard, entry(4.0))
    apply(shard, Freeze(scope, "r", "ann", T0, SourcePosition("price-freezes", 0, 1), True))
    (gone,) = apply(shard, REMOVAL)
    assert gone.update is None
    apply(shard, FreezeLift(scope, T0, 2, True))
    state = shard.get("A")
    assert state is not None
    assert state.price is None


def test_an_override_that_bounds_withdraw_has_its_price_as_soon_as_they_can_be_used() -> None:
    shard = Shard(MARGIN)
    (withdrawn,) = apply(shard, override(50.0))
    assert withdrawn.update is None
    assert withdrawn.override is not None
    (priced,) = apply(shard, entry(10.0, unit_cost=5.0))
    assert (update_of(priced).new_price, update_of(priced).price_source) == (50.0, "override")
    (removed,) = apply(shard, OverrideRemoval("A", T0, 4))
    assert update_of(removed).new_price == 10.0


def test_after_a_restart_a_product_of_the_catalogue_is_decided_once_more() -> None:
    shard = Shard(default_policy())
    apply(shard, entry(4.0))
    apply(shard, event(10))
    restarted = Shard(default_policy(), shard.snapshot())
    apply(restarted, CatalogueChange("A", CatalogueEntry("A", "Mug", "kitchen", 8.0), T0, 20))
    apply(restarted, event(20), offset=8)
    (restored,) = restarted.settle(was_resumed=True, execution=1)
    assert (restored.cause, restored.version) == (Cause.RESTORED, 2 + VERSION_LIFT)
    assert restored.position == SourcePosition("product-events", 0, 8)
    assert update_of(restored).new_price == 27.07
    assert restarted.settle(was_resumed=True, execution=1) == []
    assert apply(restarted, event(20))[0].version == 3 + VERSION_LIFT


def test_without_a_restart_nothing_is_decided_once_more() -> None:
    shard = Shard(default_policy())
    apply(shard, entry(4.0))
    assert shard.settle(was_resumed=False, execution=0) == []


@given(st.lists(st.sampled_from([entry(4.0), entry(5.0), REMOVAL, event(10), event(20)]), max_size=12), st.data())
def test_all_readers_end_at_the_same_price_in_any_order_of_a_replay(
    signals: list[CatalogueChange | ProductEvent], data: st.DataObject
) -> None:
    first = Shard(default_policy())
    published = [each for signal in signals for each in apply(first, signal)]
    # In the replay each topic keeps its order, and the topics mix in another way.
    queues: list[list[CatalogueChange | ProductEvent]] = [
        [signal for signal in signals if isinstance(signal, ProductEvent)],
        [signal for signal in signals if not isinstance(signal, ProductEvent)],
    ]
    second = Shard(default_policy())
    while any(queues):
        queue = data.draw(st.sampled_from([queue for queue in queues if queue]))
        published += apply(second, queue.pop(0))
    published += second.settle(was_resumed=True, execution=1)
    state = second.get("A")
    reader: PriceDecision | None = None
    for decision in published:
        if decision.cause != Cause.DESCRIBED and (reader is None or decision.version > reader.version):
            reader = decision
    if reader is not None:
        assert state is not None
        assert (reader.update and reader.update.new_price, reader.version) == (state.price, state.version)
