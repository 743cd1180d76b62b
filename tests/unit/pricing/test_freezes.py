"""Freezes (the stop button), and the snapshots that keep them over a restart."""

from pathlib import Path

import pytest

from connectors.decode.pricing import SignalKind, decode
from connectors.decode.wire import RawMessage
from core.dead_letter import DeadLetter, ErrorCode
from core.positions import SourcePosition
from pricing.batches import Signal
from pricing.catalogue import CatalogueChange, CatalogueEntry
from pricing.commands import Freeze, FreezeLift, OverrideRemoval, PriceOverride, clean_scope
from pricing.decision import Cause, PriceDecision
from pricing.events import ProductEvent
from pricing.explanation import bound_by
from pricing.policy import PricingPolicy, default_policy, parse_policy
from pricing.state.shard import Shard
from pricing.state.snapshot import FORMAT
from tests.support.shards import apply

NOW_MS = 1_700_000_000_000
DAY_MS = 86_400_000
SNAPSHOTS = Path(__file__).parent / "snapshots"


class Bench:
    """A shard that a test feeds by hand."""

    def __init__(self, policy: PricingPolicy | None = None) -> None:
        self.policy = policy or default_policy()
        self.shard = Shard(self.policy)

    def apply(self, signal: Signal) -> list[PriceDecision]:
        return apply(self.shard, signal, now_ms=NOW_MS)

    def event(self, product_id: str = "A", price: float = 10.0, at_ms: int = NOW_MS) -> PriceDecision:
        (decision,) = self.apply(ProductEvent("view", product_id, at_ms, price))
        return decision

    def freeze(self, scope: str, *, recorded: bool = True) -> None:
        position = SourcePosition("price-freezes", 0, 1)
        assert self.apply(Freeze(scope, "it runs wild", "admin", NOW_MS, position, recorded)) == []

    def lift(self, scope: str, *, recorded: bool = True) -> list[PriceDecision]:
        return self.apply(FreezeLift(scope, NOW_MS + 5000, 9, recorded))

    def override(
        self, product_id: str = "A", price: float = 99.0, expires_at_ms: int | None = None
    ) -> PriceDecision:
        position = SourcePosition("price-overrides", 0, 3)
        (decision,) = self.apply(PriceOverride(product_id, price, "r", "admin", NOW_MS, expires_at_ms, position))
        return decision

    def catalogue(self, product_id: str, category: str, base_price: float = 5.0) -> list[PriceDecision]:
        entry = CatalogueEntry(product_id, product_id, category, base_price)
        return self.apply(CatalogueChange(product_id, entry, NOW_MS, 1))

    def restart(self) -> None:
        self.shard = Shard(self.policy, self.shard.snapshot())

    def price(self, product_id: str = "A") -> float | None:
        state = self.shard.get(product_id)
        assert state is not None
        return state.price


def total(decision: PriceDecision) -> float:
    assert decision.update is not None
    return round(sum(adjustment.amount for adjustment in decision.update.adjustments), 2)


def test_a_frozen_price_stands_while_demand_goes_on() -> None:
    bench = Bench()
    held = bench.event().update
    assert held is not None
    bench.freeze("all")
    decision = bench.event(price=500.0)
    assert decision.cause == Cause.UNDER_FREEZE
    assert decision.version == 2
    assert decision.update is not None
    assert (decision.update.new_price, decision.update.demand) == (held.new_price, 2.0)
    assert total(decision) == held.new_price
    assert bound_by(decision.update.adjustments) == "freeze"
    assert "it runs wild" in decision.update.adjustments[-1].reason


def test_lifting_decides_what_was_held_anew_and_nothing_else() -> None:
    bench = Bench()
    bench.event("A")
    bench.event("B")
    bench.freeze("all")
    bench.event("A", price=20.0)
    (decision,) = bench.lift("all")
    assert decision.update is not None
    assert (decision.product_id, decision.cause, decision.version) == ("A", Cause.FREEZE_LIFTED, 3)
    assert decision.update.new_price == round(20 + 5 * 2**0.5, 2)
    assert decision.position == SourcePosition("events", 0, 9)
    assert bench.lift("all") == []
    # The lift counts for the other product too, so that versions do not depend on the order of topics.
    assert bench.event("B").version == 3


def test_a_price_that_was_held_and_is_decided_again_is_not_held() -> None:
    bench = Bench()
    bench.catalogue("A", "x")
    bench.event()
    bench.freeze("category:x")
    bench.event(price=20.0)
    bench.catalogue("A", "y")
    price = bench.event(price=30.0).update
    assert price is not None
    assert price.new_price > 30
    bench.freeze("product:A")
    # No event came under this freeze, so there is nothing to decide.
    assert bench.lift("product:A") == []


