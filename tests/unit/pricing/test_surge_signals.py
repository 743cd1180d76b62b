"""Forecasts, supply, external events and hours: exact, in any order of arrival, also where only time passes."""

import msgspec
import pytest

from core.positions import SourcePosition
from core.room import UNBOUNDED
from pricing.batches import ChangeBatch, SignalBatch
from pricing.catalogue import CatalogueChange
from pricing.commands import Freeze, FreezeLift
from pricing.decision import Cause
from pricing.external_events import EVENTS_MAX, ExternalEvents
from pricing.policy import default_policy
from pricing.signals import Signal
from pricing.state.lane import Lane
from pricing.state.shard import Shard
from tests.support.signal_shop import T0_S, click, prices, quote
from tests.support.signals import T0, event
from tests.support.surge_shop import (
    WEIGHTS_OF_ONE,
    SurgeShop,
    external,
    forecast,
    hours_of,
    policy_of,
    supply,
)

MINUTE_S = 60 - T0_S % 60
"""Seconds after T0 at which the next minute begins."""

HOUR_S = 3600 - T0_S % 3600
"""Seconds after T0 at which the next hour begins."""


def shop_of(more: str = "", *documents: bytes) -> SurgeShop:
    """A shop with product A at 10.00, in the kitchen."""
    shop = SurgeShop(policy_of(more), *documents)
    if not documents:
        shop.send(click(product_id="C"))
        shop.describe()
    return shop


def test_a_forecast_and_the_supply_change_the_price() -> None:
    shop = shop_of()
    assert shop.price == 10.0
    # 10 * (1 + 0.4 * 1.4034)
    assert prices(shop.send(forecast(0.75))) == [("forecast", 2, 15.5)]
    # 10 expected and 5 available: 10 * (1.56136 + 0.3)
    assert prices(shop.send(supply(5.0))) == [("supply", 3, 18.5)]
    state = shop.shard.get("A")
    assert state is not None
    assert (state.price_source, state.adjustments[-1].rule, state.adjustments[-1].amount) == (
        "dynamic",
        "surge",
        8.5,
    )
    assert state.adjustments[-1].reason.startswith("times 1.86: demand 0.56, supply 0.30,")
    # Older ones count no more.
    assert shop.send(forecast(0.9, T0_S - 1, version=9), supply(1.0, T0_S - 1), forecast(0.9, version=0)) == []


def test_a_forecast_that_knows_nothing_counts_as_none() -> None:
    shop = shop_of()
    shop.send(supply(0.0))
    assert shop.send(forecast(0.9, source="base")) == []
    assert shop.price == 10.0
    assert prices(shop.send(forecast(0.9, version=2, source="category"))) == [("forecast", 2, 23.25)]
    state = shop.shard.get("A")
    assert state is not None
    assert "demand 0.74 (category)" in state.adjustments[-1].reason


def test_forecasts_alone_change_a_price_at_most_once_a_minute_and_none_is_lost() -> None:
    shop = shop_of()
    assert prices(shop.send(forecast(0.75))) == [("forecast", 2, 15.5)]
    assert shop.send(forecast(1.0, T0_S + 1), forecast(0.6, T0_S + 2)) == []
    assert shop.pass_time(MINUTE_S - 3) == []
    (waited,) = shop.pass_time(1)
    assert prices([waited]) == [("forecast", 3, 12.5)]
    assert waited.position.offset == 3
    assert waited.update is not None
    assert waited.update.event_time_ms == (T0_S + MINUTE_S) * 1000
    # In the minute of that price, the next one waits again; then one may act at once.
    assert shop.send(forecast(1.0, T0_S + MINUTE_S + 1)) == []
    assert prices(shop.pass_time(60)) == [("forecast", 4, 18.0)]
    shop.pass_time(60)
    assert prices(shop.send(forecast(0.75, T0_S + MINUTE_S + 121))) == [("forecast", 5, 15.5)]


def test_another_look_in_the_same_minute_takes_the_newest_forecast() -> None:
    shop = shop_of()
    shop.send(forecast(0.75), forecast(1.0, T0_S + 1))
    assert prices(shop.send(supply(20.0))) == [("supply", 3, 18.0)]
    assert shop.pass_time(60) == []


