"""Demand that decays by time alone: the moments, the steps, what holds them, and restarts."""

from math import sqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.positions import SourcePosition
from core.room import UNBOUNDED
from pricing.batches import Change, ChangeBatch, EventBatch, SignalBatch
from pricing.catalogue import CatalogueChange, CatalogueEntry
from pricing.commands import Freeze, FreezeLift, OverrideRemoval, PriceOverride
from pricing.competitors import CompetitorQuote
from pricing.decision import Cause, PriceDecision
from pricing.events import ProductEvent
from pricing.policy import parse_policy
from pricing.state import decay
from pricing.state.lane import Lane
from pricing.state.shard import Shard
from pricing.surge import surge_price

T0 = 1_700_000_000_000
HALF_LIFE_S = 600
PLAIN = f"[demand]\nhalf_life_s = {HALF_LIFE_S}"


class Shop:
    """One shard of a lane, whose clock is event time."""

    def __init__(self, policy: str = PLAIN, *documents: bytes, now_ms: int = T0) -> None:
        self.policy = parse_policy(policy)
        self.shard = Shard(self.policy, *documents)
        if not documents:
            self.shard.settle(was_resumed=False, execution=0)
        self.lane = Lane(self.policy, UNBOUNDED)
        self.lane.hold(0, self.shard)
        self.now_ms = now_ms
        self.offset = 0

    def event(self, kind: str = "purchase", price: float = 10.0, at_ms: int | None = None) -> None:
        event = ProductEvent(kind, "A", self.now_ms if at_ms is None else at_ms, price)
        self.offset += 1
        batch = EventBatch("events", [0], [self.offset], [b"A"], [event], 0, [b""], [0])
        self.lane.apply_events(batch, self.now_ms)

    def quote(self, price: float) -> None:
        """A competitor's price of A."""
        self.offset += 1
        signal = CompetitorQuote("A", self.now_ms // 1000, "other", price)
        batch = SignalBatch("competitors", [0], [self.offset], [signal], [0])
        self.lane.apply_signals(batch, self.now_ms)

    def change(self, change: Change) -> list[PriceDecision]:
        return self.shard.apply(ChangeBatch("changes", 0, [change]), self.now_ms)

    def run(self, seconds: int) -> list[PriceDecision]:
        """Let time pass, second by second."""
        decisions = []
        for _ in range(seconds):
            self.now_ms += 1000
            decisions += self.lane.pass_time(self.now_ms)
        return decisions

    @property
    def price(self) -> float:
        state = self.shard.get("A")
        assert state is not None
        assert state.price is not None
        return state.price


def expected_price(age_s: float, demand: float = 5.0) -> float:
    return round(10 + 5 * sqrt(demand * 0.5 ** (age_s / HALF_LIFE_S)), 2)


def test_decay_lowers_the_price_as_soon_as_it_is_a_minor_unit_and_then_in_steps() -> None:
    shop = Shop()
    shop.event()
    first, *others = shop.run(400)
    first_s = next(s for s in range(1, 400) if expected_price(s) < expected_price(0))
    assert first.update is not None
    assert (first.cause, first.version) == (Cause.DECAYED, 2)
    assert first.position == SourcePosition("events", 0, 1)
    assert (first.update.event_time_ms, first.update.new_price) == (T0 + first_s * 1000, expected_price(first_s))
    assert first.update.demand == pytest.approx(5 * 0.5 ** (first_s / HALF_LIFE_S))
    times = [0 if each.update is None else (each.update.event_time_ms - T0) // 1000 for each in others]
    assert times == [first_s + 60 * n for n in range(1, len(others) + 1)]
    assert [each.update and each.update.new_price for each in others] == [expected_price(each) for each in times]
    assert [each.version for each in others] == list(range(3, len(others) + 3))
    assert [each.update and each.update.price_source for each in others] == ["dynamic"] * len(others)


def test_decay_ends_at_the_base_price_and_the_product_is_then_left_alone() -> None:
    shop = Shop(PLAIN + "\ndecay_step_s = 1000")
    shop.event()
    shop.run(40_000)
    state = shop.shard.get("A")
    assert state is not None
    assert (state.price, state.price_source, state.event_position) == (10.0, "base", None)
    assert shop.lane.next_due_ms() is None
    # A new event begins again.
    shop.event("view")
    assert shop.price == 15.0
    assert [each.cause for each in shop.run(30)] == [Cause.DECAYED]


@given(st.integers(30, 3_000), st.sampled_from([1, 7, 60]), st.lists(st.integers(1, 200), max_size=5))
def test_no_price_is_above_the_one_that_demand_gives_for_longer_than_a_step(
    half_life_s: int, step_s: int, pauses: list[int]
) -> None:
    shop = Shop(f"[demand]\nhalf_life_s = {half_life_s}\ndecay_step_s = {step_s}")
    shop.event()
    above_s = 0
    for pause_s in [*pauses, 100]:
        for _ in range(pause_s):
            shop.run(1)
            state = shop.shard.get("A")
            assert state is not None
            age_s = (shop.now_ms - state.demand_time_ms) / 1000
            exact = round(10 + 5 * sqrt(state.demand * 0.5 ** (age_s / half_life_s)), 2)
            above_s = above_s + 1 if shop.price > exact else 0
            assert above_s < step_s
        shop.event("view")


@given(st.integers(30, 3_000), st.sampled_from([7, 60]), st.lists(st.integers(1, 200), max_size=4))
def test_decay_under_a_surge_lowers_the_price_by_its_step(half_life_s: int, step_s: int, pauses: list[int]) -> None:
    surge = "[surge]\nenabled = true\nround_to = 0.25\n"
    shop = Shop(f"{surge}[demand]\nhalf_life_s = {half_life_s}\ndecay_step_s = {step_s}")
    shop.event()
    above_s = 0
    for pause_s in [*pauses, 100]:
        for _ in range(pause_s):
            shop.run(1)
            state = shop.shard.get("A")
            assert state is not None
            age_s = (shop.now_ms - state.demand_time_ms) / 1000
            demand = state.demand * 0.5 ** (age_s / half_life_s)
            above_s = above_s + 1 if shop.price > surge_price(10 + 5 * sqrt(demand), 1.0, 0.25) else 0
            assert above_s < step_s
        shop.event("view")


def test_decay_under_a_surge_is_not_late_where_a_step_is_near() -> None:
    shop = Shop("[demand]\nhalf_life_s = 3000\ndecay_step_s = 1\n[surge]\nenabled = true\n")
    # 15.128, which is 15.25 until it falls below 15.125.
    shop.event("view", 10.128)
    assert shop.price == 15.25
    assert shop.run(5) == []
    assert [each.cause for each in shop.run(1)] == [Cause.DECAYED]
    assert shop.price == 15.0


def test_decay_under_a_surge_ends_too() -> None:
    shop = Shop(PLAIN + "\ndecay_step_s = 1000\n[surge]\nenabled = true\n")
    shop.event()
    shop.run(70_000)
    state = shop.shard.get("A")
    assert state is not None
    assert (state.price, state.event_position, shop.lane.next_due_ms()) == (10.0, None, None)


guardrails = st.fixed_dictionaries(
    {},
    optional={
        "floor": st.sampled_from([11, 14]),
        "ceiling": st.sampled_from([14, 19]),
        "max_step_percent": st.sampled_from([1, 10]),
        "min_change_percent": st.sampled_from([0.5, 5]),
        "cooldown_s": st.sampled_from([5, 40]),
        "reversal_s": st.sampled_from([5, 40]),
        "endings": st.sampled_from([[99], [9, 49, 99]]),
    },
)
competitors = st.fixed_dictionaries(
    {}, optional={"factor": st.sampled_from([0.9, 1.1]), "quote_ttl_s": st.just(20)}
)


@given(guardrails, competitors, st.sampled_from([1, 7]), st.lists(st.sampled_from([8.0, 15.0, 18.0]), max_size=2))
def test_the_decisions_are_those_of_a_look_at_every_second(
    guardrails: dict[str, Any], competitor: dict[str, Any], step_s: int, quotes: list[float]
) -> None:
    def table(name: str, numbers: dict[str, Any]) -> str:
        return "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in numbers.items())]) + "\n"

    policy = table("demand", {"half_life_s": 20, "decay_step_s": step_s})
    policy += table("guardrails", guardrails) + table("competitor", competitor)

    def decisions() -> list[tuple[Any, ...]]:
        shop, made = Shop(policy), []
        for price in [None, *quotes]:
            shop.event()
            if price is not None:
                shop.quote(price)
            made += shop.run(25)
        made += shop.run(250)
        return [(each.cause, each.version, each.update) for each in made]

    closed = decisions()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decay, "_falls_s", lambda state, decider, from_s: from_s)
        assert decisions() == closed


def test_without_a_half_life_nothing_decays() -> None:
    shop = Shop("")
    shop.event()
    assert shop.run(1_000) == []
    assert shop.lane.next_due_ms() is None


def test_a_floor_ends_the_decay() -> None:
    shop = Shop(PLAIN + "\n[guardrails]\nfloor = 18")
    shop.event()
    shop.run(5_000)
    assert shop.price == 18.0
    shop.run(20_000)
    assert shop.price == 18.0
    assert shop.lane.next_due_ms() is None


def test_the_cooldown_delays_the_decay() -> None:
    shop = Shop(PLAIN + "\n[guardrails]\ncooldown_s = 120")
    shop.event()
    decayed = shop.run(300)
    assert [(each.update.event_time_ms - T0) // 1000 for each in decayed if each.update] == [120, 240]


def test_steps_and_endings_are_followed_down_to_the_base_price() -> None:
    policy = PLAIN + "\ndecay_step_s = 60\n[guardrails]\nmax_step_percent = 10\nendings = [9, 49, 99]"
    shop = Shop(policy)
    shop.event()
    seen = [shop.price]
    for each in shop.run(80_000):
        assert each.update is not None
        seen.append(each.update.new_price)
    assert seen == sorted(seen, reverse=True)
    assert all(round(price * 100) % 100 in (9, 49, 99) for price in seen)
    assert seen[-1] == 9.99
    assert shop.lane.next_due_ms() is None


def test_a_live_quote_does_not_take_the_blame_for_decay() -> None:
    shop = Shop(PLAIN + "\n[competitor]\nfactor = 0.9\nquote_ttl_s = 1000")
    shop.event()
    shop.quote(8.0)
    assert {each.cause for each in shop.run(900)} == {Cause.DECAYED}
    assert {each.cause for each in shop.run(200)} == {Cause.DECAYED, Cause.STALE}


def test_an_entry_of_an_old_product_does_not_bring_its_peak_back() -> None:
    shop = Shop(PLAIN + "\n[guardrails]\nfloor_margin = 0.1")
    shop.change(CatalogueChange("A", CatalogueEntry("A", "Mug", "", 10.0, unit_cost=5.0), T0, 1))
    shop.event()
    shop.run(HALF_LIFE_S)
    shop.change(CatalogueChange("A", CatalogueEntry("A", "Mug", "", 10.0, unit_cost=6.0), T0, 2))
    assert shop.price <= expected_price(HALF_LIFE_S - 60)


def test_an_override_and_a_freeze_hold_the_price_and_their_end_gives_the_decayed_one() -> None:
    shop = Shop()
    shop.event()
    position = SourcePosition("changes", 0, 1)
    shop.change(PriceOverride("A", 99.0, "r", "s", T0, None, position, T0))
    assert shop.run(HALF_LIFE_S) == []
    shop.change(OverrideRemoval("A", shop.now_ms, 2))
    assert shop.price == expected_price(HALF_LIFE_S)
    shop.change(Freeze("all", "r", "s", shop.now_ms, position, True))
    assert shop.run(HALF_LIFE_S) == []
    shop.change(FreezeLift("all", shop.now_ms, 4, True))
    assert shop.price == expected_price(2 * HALF_LIFE_S)
    assert {each.cause for each in shop.run(200)} == {Cause.DECAYED}


def test_after_a_restart_decay_goes_on_and_readers_agree() -> None:
    shop = Shop()
    shop.event()
    shop.run(100)
    kept = shop.shard.snapshot()
    lost = shop.run(200)
    again = Shop(PLAIN, kept, now_ms=shop.now_ms)
    redone = again.run(200)
    assert {each.cause for each in redone} == {Cause.DECAYED}
    (restored,) = again.shard.settle(was_resumed=True, execution=1)
    assert restored.version > max(each.version for each in lost)
    assert restored.update is not None
    assert restored.update.new_price == again.price
    assert {each.cause for each in again.run(200)} == {Cause.DECAYED}


def test_states_of_a_snapshot_are_equal_and_faded_products_wait_for_nothing() -> None:
    shop = Shop(PLAIN + "\ndecay_step_s = 1000")
    shop.event()
    shop.run(60)
    assert Shard(shop.policy, shop.shard.snapshot()).get("A") == shop.shard.get("A")
    shop.run(40_000)
    assert Shop(PLAIN, shop.shard.snapshot()).lane.next_due_ms() is None


def test_an_event_that_comes_late_counts_with_what_is_left_of_it() -> None:
    orders: list[Any] = []
    for late_first in (True, False):
        shop = Shop()
        for at_ms in (T0 - 300_000, T0) if late_first else (T0, T0 - 300_000):
            shop.event("view", at_ms=at_ms)
        state = shop.shard.get("A")
        assert state is not None
        orders.append((pytest.approx(state.demand), state.demand_time_ms))
    assert orders[0] == orders[1]