def test_lifting_respects_the_largest_step() -> None:
    bench = Bench(parse_policy("[guardrails]\nmax_step_percent = 10"))
    bench.event(price=100.0)
    before = bench.price()
    assert before is not None
    bench.freeze("all")
    bench.event(price=1000.0)
    bench.lift("all")
    after = bench.price()
    assert after is not None
    assert before < after <= before * 1.1


def test_a_product_without_a_price_gets_none_until_the_freeze_is_lifted() -> None:
    bench = Bench()
    bench.freeze("all")
    decision = bench.event("new")
    assert decision.update is None
    (lifted,) = bench.lift("all")
    assert lifted.update is not None
    assert lifted.update.new_price == 15.0


def test_a_category_and_a_product_are_frozen_alone() -> None:
    bench = Bench()
    bench.catalogue("A", "toys")
    bench.catalogue("B", "cards")
    bench.freeze("category:toys")
    assert bench.event("A").cause == Cause.UNDER_FREEZE
    assert bench.event("B").cause == Cause.EVENT
    bench.freeze("product:B")
    assert bench.event("B").cause == Cause.UNDER_FREEZE
    assert [decision.product_id for decision in bench.lift("category:toys")] == ["A"]
    assert bench.event("B").cause == Cause.UNDER_FREEZE


def test_of_two_freezes_both_have_to_be_lifted() -> None:
    bench = Bench()
    bench.event()
    bench.freeze("all")
    bench.freeze("product:A")
    bench.event(price=50.0)
    assert bench.lift("all") == []
    assert len(bench.lift("product:A")) == 1


def test_a_persons_override_applies_all_the_same_and_its_end_holds_the_price() -> None:
    bench = Bench()
    bench.event()
    bench.freeze("all")
    assert bench.override().update.new_price == 99.0  # type: ignore[union-attr]
    (ended,) = bench.apply(OverrideRemoval("A", NOW_MS + 1, 4))
    assert ended.update is not None
    assert (ended.update.new_price, ended.update.price_source) == (99.0, "dynamic")
    assert total(ended) == 99.0
    (lifted,) = bench.lift("all")
    assert lifted.update is not None
    assert lifted.update.new_price == 15.0


def test_an_expiry_under_a_freeze_holds_the_price_too() -> None:
    bench = Bench()
    bench.event()
    bench.override(expires_at_ms=NOW_MS + 1000)
    bench.freeze("all")
    (expired,) = bench.shard.expire(NOW_MS + 2000)
    assert expired.update is not None
    assert (expired.cause, expired.update.new_price) == (Cause.OVERRIDE_EXPIRED, 99.0)


@pytest.mark.parametrize("first", ["event", "freeze"])
def test_versions_count_the_same_in_whatever_order_topics_are_read(first: str) -> None:
    bench = Bench()
    bench.event()
    bench.freeze("all")
    if first == "event":
        bench.event()
        bench.lift("all")
    else:
        bench.lift("all")
        bench.event()
    assert bench.event().version == 4


@pytest.mark.parametrize("timer", [True, False])
def test_versions_count_the_same_whether_or_not_a_timer_was_faster_than_a_command(timer: bool) -> None:
    bench = Bench()
    bench.event()
    bench.override(price=50.0, expires_at_ms=NOW_MS + 1000)
    if timer:
        (expired,) = bench.shard.expire(NOW_MS + 1200)
        assert expired.version == 3
    position = SourcePosition("price-overrides", 0, 4)
    later = PriceOverride("A", 60.0, "r", "admin", NOW_MS + 2000, None, position, NOW_MS + 2000)
    *before, decision = bench.apply(later)
    assert [each.cause for each in before] == ([] if timer else [Cause.OVERRIDE_EXPIRED])
    assert (decision.version, decision.cause) == (4, Cause.OVERRIDE_SET)
    in_time = PriceOverride("A", 70.0, "r", "admin", NOW_MS + 2500, NOW_MS + 9000, position, NOW_MS + 2500)
    assert len(bench.apply(in_time)) == 1
    assert [each.cause for each in bench.apply(OverrideRemoval("A", NOW_MS + 9500, 6))] == [Cause.OVERRIDE_EXPIRED]