def test_a_forecast_that_waits_is_in_the_snapshot() -> None:
    shop = shop_of()
    shop.send(forecast(0.75), forecast(1.0, T0_S + 1))
    again = shop_of("", shop.shard.snapshot())
    assert again.shard.get("A") == shop.shard.get("A")
    assert prices(again.pass_time(0)) == []
    assert prices(again.pass_time(MINUTE_S)) == [("forecast", 3, 18.0)]


def test_a_forecast_and_the_supply_go_stale() -> None:
    shop = shop_of("forecast_ttl_s = 100\nsupply_ttl_s = 50\n")
    shop.send(forecast(0.75, mean_60=10.0), supply(5.0))
    assert shop.price == 18.5
    assert shop.pass_time(50) == []
    (stale,) = shop.pass_time(1)
    assert (prices([stale]), stale.position.offset) == ([("stale", 4, 15.5)], 2)
    (stale,) = shop.pass_time(60)
    assert (prices([stale]), stale.position.offset) == ([("stale", 5, 10.0)], 1)
    # One that is stale when it comes changes nothing.
    assert shop.send(forecast(1.0, T0_S + 1)) == []


def test_an_event_of_a_product_starts_and_ends() -> None:
    shop = shop_of(WEIGHTS_OF_ONE)
    assert shop.happen(external(100, 200, 0.5)) == []
    assert shop.pass_time(99) == []
    (started,) = shop.pass_time(1)
    assert prices([started]) == [("external_started", 2, 20.0)]
    assert started.position.topic == "external"
    assert shop.pass_time(99) == []
    assert prices(shop.pass_time(1)) == [("external_ended", 3, 10.0)]
    assert shop.shard.external.by_id == {}
    # One that is on changes the price at once.
    assert prices(shop.happen(external(0, 300, 0.25, offset=1))) == [("external", 4, 15.0)]
    # The strongest counts.
    assert shop.happen(external(0, 300, 0.2, event_id="f")) == []
    assert prices(shop.end()) == [("external", 5, 14.0)]
    assert prices(shop.happen(external(0, 300, 0.1, event_id="f", product_id="B"))) == [("external", 6, 10.0)]


def test_the_newest_message_of_an_event_counts() -> None:
    shop = shop_of(WEIGHTS_OF_ONE)
    shop.happen(external(0, 1000, 0.5))
    assert shop.price == 20.0
    assert prices(shop.happen(external(500, 1000, 0.5, offset=1))) == [("external", 3, 10.0)]
    assert prices(shop.pass_time(500)) == [("external_started", 4, 20.0)]
    assert prices(shop.happen(external(500, 700, 0.5, offset=2))) == []
    assert prices(shop.pass_time(200)) == [("external_ended", 5, 10.0)]
    assert shop.happen(external(500, 700, 1.0, offset=3)) == []
    assert not shop.shard.external.by_id


def test_an_event_of_a_category_concerns_its_products() -> None:
    shop = shop_of(WEIGHTS_OF_ONE)
    shop.describe("B")
    shop.sell(event(20, product="D"))
    found = shop.happen(
        external(0, 100, 0.5, category="kitchen"), external(0, 100, 0.5, event_id="t", category="x")
    )
    assert [(each.product_id, each.cause) for each in found] == [("A", "external"), ("B", "external")]
    # A product that comes into the category, and one that leaves it.
    shop.sell(event(10.0))
    moved = shop.shard.get("A")
    assert moved is not None
    assert moved.catalogue is not None
    entry = msgspec.structs.replace(moved.catalogue, category="toys")
    assert prices(shop.change(CatalogueChange("A", entry, T0, 0))) == [("catalogue", 4, 10.0)]
    assert {each.product_id: each.cause for each in shop.pass_time(100)} == {"B": "external_ended"}


