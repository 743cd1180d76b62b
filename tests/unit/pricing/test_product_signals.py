"""Stock, clicks and competitors: exact, in any order of arrival, also where only time passes."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.positions import SourcePosition
from core.room import UNBOUNDED
from pricing.batches import EventBatch, SignalBatch
from pricing.catalogue import CatalogueChange
from pricing.clicks import WINDOW_S, ClickWindow
from pricing.competitors import COMPETITORS_MAX, add_quote
from pricing.decision import Cause
from pricing.engine import quote_rules
from pricing.inventory import StockMove
from pricing.policy import PricingPolicy, default_policy, parse_policy
from pricing.signals import Signal, inputs_of
from pricing.state.lane import Lane
from pricing.state.shard import Shard
from tests.support.signal_shop import DEMO, T0_S, Shop, click, prices, quote, some_signals
from tests.support.signals import T0, event

policies = st.sampled_from(
    [
        parse_policy(DEMO),
        parse_policy(DEMO.replace("factor = 1.02", "factor = 1.02\nabove = 2")),
        parse_policy(DEMO + "quote_ttl_s = 300\nquote_band = [0.5, 1.5]\n[guardrails]\nfloor_ratio = 0.5\n"),
        default_policy(),
    ]
)


@given(some_signals, st.data(), policies)
def test_the_order_of_arrival_makes_no_difference(
    signals: list[Signal], data: st.DataObject, policy: PricingPolicy
) -> None:
    last = StockMove("B", T0_S + 2000, 1)
    ends = []
    for arrivals in (signals, data.draw(st.permutations(signals))):
        shop = Shop(policy)
        shop.describe(stock_level=30.0)
        shop.send(*arrivals)
        # The same time at the end of both.
        shop.send(last)
        state = shop.shard.get("A")
        assert state is not None
        shown = msgspec.structs.replace(shop.shown(), echoes=0, outside_band=0)
        ends.append((state.price, state.adjustments, state.price_source, shown))
    assert ends[0] == ends[1]


@given(st.lists(st.integers(0, 2000), max_size=60), st.integers(0, 3000))
def test_a_window_of_clicks_equals_a_count(seconds: list[int], at_s: int) -> None:
    window = ClickWindow()
    for second in sorted(seconds, key=lambda each: each % 7):
        if second <= at_s:
            window.add(second, at_s, SourcePosition("t", 0, second))
    inside = [second for second in seconds if at_s - WINDOW_S < second <= at_s]
    assert (window.total, window.seconds) == (len(inside), sorted(set(inside)))
    for above in (0, 1, 5):
        cools = window.cools(above)
        if len(inside) <= above:
            assert cools is None
            continue
        assert cools is not None
        left = [second for second in inside if second > cools[0] - WINDOW_S]
        before = [second for second in inside if second > cools[0] - 1 - WINDOW_S]
        assert len(left) <= above < len(before)
        assert cools[1].offset == cools[0] - WINDOW_S


def test_the_numbers_of_the_demo() -> None:
    shop = Shop()
    assert prices(shop.describe(stock_level=30.0)) == [("catalogue", 1, 10.0)]
    assert prices(shop.send(StockMove("A", T0_S, -11))) == [("stock", 2, 12.0)]
    assert prices(shop.send(StockMove("A", T0_S, 40))) == [("stock", 3, 9.0)]
    assert prices(shop.send(StockMove("A", T0_S, -9))) == [("stock", 4, 10.0)]
    # At most as many as the cheapest competitor's: 31 clicks, and only then.
    assert prices(shop.send(quote(10.0), quote(11.0, competitor="d"))) == []
    assert prices(shop.send(*[click()] * 31)) == [("clicks", 5, 10.2)]
    # A cheaper competitor ends that, and lowers the price.
    assert prices(shop.send(quote(9.99, T0_S + 1))) == [("competitor", 6, 9.9)]
    state = shop.shard.get("A")
    assert state is not None
    assert [each.rule for each in state.adjustments] == ["base", "competitor"]
    assert state.price_source == "dynamic"


def test_a_window_that_cools_and_a_quote_that_goes_stale_change_the_price_by_time_alone() -> None:
    shop = Shop(parse_policy(DEMO + "quote_ttl_s = 1000\n"))
    shop.describe(stock_level=30.0)
    shop.send(quote(10.0), *[click(T0_S + n) for n in range(31)])
    assert shop.price == 10.2
    assert shop.pass_time(869) == []
    (cooled,) = shop.pass_time(1)
    assert prices([cooled]) == [("cooled", 3, 10.0)]
    assert (cooled.position.topic, cooled.position.offset) == ("signals", 1)
    assert (cooled.update and cooled.update.event_time_ms) == (T0_S + 900) * 1000
    # A signal of another product lets time pass too.
    shop.send(quote(9.0, T0_S + 905))
    assert shop.price == 9.9
    (stale,) = shop.send(click(T0_S + 1906, "B"))
    assert prices([stale]) == [("stale", 5, 10.0)]
    assert stale.position.offset == 32
    assert shop.shown().min_competitor_price is None


def test_time_passes_for_a_product_that_has_no_price() -> None:
    shop = Shop(parse_policy(DEMO.replace("factor = 1.02", "factor = 1.02\nabove = 1")))
    shop.send(click(), click(), quote(5.0))
    assert shop.pass_time(100_000) == []
    assert (shop.shown().clicks_15m, shop.price) == (0, None)


def test_a_product_that_only_signals_know_is_kept_as_long_as_any_other() -> None:
    shop = Shop()
    shop.send(StockMove("A", T0_S, -3))
    assert shop.shown().is_empty
    assert shop.shard.announce(T0 - 1)
    shop.shard.snapshot()
    assert shop.shard.forget(shop.now_ms) == []
    assert (shop.shard.version_base, [each.cause for each in shop.describe(stock_level=10.0)]) == (0, ["catalogue"])
    assert shop.shown().stock == 7
    shop.send(click(product_id="B"))
    shop.shard.announce(T0 + 1)
    shop.shard.snapshot()
    assert [each.product_id for each in shop.shard.forget(T0 + 1)] == ["B"]
    (gone,) = [each for each in shop.shard.signals.take_shown(T0 + 1) if each.product_id == "B"]
    assert gone.is_empty


def test_an_entry_with_the_same_stock_decides_no_price_of_events_anew() -> None:
    shop = Shop()
    shop.describe(stock_level=30.0)
    shop.shard.apply_events(EventBatch("events", [0], [0], [b"A"], [event(20, at_ms=T0)], shards=[0]), shop.now_ms)
    assert shop.price == 20.0
    # As after a start with another policy.
    shop.shard.decider.policy = parse_policy(DEMO.replace("factor = 0\n", "factor = 3\n"))
    assert [each.cause for each in shop.describe(stock_level=30.0, base_price=11.0)] == [Cause.DESCRIBED]
    assert shop.price == 20.0
    assert [each.cause for each in shop.describe(stock_level=5.0)] == [Cause.CATALOGUE]


def test_cover_is_by_the_purchases_of_the_last_day() -> None:
    shop = Shop()
    shop.describe(stock_level=30.0)
    assert shop.shown().days_of_cover is None
    hour_s = T0_S // 3600 * 3600
    shop.send(StockMove("A", hour_s - 24 * 3600, -1), StockMove("A", hour_s - 23 * 3600, -4))
    assert shop.shown().days_of_cover == 25 / 5
    shop.send(StockMove("A", T0_S, -5), StockMove("A", T0_S, 10))
    # The first hour has left the day.
    assert shop.shown().days_of_cover == 30 / 9
    shop.send(quote(10.0, T0_S - 7))
    assert shop.shown().quoted_at_ms == (T0_S - 7) * 1000


def test_without_competitors_a_price_is_held_if_the_policy_says_so() -> None:
    shop = Shop(parse_policy(DEMO + 'quote_ttl_s = 100\nno_competitor = "hold"\n'))
    shop.describe(stock_level=30.0)
    assert prices(shop.send(quote(9.0))) == [("competitor", 2, 9.9)]
    assert [each.cause for each in shop.pass_time(200)] == [Cause.DESCRIBED]
    state = shop.shard.get("A")
    assert state is not None
    assert (state.price, state.adjustments[-1].rule) == (9.9, "no_competitor")


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 950)), max_size=30), st.integers(0, 3))
def test_time_alone_ends_at_the_price_of_a_look_at_that_time(steps: list[tuple[int, int]], quotes: int) -> None:
    policy = parse_policy(DEMO.replace("factor = 1.02", "factor = 1.02\nabove = 2") + "quote_ttl_s = 500\n")
    shop = Shop(policy)
    shop.describe(stock_level=30.0)
    at_s = T0_S
    for nth, (pause_s, age_s) in enumerate(steps):
        at_s += pause_s
        shop.pass_time(pause_s)
        shop.send(quote(10.0, at_s - age_s) if nth % 4 < quotes else click(at_s - age_s))
        state = shop.shard.get("A")
        assert state is not None
        for later_s in (0, 1, 300, 899):
            other = Shop(policy, shop.shard.snapshot())
            other.now_ms = shop.now_ms
            other.shard.clock.note(at_s * 1000, other.now_ms)
            other.pass_time(later_s)
            found = other.shard.get("A")
            assert found is not None
            other.shard.decider.at_s = at_s + later_s
            inputs = found.inputs_at(other.shard.decider)
            assert inputs is not None
            assert found.price == quote_rules(inputs, policy)[1]


def test_clicks_that_leave_their_window_are_shown_although_they_change_no_price() -> None:
    shop = Shop(default_policy())
    shop.send(click(), click())
    assert shop.shown().clicks_15m == 2
    assert shop.shard.get("A") is not None
    assert shop.pass_time(WINDOW_S) == []
    assert (shop.shown().clicks_15m, shop.price) == (0, None)


def test_an_echo_of_our_own_price_is_ignored_and_counted() -> None:
    shop = Shop(parse_policy(DEMO + 'scraped = ["c"]\nquote_band = [0.5, 2]\n'))
    shop.describe(stock_level=30.0)
    shop.send(StockMove("A", T0_S, -11))
    assert shop.price == 12.0
    assert shop.send(quote(12.0, T0_S + 60)) == []
    assert shop.shown().echoes == 1
    assert prices(shop.send(quote(11.9, T0_S + 60))) == [("competitor", 3, 11.88)]
    assert shop.send(quote(4.0, competitor="far")) == []
    shown = shop.shown()
    assert (shown.outside_band, shown.min_competitor_price, shown.competitor) == (1, 11.9, "c")
    assert shop.shard.decider.causes == {"echo": 1, "outside_band": 1}


def test_each_time_that_more_is_sold_than_there_is_counts() -> None:
    shop = Shop()
    shop.describe(stock_level=2.0)
    for quantity in (-2, -1, -5, 6, -1):
        shop.send(StockMove("A", T0_S, quantity))
    assert shop.shard.decider.causes["oversold"] == 2


@pytest.mark.parametrize(
    ("level", "moved", "expected"),
    [
        (5.0, -8, (0, 3, "Low", True)),
        (20.0, 0, (20, 0, "Medium", False)),
        (50.0, 0, (50, 0, "Medium", False)),
        (50.0, 1, (51, 0, "High", False)),
        (10.0, -3, (7, 0, "Low", True)),
    ],
)
def test_stock_as_it_is_shown(level: float, moved: int, expected: tuple[Any, ...]) -> None:
    shop = Shop()
    if moved:
        shop.send(StockMove("A", T0_S, moved))
    shop.describe(stock_level=level, reorder_threshold=7.0)
    shown = shop.shown()
    assert (shown.stock, shown.oversold, shown.stock_category, shown.needs_reorder) == expected


def test_a_restored_shard_goes_on_and_decides_what_signals_touched_once_more() -> None:
    policy = parse_policy(DEMO)
    shop = Shop(policy)
    shop.describe(stock_level=30.0)
    shop.send(quote(10.0), *[click()] * 31)
    documents = [shop.shard.snapshot()]
    shop.send(StockMove("A", T0_S + 5, -11))
    documents.append(shop.shard.changes() or b"")
    restored = Shard(policy, *documents)
    assert restored.get("A") == shop.shard.get("A")
    assert restored.clock.newest_ms == (T0_S + 5) * 1000
    lane = Lane(policy, UNBOUNDED)
    lane.hold(0, restored)
    lane.apply_signals(SignalBatch("signals", [0], [99], [click(T0_S + 6)], [0]), T0)
    (again,) = restored.settle(was_resumed=True, execution=1)
    assert (again.cause, again.version, again.position.offset) == (Cause.RESTORED, 1_000_003, 99)
    # The window cools in the restored shard too.
    assert lane.next_due_ms() is not None
    assert [each.cause for each in lane.pass_time(T0 + 900_000)] == [Cause.COOLED]


def test_an_entry_that_is_not_newer_in_its_database_changes_nothing() -> None:
    shop = Shop()
    shop.describe(stock_level=30.0, lsn=7)
    for lsn, expected in ((7, []), (6, []), (8, [("catalogue", 2, 12.0)])):
        assert prices(shop.describe(stock_level=5.0, lsn=lsn)) == expected
    assert Shard(parse_policy(DEMO), shop.shard.snapshot()).get("A") == shop.shard.get("A")


def test_a_removal_that_is_not_newer_in_its_database_removes_nothing() -> None:
    shop = Shop()
    shop.describe(stock_level=30.0, lsn=7)

    def is_there_after(lsn: int | None) -> bool:
        shop.change(CatalogueChange("A", None, T0, 0, lsn))
        state = shop.shard.get("A")
        return state is not None and state.catalogue is not None

    # Without a position: the tombstone behind a removal that came again.
    assert [is_there_after(lsn) for lsn in (None, 6, 7, 8)] == [True, True, True, False]
    shop.describe(stock_level=30.0, lsn=9)
    assert [is_there_after(lsn) for lsn in (8, None)] == [True, True]
    # Without positions, the order of the topic counts.
    shop.describe(stock_level=30.0)
    assert not is_there_after(None)


def test_of_too_many_competitors_the_oldest_is_forgotten() -> None:
    quotes: Any = {}
    for n in range(COMPETITORS_MAX + 1):
        add_quote(quotes, quote(5.0, T0_S - n, str(n)), SourcePosition("t", 0, n))
    assert len(quotes) == COMPETITORS_MAX
    assert str(COMPETITORS_MAX) not in quotes


def test_a_product_without_signals_has_no_inputs_of_them() -> None:
    assert inputs_of(None, None, 10.0, T0_S, default_policy()) is None
