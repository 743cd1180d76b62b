"""The pricing step: room for products, and the times at which products are forgotten."""

import threading
from collections.abc import Iterator
from functools import partial

import pytest

import telemetry
from connectors.kafka import CaughtUp
from core.timestamps import DAY_MS
from core.work import Touched
from dataflows.steps.price import ANNOUNCED_MS, PricingStep, Work
from dataflows.steps.room import product_room
from dataflows.workers import PerWorker
from pricing.batches import ChangeBatch, EventBatch
from pricing.decision import Priced
from pricing.policy import default_policy
from pricing.state.lane import Lane
from tests.support.signals import T0, entry, event

TTL_MS = 10 * DAY_MS


class Clock:
    """Processing time, set by the test."""

    def __init__(self) -> None:
        self.now_ms = T0

    def __call__(self) -> int:
        return self.now_ms


class Step:
    """A shard and its lane, whose messages the test makes. The shard has caught up."""

    def __init__(self, *, limit: int = 100, ttl_ms: int = TTL_MS) -> None:
        self.clock = Clock()
        self.room = product_room(limit)
        policy, room = default_policy(), self.room
        lanes = PerWorker(partial(Lane, policy, room))
        make = partial(PricingStep, policy, None, lanes=lanes, clock=self.clock, room=room, ttl_ms=ttl_ms)
        self.shard, self.lane = make(), make()
        self.shard.on_batch([CaughtUp(1, was_resumed=False)])

    def feed(self, work: Work, kafka_ms: int = T0) -> list[Priced]:
        """Feed signals of the shard to the lane."""
        results, is_complete = self.shard.on_batch([Touched(0, kafka_ms)])
        assert not is_complete
        return [*results, *self.lane.on_batch([work])[0]]

    def event(self, product: str, kafka_ms: int | None = None) -> list[Priced]:
        """Feed one event. kafka_ms: Kafka's time stamp; the clock's time by default."""
        at_ms = self.clock.now_ms if kafka_ms is None else kafka_ms
        key = product.encode()
        batch = EventBatch("t", [0], [1], [key], [event(10, product=product)], at_ms, [b"raw " + key], [0])
        return self.feed(batch, at_ms)

    def withdrawn(self, product: str, kafka_ms: int | None = None) -> list[str]:
        """Feed one event, and return the products that were forgotten."""
        decisions = [each for priced in self.event(product, kafka_ms) for each in priced.decisions]
        return [each.product_id for each in decisions if each.withdrawn]

    def commit(self) -> None:
        assert self.lane.snapshot() is None
        assert self.shard.snapshot() is not None


@pytest.fixture(autouse=True)
def no_alerts() -> Iterator[None]:
    yield
    for code, subject in telemetry.alerts_in_force():
        telemetry.set_alert(code, subject, holds=False)


def test_messages_of_products_beyond_the_limit_become_dead_letters() -> None:
    step = Step(limit=2)
    before = telemetry.DEAD_LETTERS.labels("too_many_products")._value.get()
    products = telemetry.PRODUCTS._value.get()
    assert [list(priced.dead_letters) for priced in step.event("A")] == [[]]
    step.feed(ChangeBatch("t", 0, [entry(4.0)], T0, [b"raw"]))
    step.event("B")
    (priced,) = step.event("C")
    (letter,) = priced.dead_letters
    assert (letter.error_code, letter.raw) == ("too_many_products", b"raw C")
    assert (priced.events, priced.decisions) == (None, [])
    assert step.event("A")[0].events is not None
    assert telemetry.DEAD_LETTERS.labels("too_many_products")._value.get() == before + 1
    assert telemetry.PRODUCTS._value.get() == products + 2


def test_alerts_are_raised_before_the_limit_and_at_it_and_cleared() -> None:
    room = product_room(10)
    room.note(8)
    assert telemetry.alerts_in_force() == []
    room.note(1)
    assert telemetry.alerts_in_force() == [("products_near_limit", "10")]
    room.note(1)
    assert telemetry.alerts_in_force() == [("products_at_limit", "10"), ("products_near_limit", "10")]
    assert room.free == 0
    room.note(-2)
    assert telemetry.alerts_in_force() == []
    assert room.free == 2


def test_the_threads_of_a_process_share_the_room() -> None:
    room = product_room(100_000)

    def add() -> None:
        for _ in range(5000):
            room.note(1)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert room.free == 80_000
    telemetry.PRODUCTS.dec(20_000)


def test_a_product_is_forgotten_a_minute_after_the_announcement() -> None:
    step = Step()
    step.event("A")
    step.clock.now_ms += TTL_MS + 1
    assert step.withdrawn("B") == []
    step.commit()
    step.clock.now_ms += ANNOUNCED_MS - 1
    assert step.withdrawn("B") == []
    step.clock.now_ms += 1
    assert step.withdrawn("B") == ["A"]
    assert step.room.free == 99
    step.event("A")
    assert step.room.free == 98


def test_a_shard_with_less_than_a_message_a_day_forgets_too() -> None:
    step = Step()
    step.event("A")
    forgotten: list[str] = []
    for _ in range(20):
        step.clock.now_ms += DAY_MS + 3_600_000
        forgotten += step.withdrawn("B")
        step.commit()
    assert forgotten == ["A"]


def test_a_clock_that_runs_ahead_of_kafka_forgets_nothing() -> None:
    step = Step()
    step.event("A")
    step.clock.now_ms += 2 * TTL_MS
    for _ in range(3):
        assert step.withdrawn("B", kafka_ms=T0 + 5000) == []
        step.commit()
        step.clock.now_ms += DAY_MS
    # Nor does a time stamp of Kafka that runs ahead of the clock.
    step = Step()
    step.event("A")
    for _ in range(3):
        assert step.withdrawn("B", kafka_ms=T0 + 2 * TTL_MS) == []
        step.commit()
        step.clock.now_ms += ANNOUNCED_MS


def test_no_product_is_forgotten_without_a_time_to_live() -> None:
    step = Step(ttl_ms=0)
    step.event("A")
    for _ in range(3):
        step.clock.now_ms += 1000 * DAY_MS
        assert step.withdrawn("B") == []
        step.commit()
    assert step.room.free == 98
