"""Forecasts, supply and external events in any order of arrival, with any pauses, and read again after a crash: the
price is the same."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pricing.clicks import Click
from pricing.decision import Cause
from pricing.engine import quote_rules
from pricing.external_events import ExternalEvent
from pricing.forecasts import Forecast, Supply
from pricing.policy import PricingPolicy
from pricing.signals import Signal
from tests.support.signal_shop import T0_S, Shop, click
from tests.support.signals import event
from tests.support.surge_shop import (
    LATER_S,
    WEIGHTS_OF_ONE,
    SurgeShop,
    external,
    forecast,
    hours_of,
    later,
    policy_of,
    some_external_events,
    some_surge_signals,
    supply,
)

GUARDED = st.sampled_from(
    [
        policy_of(WEIGHTS_OF_ONE + "forecast_ttl_s = 700\nsupply_ttl_s = 500\n" + hours_of(h1=1.5, h2=1.25)),
        policy_of("supply_horizon_min = 720\n" + hours_of(h0=2.0, h1=2.0)),
        policy_of("max = 1.5\n[guardrails]\nceiling_ratio = 1.4\n"),
    ]
)


@given(some_surge_signals, some_external_events, st.data(), GUARDED)
def test_the_order_of_arrival_makes_no_difference(
    signals: list[Signal], events: list[ExternalEvent], data: st.DataObject, policy: PricingPolicy
) -> None:
    both: list[Signal | ExternalEvent] = [*signals, *events]
    ends = []
    for arrivals in (both, data.draw(st.permutations(both))):
        shop = SurgeShop(policy)
        shop.describe()
        for each in arrivals:
            shop.happen(each) if isinstance(each, ExternalEvent) else shop.send(each)
        # The same time at the end of both, a minute after the last forecast.
        shop.send(later())
        shop.pass_time(61)
        state = shop.shard.get("A")
        assert state is not None
        known = None if state.signals is None or state.signals.surge is None else state.signals.surge
        kept = None
        if known is not None:
            forecast_, supply_ = known.forecast, known.supply
            kept = (
                None if forecast_ is None else msgspec.structs.astuple(forecast_)[:-1],
                None if supply_ is None else msgspec.structs.astuple(supply_)[:-1],
            )
        ends.append((state.price, state.adjustments, state.price_source, kept, sorted(shop.shard.external.by_id)))
        shop.shard.decider.at_s = T0_S + LATER_S + 61
        assert state.price == _price_of(shop)
    assert ends[0] == ends[1]


def _price_of(shop: Shop) -> float | None:
    """The price that the rules and guardrails give at the decider's time."""
    state = shop.shard.get("A")
    assert state is not None
    inputs = state.inputs_at(shop.shard.decider)
    assert inputs is not None
    policy = shop.shard.decider.policy
    shown = quote_rules(inputs, policy)[1]
    ratio = policy.guardrails.ceiling_ratio
    return shown if ratio is None else min(shown, 10.0 * ratio)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 1500),
        st.builds(forecast, st.sampled_from([0.4, 0.6, 0.8, 1.0]), version=st.just(0))
        | st.builds(supply, st.integers(0, 12).map(float))
        | st.builds(click)
        | st.builds(external, st.integers(0, 9000), st.integers(0, 12_000), event_id=st.sampled_from("ef"))
        | st.just(event(12.0)),
    ),
    max_size=25,
)


@given(STEPS, GUARDED)
def test_time_alone_ends_at_the_price_of_a_look_at_that_time(
    steps: list[tuple[int, object]], policy: PricingPolicy
) -> None:
    shop = SurgeShop(policy)
    shop.describe()
    shop.send(click(product_id="C"))
    at_s = T0_S
    for pause_s, signal in steps:
        at_s += pause_s
        shop.pass_time(pause_s)
        if isinstance(signal, ExternalEvent):
            shop.happen(signal)
        elif isinstance(signal, Forecast):
            shop.send(msgspec.structs.replace(signal, made_at_ms=at_s * 1000))
        elif isinstance(signal, Click | Supply):
            shop.send(msgspec.structs.replace(signal, time_s=at_s))
        else:
            shop.sell(event(12.0, at_ms=at_s * 1000))
            shop.pass_time(0)
        for later_s in (60, 700, 3600, 7200):
            other = SurgeShop(policy, shop.shard.snapshot())
            other.now_ms = shop.now_ms
            other.shard.clock.note(at_s * 1000, other.now_ms)
            other.pass_time(later_s)
            other.shard.decider.at_s = at_s + later_s
            found = other.shard.get("A")
            assert found is not None
            assert found.price == _price_of(other)


@given(some_surge_signals, some_external_events, st.data())
def test_a_replay_in_another_order_ends_at_the_same_price_above_every_version(
    signals: list[Signal], events: list[ExternalEvent], data: st.DataObject
) -> None:
    policy = policy_of(WEIGHTS_OF_ONE + hours_of(h1=1.5))
    both: list[Signal | ExternalEvent] = [*signals, *events]
    before = SurgeShop(policy)
    before.describe()
    document = before.shard.snapshot()
    published, prices_at_end, settled = 0, [], []
    for execution, arrivals in enumerate((both, data.draw(st.permutations(both)))):
        # Each goes on from the same snapshot; the first one is killed before it settles.
        shop = SurgeShop(policy, document, settles=False)
        decisions = [
            decision
            for each in arrivals
            for decision in (shop.happen(each) if isinstance(each, ExternalEvent) else shop.send(each))
        ]
        decisions += shop.send(later()) + shop.pass_time(61)
        published = max([published, *(each.version for each in decisions if each.product_id == "A")])
        settled = shop.shard.settle(was_resumed=True, execution=1 + execution)
        state = shop.shard.get("A")
        assert state is not None
        prices_at_end.append((state.price, state.adjustments))
    assert prices_at_end[0] == prices_at_end[1]
    again = [each for each in settled if each.product_id == "A"]
    # Without a decision of its own, nothing was published of it.
    assert bool(again) or not published
    assert all(each.version > published and each.cause == Cause.RESTORED for each in again)
