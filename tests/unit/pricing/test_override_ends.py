"""Ends of overrides that are known before the override is read, and the flow's own tombstones."""

import msgspec

from connectors.decode.pricing import SignalKind, decode
from connectors.decode.wire import RawMessage
from core.positions import SourcePosition
from pricing.batches import Change, ChangeBatch, EventBatch
from pricing.commands import OverrideRemoval, PriceOverride
from pricing.decision import Cause, PriceDecision, to_priced
from pricing.policy import default_policy
from pricing.state.shard import Shard
from sinks.kafka.pricing import encode_commands
from tests.support.signals import T0, event, update_of

END = T0 + 10


def shard_with_an_event() -> Shard:
    shard = Shard(default_policy())
    shard.apply_events(EventBatch("product-events", [0], [1], [b"A"], [event(10)]), T0)
    return shard


def apply(shard: Shard, *signals: Change, now_ms: int = T0) -> list[PriceDecision]:
    return shard.apply(ChangeBatch("price-overrides", 0, list(signals)), now_ms)


def timed(
    price: float = 1.0, offset: int = 1, kafka_time_ms: int = T0, expires_ms: int | None = END
) -> PriceOverride:
    position = SourcePosition("price-overrides", 0, offset)
    return PriceOverride("A", price, "sale", "ann", T0, expires_ms, position, kafka_time_ms)


def test_an_override_that_was_over_when_kafka_took_it_has_no_effect() -> None:
    shard = shard_with_an_event()
    late = timed(kafka_time_ms=END + 10)
    assert apply(shard, late) == []
    state = shard.get("A")
    assert state is not None
    assert (state.version, state.price) == (1, 15.0)


def test_an_override_that_ended_before_it_is_read_counts_and_no_reader_sees_it() -> None:
    shard = shard_with_an_event()
    over = timed()
    set_, expired = apply(shard, over, now_ms=T0 + 5_000)
    assert (set_.cause, set_.is_over, set_.version) == (Cause.OVERRIDE_SET, True, 2)
    assert (expired.cause, expired.version, update_of(expired).new_price) == (Cause.OVERRIDE_EXPIRED, 3, 15.0)
    assert expired.ended is not None


def test_an_override_that_ends_by_time_leaves_a_tombstone_with_the_time_of_its_end() -> None:
    shard = shard_with_an_event()
    assert encode_commands(to_priced(apply(shard, timed()))) == []
    expired = shard.expire(END)
    assert encode_commands(to_priced(expired)) == [(b"A", None, END, [])]
    # The flow reads its own tombstone, and it changes nothing.
    assert apply(shard, OverrideRemoval("A", END, 2)) == []


def test_no_tombstone_is_written_behind_a_newer_override() -> None:
    shard = shard_with_an_event()
    apply(shard, timed())
    decisions = apply(shard, timed(2.0, offset=2, kafka_time_ms=END + 1, expires_ms=None))
    assert [each.cause for each in decisions] == [Cause.OVERRIDE_EXPIRED, Cause.OVERRIDE_SET]
    assert encode_commands(to_priced(decisions)) == []


def test_a_tombstone_does_not_end_a_newer_override_which_is_written_again() -> None:
    shard = shard_with_an_event()
    apply(shard, timed())
    shard.expire(END)
    newer = timed(2.0, offset=2, kafka_time_ms=END + 1, expires_ms=END + 90_000)
    apply(shard, newer)
    kept = apply(shard, OverrideRemoval("A", END, 3))
    assert [(each.cause, update_of(each).new_price) for each in kept] == [(Cause.KEPT, 2.0)]
    ((key, value, _, _),) = encode_commands(to_priced(kept))
    assert value is not None
    again = decode(SignalKind.OVERRIDES, RawMessage(4, key, value, END + 5), "price-overrides", 0)
    assert isinstance(again, PriceOverride)
    assert msgspec.structs.replace(again, position=newer.position, kafka_time_ms=END + 1) == newer
    # A removal by a person still ends it.
    (removed,) = apply(shard, OverrideRemoval("A", END + 7, 5))
    assert removed.cause == Cause.OVERRIDE_REMOVED


def test_a_replay_with_the_tombstone_ends_the_override_once() -> None:
    shard = shard_with_an_event()
    decisions = apply(shard, timed(), OverrideRemoval("A", END, 2), now_ms=END + 60_000)
    assert [each.cause for each in decisions] == [Cause.OVERRIDE_SET, Cause.OVERRIDE_EXPIRED]
    assert shard.expire(END + 60_000) == []