def test_a_message_lets_the_time_before_it_pass_first() -> None:
    shop = shop_of(WEIGHTS_OF_ONE + hours_of(h1=1.5))
    shop.now_ms += (HOUR_S + 100) * 1000
    # It has started after the hour's look, which comes late.
    found = shop.happen(external(HOUR_S + 50, HOUR_S + 900, 0.25))
    assert prices(found) == [("hour", 2, 15.0), ("external", 3, 20.0)]
    assert shop.pass_time(0) == []


def test_a_start_that_has_passed_is_not_looked_at() -> None:
    shop = shop_of(WEIGHTS_OF_ONE + hours_of(h1=1.5))
    shop.pass_time(HOUR_S + 100)
    assert prices(shop.happen(external(0, HOUR_S + 900, 0.25))) == [("external", 3, 20.0)]
    assert shop.pass_time(700) == []
    assert prices(shop.pass_time(100)) == [("external_ended", 4, 15.0)]


def test_prices_of_a_look_are_in_the_next_document() -> None:
    shop = shop_of(WEIGHTS_OF_ONE + hours_of(h1=1.5))
    shop.happen(external(100, 9000, 0.25))
    documents = [shop.shard.snapshot()]
    assert shop.shard.changes() is None
    for pause_s in (100, HOUR_S):
        assert len(shop.pass_time(pause_s)) == 1
        documents.append(shop.shard.changes() or b"")
        assert Shard(shop.shard.decider.policy, *documents).get("A") == shop.shard.get("A")


def test_a_lane_that_had_events_only_is_woken_for_the_hour() -> None:
    shop = SurgeShop(policy_of(WEIGHTS_OF_ONE + hours_of(h1=1.5)))
    shop.sell(event(10.0))
    shop.pass_time(0)
    assert shop.next_due_ms() == T0 + HOUR_S * 1000
    assert prices(shop.pass_time(HOUR_S)) == [("hour", 2, 15.0)]


def test_hours_change_the_price_of_every_product() -> None:
    shop = shop_of(WEIGHTS_OF_ONE + hours_of(h0=1.5, h1=1.5, h2=2.0))
    shop.describe("B", base_price=20.0)
    assert shop.price == 15.0
    assert shop.pass_time(HOUR_S) == []
    found = shop.pass_time(3600)
    assert {each.product_id: prices([each])[0][::2] for each in found} == {"A": ("hour", 20.0), "B": ("hour", 40.0)}
    assert len({each.position for each in found}) == 1
    assert found[0].position.offset == (T0_S + HOUR_S + 3600) // 3600
    # Of hours that pass at once, the last one counts.
    assert prices(shop.pass_time(20 * 3600)) == [("hour", 3, 10.0), ("hour", 3, 20.0)]
    assert shop.pass_time(0) == []


def test_a_product_that_is_priced_before_any_time_is_known_is_looked_at_then() -> None:
    shop = SurgeShop(policy_of(WEIGHTS_OF_ONE + hours_of(h0=1.5)))
    shop.describe()
    assert shop.price == 10.0
    assert prices(shop.send(click(product_id="B"))) == [("hour", 2, 15.0)]


def test_a_restored_shard_does_not_go_through_times_that_have_passed() -> None:
    more = WEIGHTS_OF_ONE + "forecast_ttl_s = 100\n" + hours_of(h0=1.5)
    shop = shop_of(more)
    shop.send(forecast(0.75))
    shop.happen(external(0, 50, 0.5), external(60, 10_000, 0.25, event_id="f"), external(8000, 9000, event_id="g"))
    shop.send(click(T0_S + HOUR_S + 5, "C"))
    state = shop.shard.get("A")
    assert state is not None
    assert state.price == 15.0
    restored = shop_of(more, shop.shard.snapshot())
    restored.now_ms = T0 + 10**9
    assert restored.pass_time(0) == []
    assert restored.shard.get("A") == state
    assert set(restored.shard.external.by_id) == {"f", "g"}
    assert restored.shard.signals._looks.next_s() == T0_S + 8000


