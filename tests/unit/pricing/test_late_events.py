"""Late events: events that are older than the one that set the base price."""

import json

import msgspec

from pricing.batches import EventBatch
from pricing.commands import Freeze, FreezeLift, OverrideRemoval
from pricing.decision import Cause, to_priced
from pricing.policy import default_policy, parse_policy
from pricing.state.shard import Shard
from sinks.history.pricing import encode_history
from sinks.kafka.pricing import encode_updates
from sinks.redis.pricing import encode_latest
from tests.support.shards import NOW_MS, apply
from tests.support.signals import POSITION, T0, event, override, update_of

COUNT = parse_policy('[demand]\nlate_events = "count"')
YEARS_MS = 20 * 365 * 86_400_000


def test_by_default_a_late_event_sets_the_price() -> None:
    first, late = apply(Shard(default_policy()), event(100.0), event(1.0, at_ms=T0 - YEARS_MS))
    assert (update_of(first).new_price, update_of(late).new_price) == (105.0, 8.07)
    assert (late.cause, update_of(late).event_time_ms) == (Cause.EVENT, T0 - YEARS_MS)


def test_a_late_event_that_only_counts_sets_no_price() -> None:
    shard = Shard(COUNT)
    first, late, after = apply(shard, event(100.0), event(1.0, "cart", T0 - 1), event(100.0))
    assert (late.cause, late.version, late.updated_at_ms) == (Cause.LATE, 2, NOW_MS)
    assert (update_of(late).new_price, update_of(late).event_time_ms) == (105.0, T0)
    assert (update_of(first).demand, update_of(late).demand) == (1.0, 4.0)
    assert late.day_open == first.day_open
    # An event of the same time is not late. It takes the demand of the late one.
    assert (after.cause, after.version, update_of(after).new_price) == (Cause.EVENT, 3, round(100 + 5 * 5**0.5, 2))
    assert shard.decider.causes == {Cause.LATE: 1}


def test_a_late_event_makes_no_row_and_no_update_but_redis_has_its_version_and_demand() -> None:
    shard = Shard(COUNT)
    events = [event(100.0), event(1.0, at_ms=T0 - 1), event(50.0, product="B"), event(60.0, product="B")]
    events += [event(2.0, at_ms=T0 - 5), event(7.0, at_ms=T0 - 5, product="B"), event(61.0, product="B")]
    keys = [each.product_id.encode() for each in events]
    prices, decisions = shard.apply_events(EventBatch("events", [0] * 7, list(range(7)), keys, events), NOW_MS)
    priced = to_priced(decisions, events=prices)
    assert [json.loads(value)["version"] for _, value in encode_updates(priced)] == [1, 1, 2, 4]
    assert [row.split(b"\t")[-1] for row in encode_history(priced)] == [b"0", b"2", b"3", b"6"]
    rows = {name: msgspec.json.decode(row)[2] for name, row in encode_latest(priced)}
    assert (rows["A"]["version"], rows["A"]["demand"], rows["A"]["new_price"]) == (3, 3.0, 105.0)
    # The newest of B is the price of an event that came after the late one.
    assert (rows["B"]["version"], rows["B"]["demand"], rows["B"]["new_price"]) == (4, 4.0, 71.0)


def test_an_override_and_a_freeze_end_with_the_price_of_the_newest_event() -> None:
    shard = Shard(COUNT)
    decisions = apply(
        shard,
        event(100.0),
        override(9.0),
        event(1.0, at_ms=T0 - 1),
        OverrideRemoval("A", T0 + 5000, 7),
        Freeze("all", "r", "s", T0 + 6000, POSITION, True),
        event(1.0, at_ms=T0 - 1),
        FreezeLift("all", T0 + 7000, 9, True),
    )
    assert [each.cause for each in decisions] == [
        *(Cause.EVENT, Cause.OVERRIDE_SET, Cause.LATE, Cause.OVERRIDE_REMOVED, Cause.LATE)
    ]
    assert update_of(decisions[2]).new_price == 9.0
    assert update_of(decisions[3]).new_price == round(100 + 5 * 2**0.5, 2)
    state = shard.get("A")
    assert state is not None
    # Every change counts a version, also the lift of a freeze under which nothing waited.
    assert state.version == 6


def test_a_restart_knows_which_event_is_late() -> None:
    shard = Shard(COUNT)
    apply(shard, event(100.0))
    again = Shard(COUNT, shard.snapshot())
    (late,) = apply(again, event(1.0, at_ms=T0 - 1))
    assert late.cause == Cause.LATE
