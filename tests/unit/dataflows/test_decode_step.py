"""The decoding step: the keys to which signals go, and the shards that are touched."""

import json
from collections.abc import Sequence
from typing import Any

from connectors.decode.pricing import SignalKind
from connectors.kafka import RawBatch
from core.placement import Placement
from core.shards import shard_of
from core.work import RefillRequest, Refused, Touched
from dataflows.steps.decode import CHUNK, Decoding, Routed
from pricing.batches import ChangeBatch, EventBatch
from pricing.commands import Freeze
from pricing.external_events import ExternalEvent
from tests.support.signals import T0

SHARDS = 8
KINDS = {
    "events": SignalKind.PRODUCT_EVENTS,
    "catalogue": SignalKind.CATALOGUE,
    "freezes": SignalKind.FREEZES,
    "external": SignalKind.EXTERNAL_EVENTS,
}
BAD = b"{"


def message(product: str) -> bytes:
    return json.dumps({"event_type": "view", "product_id": product, "timestamp": T0, "price": 10}).encode()


def events(*products: str, epoch: int = 1, keys: Sequence[bytes | None] | None = None) -> RawBatch:
    """A batch with an event of each product; an empty name stands for a bad message."""
    values: list[bytes | None] = [message(product) if product else BAD for product in products]
    named: list[bytes | None] = [product.encode() for product in products]
    count = len(products)
    return RawBatch(
        "events", [2] * count, list(range(count)), list(keys) if keys else named, values, [T0] * count, epoch=epoch
    )


class Step:
    """A decoding step of one of `workers`."""

    def __init__(self, workers: int = 1) -> None:
        self.placement = Placement()
        self.placement.workers = workers
        self.decode = Decoding(KINDS, SHARDS, self.placement)

    def __call__(self, *items: Any) -> list[Routed]:
        return self.decode(items)

    def lane(self, product: str) -> str:
        return self.placement.lanes_of(SHARDS)[shard_of(product.encode(), SHARDS)]


def touched(routed: list[Routed]) -> set[int]:
    """The shards that are touched. Asserts that each item has its shard's key."""
    found = [(key, work.shard) for key, work in routed if isinstance(work, Touched)]
    assert all(key == str(shard) for key, shard in found)
    assert len(set(found)) == len(found)
    return {shard for _, shard in found}


def of(*products: str) -> set[int]:
    return {shard_of(product.encode(), SHARDS) for product in products}


def test_events_of_all_shards_are_one_batch_and_each_shard_is_touched_once_in_an_epoch() -> None:
    step = Step()
    first = step(events("A", "B", "C"))
    assert touched(first) == of("A", "B", "C")
    key, batch = first[-1]
    assert isinstance(batch, EventBatch)
    assert (key, [each.product_id for each in batch.events]) == (step.lane("A"), ["A", "B", "C"])
    assert list(batch.shards) == [shard_of(name, SHARDS) for name in batch.keys]
    assert touched(step(events("A", "C"))) == set()
    assert touched(step(events("A", "C", epoch=2))) == of("A", "C")


def test_events_go_to_the_lane_of_their_product_whatever_their_key() -> None:
    step = Step(workers=3)
    names = [f"product-{number}" for number in range(40)]
    routed = step(events(*names, keys=[None, b"other"] * 20))
    batches = [(key, work) for key, work in routed if isinstance(work, EventBatch)]
    assert len(batches) == len({step.lane(name) for name in names})
    seen = []
    for key, batch in batches:
        assert {step.lane(event.product_id) for event in batch.events} == {key}
        assert list(batch.shards) == [shard_of(name, SHARDS) for name in batch.keys]
        assert [json.loads(value or b"")["product_id"] for value in batch.values] == [
            event.product_id for event in batch.events
        ]
        assert list(batch.offsets) == sorted(batch.offsets)
        # As it is sent to another process.
        unpack, packed = batch.__reduce__()
        assert unpack(*packed) == batch
        seen += [event.product_id for event in batch.events]
    assert sorted(seen) == sorted(names)
    assert touched(routed) == of(*names)


def test_a_bad_message_is_refused_and_the_others_keep_their_order() -> None:
    names = [f"product-{number}" for number in range(3 * CHUNK)]
    names[CHUNK + 5] = ""
    routed = Step()(events(*names))
    ((key, refused),) = [(key, work) for key, work in routed if isinstance(work, Refused)]
    assert key == "0"
    assert [(each.position.offset, each.raw) for each in refused.letters] == [(CHUNK + 5, BAD)]
    (batch,) = [work for _, work in routed if isinstance(work, EventBatch)]
    assert batch.offsets == [offset for offset in range(3 * CHUNK) if offset != CHUNK + 5]
    assert [event.product_id for event in batch.events] == [name for name in names if name]


def test_nothing_is_sent_for_bad_messages_alone() -> None:
    ((_, refused),) = Step()(events("", ""))
    assert isinstance(refused, Refused)
    assert len(refused.letters) == 2


def test_each_change_touches_its_shard() -> None:
    step = Step()
    entry = json.dumps({"product_id": "A", "name": "A", "category": "c", "base_price": 5}).encode()
    step(events("A"))
    routed = step(RawBatch("catalogue", [0], [1], [b"A"], [entry], [T0], epoch=1))
    assert touched(routed) == of("A")
    key, batch = routed[-1]
    assert isinstance(batch, ChangeBatch)
    assert (key, {batch.shard}) == (step.lane("A"), of("A"))


def test_a_freeze_goes_to_every_shard_and_one_of_them_reports_it() -> None:
    step = Step(workers=2)
    freeze = json.dumps({"scope": "all", "reason": "x", "set_by": "ann", "set_at": T0}).encode()
    routed = step(RawBatch("freezes", [0], [1], [b"all"], [freeze], [T0]))
    assert touched(routed) == set(range(SHARDS))
    batches = [(key, work) for key, work in routed if isinstance(work, ChangeBatch)]
    assert [batch.shard for _, batch in batches] == list(range(SHARDS))
    assert [key for key, _ in batches] == step.placement.lanes_of(SHARDS)
    recorded = [change.recorded for _, batch in batches for change in batch.changes if isinstance(change, Freeze)]
    assert recorded.count(True) == 1
    assert recorded.index(True) == shard_of(b"all", SHARDS)


def test_an_external_event_goes_to_every_shard_and_one_of_a_product_is_a_removal_in_all_others() -> None:
    step = Step(workers=2)
    fields = {"event_id": "e", "score": 1, "starts": T0, "ends": T0 + 1000, "name": "Concert"}
    of_product, of_category = (
        json.dumps({**fields, **scope}).encode() for scope in ({"product_id": "A"}, {"category": "kitchen"})
    )
    routed = step(RawBatch("external", [0, 0, 0], [1, 2, 3], [b"e"] * 3, [of_product, of_category, None], [T0] * 3))
    assert touched(routed) == set(range(SHARDS))
    batches = [(key, work) for key, work in routed if isinstance(work, ChangeBatch)]
    assert [key for key, _ in batches] == step.placement.lanes_of(SHARDS)
    for _, batch in batches:
        first, second, third = (each for each in batch.changes if isinstance(each, ExternalEvent))
        assert first.is_removal == ({batch.shard} != of("A"))
        assert (second.category, second.is_removal, third.is_removal) == ("kitchen", False, True)
        assert [each.position.offset for each in (first, second, third)] == [1, 2, 3]


def test_what_is_routed_already_stays() -> None:
    request = ("3", RefillRequest("start"))
    routed = Step()(request, events("A"), request)
    assert (routed[0], routed[-1]) == (request, request)
