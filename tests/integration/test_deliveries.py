"""Deliveries of alerts to webhooks, over Kafka: at least once, kept over a restart, shared by processes."""

import asyncio
import json
import signal
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

from api.market.deliveries import Deliveries
from api.market.delivery_schedule import HOUR_MS, Schedule
from api.market.pending_deliveries import Limits
from clients.kafka import client_options
from clients.kafka_topics import PARTITIONS, ensure_topics
from clients.webhook import WebhookClient
from settings import COMPACTED
from stack.broker import EmbeddedBroker
from stack.kafka import KafkaServer
from tests.support.pipeline import wait_for
from tests.support.webhook_receiver import SECRET, Received, Receiver

FAST = Schedule(delays_ms=(100, 200, 400), first_retry_max_ms=500, retry_max_ms=1_000)


class Topic:
    """The topic of deliveries of one test, and its services."""

    def __init__(self, brokers: str) -> None:
        self.name = f"t{uuid.uuid4().hex[:10]}-webhook-deliveries"
        self.client = client_options(brokers, {})
        self._brokers = brokers
        ensure_topics(self.client, {self.name: COMPACTED}, threading.Event())
        self._producer = Producer({"bootstrap.servers": brokers, "linger.ms": 1})

    def put(self, alert_id: str, url: str) -> None:
        """Write a delivery, as the market's flow does."""
        alert = {"type": "alert", "id": alert_id, "text": "über 100"}
        record = {"id": alert_id, "url": url, "at": "2026-01-01T00:00:00Z", "alert": alert}
        self._producer.produce(self.name, json.dumps(record), alert_id)
        assert self._producer.flush(30) == 0

    def latest(self) -> dict[str, Any]:
        """The newest record of each id; None for a tombstone."""
        consumer = Consumer({"bootstrap.servers": self._brokers, "group.id": "test", "enable.partition.eof": True})
        found: dict[str, Any] = {}
        try:
            consumer.assign([TopicPartition(self.name, each, OFFSET_BEGINNING) for each in range(PARTITIONS)])
            ended: set[int | None] = set()
            while len(ended) < PARTITIONS:
                for message in consumer.consume(1_000, 0.05):
                    if (error := message.error()) is not None:
                        assert error.code() == KafkaError._PARTITION_EOF, error
                        ended.add(message.partition())
                    else:
                        value = message.value()
                        found[(message.key() or b"").decode()] = None if value is None else json.loads(value)
        finally:
            consumer.close()
        return found

    async def wait_for(self, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read the topic until its newest records are as they are to be."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found.append(self.latest())
            return is_so(found[-1])

        await asyncio.to_thread(wait_for, look)
        return found[-1]

    @asynccontextmanager
    async def service(
        self, schedule: Schedule = FAST, *, limits: Limits | None = None, ahead_ms: int = 0
    ) -> AsyncIterator[Deliveries]:
        """A running service, whose clock is ahead."""
        made = Deliveries(
            self.client,
            self.name,
            COMPACTED,
            WebhookClient(SECRET, private=True),
            schedule=schedule,
            limits=limits,
            group=self.name,
            now_ms=lambda: time.time_ns() // 1_000_000 + ahead_ms,
        )
        made.start()
        try:
            yield made
        finally:
            await made.stop()


@pytest.fixture
def topic(broker: KafkaServer | EmbeddedBroker) -> Topic:
    return Topic(broker.brokers)


def all_removed(*ids: str) -> Callable[[dict[str, Any]], bool]:
    return lambda latest: latest.keys() >= set(ids) and not any(latest[each] for each in ids)


def test_an_alert_is_delivered_and_its_record_removed(topic: Topic) -> None:
    async def run() -> None:
        async with Receiver() as receiver:
            topic.put("before", receiver.url())
            async with topic.service():
                await receiver.wait(lambda: "before" in receiver.ids())
                topic.put("after", receiver.url())
                topic.put("bad-url", "ftp://127.0.0.1/x")
                await receiver.wait(lambda: "after" in receiver.ids())
                await topic.wait_for(all_removed("before", "after", "bad-url"))
                # The flow writes it again after a crash. It is known, so only its record is removed again.
                topic.put("before", receiver.url())
                await topic.wait_for(all_removed("before"))
            assert sorted(receiver.ids()) == ["after", "before"]
            assert json.loads(receiver.received[0].body)["text"] == "über 100"

    asyncio.run(run())


def test_a_restart_keeps_the_schedule(topic: Topic) -> None:
    slow = msgspec.structs.replace(FAST, delays_ms=(100, HOUR_MS))

    async def run() -> None:
        async with Receiver(lambda _: web.Response(status=500)) as receiver:
            async with topic.service(slow):
                topic.put("a", receiver.url())
                await receiver.wait(lambda: len(receiver.received) == 2)
                before = await topic.wait_for(lambda latest: (latest["a"] or {}).get("attempts") == 2)
            assert before["a"]["next_at_ms"] > before["a"]["first_at_ms"] + 3_000_000
            receiver.answer = None
            async with topic.service(slow):
                # Of each partition, so that all of them have been read.
                others = [f"b{index}" for index in range(40)]
                for each in others:
                    topic.put(each, receiver.url())
                await topic.wait_for(all_removed(*others))
                assert topic.latest()["a"] == before["a"]
            assert receiver.ids().count("a") == 2
            async with topic.service(slow, ahead_ms=2 * HOUR_MS):
                await topic.wait_for(all_removed("a"))
            assert receiver.ids().count("a") == 3

    asyncio.run(run())


def test_two_services_share_the_alerts_and_one_goes_on_alone(topic: Topic) -> None:
    async def run() -> None:
        failed: set[str] = set()

        def fail_once(request: Received) -> web.Response:
            status = 204 if request.id in failed else 503
            failed.add(request.id)
            return web.Response(status=status)

        ids = [f"a{index}" for index in range(200)]
        async with Receiver(fail_once) as receiver, topic.service() as first:
            for each in ids[:100]:
                topic.put(each, receiver.url())
            async with topic.service() as second:
                await topic.wait_for(all_removed(*ids[:100]))
                await asyncio.to_thread(wait_for, lambda: first.partitions() and second.partitions())
                assert first.partitions() | second.partitions() == set(range(PARTITIONS))
                assert not first.partitions() & second.partitions()
                for each in ids[100:150]:
                    topic.put(each, receiver.url())
                await topic.wait_for(all_removed(*ids[:150]))
                for each in ids[150:]:
                    topic.put(each, receiver.url())
            await topic.wait_for(all_removed(*ids))
            counts = [receiver.ids().count(each) for each in ids]
            assert set(counts[100:150]) == {2}
            assert min(counts) == 2
            # Only those that were being made while a partition changed hands may be made twice.
            assert sum(counts) <= 2 * len(ids) + 20

    asyncio.run(run())


def test_more_deliveries_than_fit_into_memory_are_all_made(topic: Topic) -> None:
    async def run() -> None:
        ids = [f"a{index}" for index in range(60)]
        async with Receiver() as receiver:
            for each in ids:
                topic.put(each, receiver.url())
            async with topic.service(limits=Limits(pending=5)):
                await topic.wait_for(all_removed(*ids))
            assert sorted(receiver.ids()) == sorted(ids)

    asyncio.run(run())


def test_a_slow_receiver_does_not_hold_up_another(topic: Topic) -> None:
    async def run() -> None:
        ended = asyncio.Event()

        async def wait(_: Received) -> web.Response:
            await ended.wait()
            return web.Response()

        async with Receiver(wait) as slow, Receiver() as fast:
            for index in range(20):
                topic.put(f"slow{index}", slow.url(host="localhost"))
            async with topic.service(limits=Limits(running=8, per_host=4)):
                await slow.wait(lambda: len(slow.received) == 4)
                for index in range(20):
                    topic.put(f"fast{index}", fast.url())
                await fast.wait(lambda: len(fast.received) == 20)
                assert len(slow.received) == 4
                ended.set()
                await slow.wait(lambda: len(slow.received) == 20)

    asyncio.run(run())


def test_deliveries_go_on_while_kafka_is_away(topic: Topic, broker: KafkaServer | EmbeddedBroker) -> None:
    program = broker.program
    assert program is not None

    async def run() -> None:
        async with Receiver(lambda _: web.Response(status=500)) as receiver, topic.service() as service:
            topic.put("a", receiver.url())
            await receiver.wait(lambda: len(receiver.received) == 2)
            program.send(signal.SIGSTOP)
            try:
                # Longer than the session in the consumer group.
                tried = len(receiver.received)
                await receiver.wait(lambda: len(receiver.received) >= tried + 35)
                assert service.partitions() == set() or broker.kind.startswith("embedded")
                receiver.answer = None
                await asyncio.to_thread(wait_for, lambda: len(service) == 0)
            finally:
                program.send(signal.SIGCONT)
            await topic.wait_for(all_removed("a"))

    asyncio.run(run())