def test_a_document_without_external_events_keeps_those_of_before() -> None:
    shop = shop_of()
    shop.happen(external(100, 200))
    documents = [shop.shard.snapshot()]
    shop.send(supply(5.0))
    documents.append(shop.shard.changes() or b"")
    assert set(Shard(policy_of(), *documents).external.by_id) == {"e"}
    shop.end()
    documents.append(shop.shard.changes() or b"")
    restored = Shard(policy_of(), *documents)
    assert restored.external.by_id == {}
    assert restored.changes() is None


def test_without_a_surge_signals_are_kept_and_change_nothing() -> None:
    shop = SurgeShop(default_policy())
    shop.describe()
    signals: list[Signal] = [forecast(1.0), supply(0.0), forecast(0.9, T0_S + 1)]
    assert shop.send(*signals) == shop.happen(external(0, 100)) == []
    assert shop.pass_time(5000) == []
    state = shop.shard.get("A")
    assert state is not None
    assert state.signals is not None
    assert state.signals.surge is not None
    assert state.price == 10.0
    # Readers of stock, clicks and competitors hear nothing of it.
    assert [each.product_id for each in shop.shard.signals.take_shown(shop.now_ms)] == []
    assert shop.shard.external.by_id == {}


def test_an_override_holds_and_a_freeze_makes_up_for_it() -> None:
    shop = shop_of()
    position = SourcePosition("freezes", 0, 1)
    freeze = Freeze("category:kitchen", "sale", "ann", T0, position, True)
    shop.shard.apply(ChangeBatch("freezes", 0, [freeze]), shop.now_ms)
    assert shop.send(forecast(0.75)) == shop.happen(external(0, 100)) == []
    lifted = shop.shard.apply(
        ChangeBatch("freezes", 0, [FreezeLift("category:kitchen", T0 + 1, 2, True)]), shop.now_ms
    )
    assert prices(lifted) == [("freeze_lifted", 2, 17.5)]


def test_an_event_has_the_surge_of_its_moment() -> None:
    shop = shop_of()
    shop.send(forecast(0.75))
    assert prices(shop.sell(event(20.0))) == [("event", 3, 31.25)]
    shop.happen(external(0, 100))
    assert prices(shop.sell(event(40.0))) == [("event", 5, 70.5)]
    # A product that nothing else knows has its factors too.
    assert prices(shop.sell(event(10.1, product="N"))) == [("event", 1, 10.0)]


def test_of_too_many_events_the_one_that_starts_last_is_forgotten() -> None:
    events = ExternalEvents()
    for n in range(EVENTS_MAX + 1):
        events.set(external(EVENTS_MAX - n, 20_000, event_id=str(n)), 0)
    assert len(events.by_id) == EVENTS_MAX
    assert "0" not in events.by_id


def test_times_of_replaced_messages_take_no_room() -> None:
    events = ExternalEvents()
    for n in range(1000):
        events.set(external(n, n + 1000), 0)
    assert len(events._times) < 100
    assert events.next_s() == T0_S + 999


def test_a_restored_shard_decides_what_forecasts_and_external_events_touched_once_more() -> None:
    policy = policy_of(WEIGHTS_OF_ONE)
    shop = shop_of(WEIGHTS_OF_ONE)
    shop.describe("B")
    shop.describe("D")
    document = shop.shard.snapshot()
    restored = Shard(policy, document)
    lane = Lane(policy, UNBOUNDED)
    lane.hold(0, restored)
    lane.apply_signals(SignalBatch("forecasts", [0], [99], [forecast(0.75)], [0]), T0)
    restored.apply(ChangeBatch("external", 0, [external(0, 100, product_id="B", offset=7)]), T0)
    again = restored.settle(was_resumed=True, execution=1)
    assert {(each.product_id, each.cause, each.version, each.position.offset) for each in again} == {
        ("A", Cause.RESTORED, 1_000_001, 99),
        ("B", Cause.RESTORED, 1_000_001, 7),
    }


@pytest.mark.parametrize("more", ["", "[guardrails]\nmax_step_percent = 5\n"])
def test_a_click_that_changes_nothing_is_not_priced(more: str) -> None:
    shop = shop_of(more)
    shop.send(quote(10.0), forecast(0.75))
    assert [each.cause for each in shop.send(click(), click())] == ([] if not more else ["clicks", "clicks"])