def test_what_counts_silently_is_published_once_more_after_a_restart() -> None:
    bench = Bench()
    bench.event()
    bench.event("B")
    bench.override()
    assert bench.shard.settle(was_resumed=False, execution=0) == []
    bench.restart()
    bench.event()
    bench.event("B")
    (repeated,) = bench.shard.settle(was_resumed=True, execution=1)
    assert (repeated.product_id, repeated.version, repeated.cause) == ("A", 3, Cause.REPEAT)
    assert repeated.update is not None
    assert repeated.update.new_price == 99.0


def test_a_new_base_price_waits_for_the_lift() -> None:
    bench = Bench()
    bench.catalogue("A", "toys", 5.0)
    bench.freeze("all")
    bench.catalogue("A", "toys", 8.0)
    assert bench.price() == 5.0
    (lifted,) = bench.lift("all")
    assert lifted.update is not None
    assert (lifted.update.new_price, lifted.update.price_source) == (8.0, "base")


def test_only_the_recording_shard_reports_and_refills() -> None:
    bench = Bench()
    bench.freeze("all", recorded=False)
    assert bench.shard.take_freeze_changes() == []
    bench.freeze("product:A")
    (change,) = bench.shard.take_freeze_changes()
    assert (change.scope, change.ended) == ("product:A", None)
    bench.lift("product:A")
    (change,) = bench.shard.take_freeze_changes()
    assert (change.freeze, change.at_ms) == (None, NOW_MS + 5000)
    list(bench.shard.refill())
    # The lift is reported again, because a store that was down may still have the freeze.
    assert [(each.scope, each.freeze) for each in bench.shard.take_freeze_changes()] == [("product:A", None)]


def test_setting_a_freeze_again_replaces_it() -> None:
    bench = Bench()
    bench.freeze("all")
    bench.freeze("all")
    first, second = bench.shard.take_freeze_changes()
    assert second.ended == first.freeze


def test_a_restart_changes_nothing_for_a_frozen_product() -> None:
    bench = Bench()
    bench.event()
    bench.freeze("all")
    bench.event(price=50.0)
    bench.restart()
    assert bench.event(price=60.0).cause == Cause.UNDER_FREEZE
    (lifted,) = bench.lift("all")
    assert lifted.version == 4
    bench.restart()
    list(bench.shard.refill())
    assert [change.scope for change in bench.shard.take_freeze_changes()] == ["all"]


def test_the_day_opens_with_the_price_before_it() -> None:
    bench = Bench()
    first = bench.event()
    assert first.update is not None
    assert first.day_open == first.update.new_price
    assert bench.event(at_ms=NOW_MS + 1000).day_open == first.day_open
    before = bench.price()
    bench.restart()
    assert bench.event(at_ms=NOW_MS + DAY_MS).day_open == before
    assert bench.event(at_ms=NOW_MS).day_open == before


def test_a_snapshot_of_format_1_is_read() -> None:
    """The version before freezes wrote this snapshot: a catalogue entry, two events, an active override."""
    shard = Shard(default_policy(), (SNAPSHOTS / "format-1.bin").read_bytes())
    a, b = shard.get("A"), shard.get("B")
    assert a is not None
    assert b is not None
    assert (a.price, a.demand, a.version, a.day_open) == (18.66, 3.0, 1, None)
    assert a.catalogue == CatalogueEntry("A", "Mug", "kitchen", 2.5, 1.25, 10, 2)
    assert (b.price, b.price_source, b.version) == (9.99, "override", 2)
    assert shard.next_expiry_ms() == 4_000_000_000_000
    (decision,) = apply(shard, ProductEvent("view", "A", 1_700_000_009_000, 10.0), now_ms=NOW_MS)
    assert (decision.version, decision.day_open) == (2, 18.66)
    again = Shard(default_policy(), shard.snapshot())
    assert again.get("A") == shard.get("A")


def test_a_snapshot_of_the_future_is_refused() -> None:
    with pytest.raises(ValueError, match=f"format {FORMAT + 1}"):
        Shard(default_policy(), bytes([0x92, FORMAT + 1, 0x90]))


@pytest.mark.parametrize("scope", ["all", "product:A.b-1", "category:cards & paper", "category:a:b"])
def test_scopes(scope: str) -> None:
    assert clean_scope(scope)


@pytest.mark.parametrize("scope", ["", "ALL", "product:", "product:a b", "category:", "category:a\nb", "shop:x"])
def test_what_is_no_scope_is_a_dead_letter(scope: str) -> None:
    assert not clean_scope(scope)
    raw = RawMessage(1, scope.encode(), None, 0)
    letter = decode(SignalKind.FREEZES, raw, "price-freezes", 0)
    assert isinstance(letter, DeadLetter)
    assert letter.error_code == ErrorCode.BAD_SCOPE
