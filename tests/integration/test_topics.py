"""Topics that change under the system: deleted and made again, with more partitions, written in transactions."""

import json
import threading
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]  # it is exported
from confluent_kafka.cimpl import NewPartitions, NewTopic
from websockets.sync.client import connect

import telemetry
from clients import kafka_topics
from clients.kafka import client_options
from clients.kafka_producer import KafkaProducer
from clients.kafka_topics import ensure_topics, warn_of_losses
from core.dead_letter import DeadLetter, ErrorCode, encode_letter
from core.positions import SourcePosition, name_remade
from settings import Settings
from sinks.dead_letters.reader import DeadLetterTopic
from sinks.history.backlog import Backlog
from stack.broker import EmbeddedBroker
from stack.kafka import KafkaServer
from tests.support.pipeline import Pipeline, wait_for
from tests.support.producer import make_producer


@pytest.fixture
def admin(broker: KafkaServer | EmbeddedBroker) -> AdminClient:
    """An admin client of a real Kafka."""
    if isinstance(broker, EmbeddedBroker):
        pytest.skip("the embedded broker has no calls about topics")
    return AdminClient({"bootstrap.servers": broker.brokers})


def delete(admin: AdminClient, topic: str) -> None:
    for future in admin.delete_topics([topic]).values():
        future.result(10)


def make(admin: AdminClient, topic: str, partitions: int = 4) -> None:
    def made() -> bool:
        with suppress(KafkaException):
            for future in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
                future.result(10)
            return True
        return False

    # The old topic may not be gone yet.
    wait_for(made, 20, "the topic")


def send_views(pipeline: Pipeline, count: int, price: float = 10.0) -> None:
    """Send events of one product. Each counts once for its version and its demand."""
    # A producer that was there before knows the old topic.
    pipeline.producer = make_producer(pipeline.brokers)
    for _ in range(count):
        pipeline.event("P", price)
    pipeline.flush()


def status(pipeline: Pipeline) -> dict[str, object]:
    found: dict[str, object] = pipeline.http.get("/status").json()
    return found


def alerts(pipeline: Pipeline) -> set[tuple[str, str]]:
    return {(each["code"], each["subject"]) for each in status(pipeline)["alerts"]}  # type: ignore[attr-defined]


def flow_state(pipeline: Pipeline) -> object:
    return status(pipeline)["dependencies"]["flow"]  # type: ignore[index]


def lag(pipeline: Pipeline) -> object:
    return status(pipeline)["flow"]["lag"]  # type: ignore[index]


def versions_of(pipeline: Pipeline) -> list[int]:
    return sorted(version for (version,) in pipeline.history("version"))


def test_a_topic_made_again_while_the_flow_is_stopped_is_read_from_its_beginning(
    pipeline: Pipeline, admin: AdminClient
) -> None:
    topic = pipeline.topics["product-events"]
    pipeline.start_flow()
    send_views(pipeline, 10)
    pipeline.wait_for_history(10)
    pipeline.stop_flow()
    delete(admin, topic)
    make(admin, topic)
    send_views(pipeline, 25)
    pipeline.start_flow()
    pipeline.start_api()
    pipeline.wait_for_version("P", 35)
    pipeline.wait_for_history(35)
    assert versions_of(pipeline) == list(range(1, 36))
    # Rows of the new topic have the offsets of rows of the old one, and another name.
    names = {name for (name,) in pipeline.history("source_topic")}
    assert {name.partition("#")[0] for name in names} == {topic}
    assert len(names) == 2
    assert ("topic_remade", topic) in alerts(pipeline)
    assert flow_state(pipeline) == "up"
    # A restart goes on at the new offset.
    pipeline.stop_flow()
    pipeline.start_flow()
    send_views(pipeline, 5)
    pipeline.wait_for_version("P", 40)
    pipeline.wait_for_history(40)
    assert versions_of(pipeline) == list(range(1, 41))
    wait_for(lambda: lag(pipeline) == 0)
    assert alerts(pipeline) == set()
    # Messages of a transaction: the marker of its end takes an offset.
    producer = Producer({"bootstrap.servers": pipeline.brokers, "transactional.id": pipeline.name})
    producer.init_transactions(20)
    producer.begin_transaction()
    event = {"event_type": "view", "product_id": "P", "timestamp": 1_700_000_000, "price": 11.0}
    for partition in range(4):
        producer.produce(topic, json.dumps(event).encode(), b"P", partition=partition)
    producer.commit_transaction(20)
    pipeline.wait_for_version("P", 44)
    wait_for(lambda: lag(pipeline) == 0, 10, lambda: f"lag {lag(pipeline)}")
    pipeline.stop_flow()


def test_a_topic_deleted_and_made_again_under_a_running_flow_is_noticed_and_read(
    pipeline: Pipeline, admin: AdminClient
) -> None:
    events, updates = pipeline.topics["product-events"], pipeline.topics["price-updates"]
    pipeline.start_flow()
    pipeline.start_api()
    wait_for(pipeline.api_ready)
    send_views(pipeline, 10)
    pipeline.wait_for_history(10)
    wait_for(lambda: lag(pipeline) == 0)
    delete(admin, events)
    wait_for(lambda: ("topic_missing", events) in alerts(pipeline), 40)
    assert flow_state(pipeline) == "degraded"
    assert lag(pipeline) is None
    make(admin, events)
    # They pass the old offset before the flow can notice that the topic is another one.
    send_views(pipeline, 25)
    pipeline.wait_for_version("P", 35)
    wait_for(lambda: alerts(pipeline) == {("topic_remade", events)}, 40)
    wait_for(lambda: lag(pipeline) == 0)
    assert flow_state(pipeline) == "up"
    # More partitions of an input: said, and read after a start.
    with connect(f"{pipeline.url.replace('http', 'ws')}/ws/prices") as socket:
        for topic in (events, updates):
            for future in admin.create_partitions([NewPartitions(topic, 8)]).values():
                future.result(10)
        wait_for(lambda: ("partitions_added", events) in alerts(pipeline), 40)
        assert ("partitions_added", updates) not in alerts(pipeline)
        assert flow_state(pipeline) == "degraded"
        wait_for(lambda: "partitions are read from their beginning" in "\n".join(pipeline.logs), 20)
        producer = Producer({"bootstrap.servers": pipeline.brokers})
        event = {"event_type": "view", "product_id": "P", "timestamp": 1_700_000_000, "price": 11.0}
        for partition in range(8):
            producer.produce(events, json.dumps(event).encode(), b"P", partition=partition)
        assert producer.flush(10) == 0
        pipeline.stop_flow()
        pipeline.start_flow()
        pipeline.wait_for_version("P", 43)
        pipeline.wait_for_history(43)
        assert versions_of(pipeline) == list(range(1, 44))
        for index in range(40):
            pipeline.event(f"N{index}", 5.0)
        pipeline.flush()
        heard: set[str] = set()
        while len(heard) < 41:
            heard.add(json.loads(socket.recv(20))["product_id"])
        # The topic of updates is made again under both. Only the relay reads it.
        pipeline.stop_flow()
        delete(admin, updates)
        wait_for(lambda: not pipeline.api_ready(), 40)
        ensure_topics(client_options(pipeline.brokers, {}), {updates: {}}, threading.Event())
        pipeline.start_flow()
        for index in range(40):
            pipeline.event(f"M{index}", 5.0)
        pipeline.flush()
        while len(heard) < 81:
            heard.add(json.loads(socket.recv(30))["product_id"])
        wait_for(pipeline.api_ready)
    assert TopicPartition(updates, 0).topic in admin.list_topics(timeout=5).topics
    pipeline.stop_flow()


def test_topics_that_hold_state_keep_removals_for_a_month_and_others_are_warned_of(
    pipeline: Pipeline, admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(
        kafka_topics.log, "warning", lambda text, **details: lines.append({"text": text, **details})
    )
    topics = Settings(price_overrides_topic=f"{pipeline.name}-ours", price_freezes_topic=f"{pipeline.name}-theirs")
    ours, theirs = topics.price_overrides_topic, topics.price_freezes_topic
    wanted = {topic: topics.topics[topic] for topic in (ours, theirs)}
    make(admin, theirs)
    client = client_options(pipeline.brokers, {})
    ensure_topics(client, wanted, threading.Event())
    resource = ConfigResource(ConfigResource.Type.TOPIC, ours)
    (described,) = admin.describe_configs([resource]).values()
    assert described.result(10)["delete.retention.ms"].value == str(30 * 24 * 3600 * 1000)
    warn_of_losses(client, wanted)
    try:
        assert telemetry.alerts_in_force() == [("topic_not_compacted", theirs)]
        # A topic that was just made may take a moment, which is a line too.
        (line,) = [line for line in lines if "a confirmed command is lost" in line["text"]]
        assert line[ours] == "1 replicas, min.insync.replicas 1"
    finally:
        telemetry.set_alert("topic_not_compacted", theirs, holds=False)


def _rows(backlog: Backlog) -> list[bytes]:
    return backlog.read()[0]


def test_the_backlog_of_a_topic_that_was_made_again_is_drained_from_its_beginning(
    pipeline: Pipeline, admin: AdminClient
) -> None:
    topic, client = pipeline.topics["history-backlog"], client_options(pipeline.brokers, {})

    def open_backlog(offset: int, current_id: str | None) -> Backlog:
        return Backlog(
            KafkaProducer(client),
            client,
            topic=topic,
            partitions=4,
            sink_partition="1",
            offset=offset,
            topic_id="first",
            current_id=lambda: current_id,
        )

    backlog = open_backlog(0, "second")
    backlog.put([b"row"])
    backlog.flush()
    # The offset is behind the end, or at the end: in both cases the row is not drained.
    for offset, current_id in ((10, "second"), (1, "second"), (10, None)):
        backlog = open_backlog(offset, current_id)
        assert backlog.waiting(offset) == 1
        assert wait_for(partial(_rows, backlog)) == [b"row"]
        assert backlog.topic_id == (current_id or "first")
        backlog.close()
    backlog = open_backlog(1, "first")
    assert backlog.waiting(1) == 0
    backlog.close()


def test_a_dead_letter_of_a_topic_that_was_made_again_is_sent_as_the_letter_holds_it(
    pipeline: Pipeline, admin: AdminClient
) -> None:
    topic = pipeline.topics["product-events"]
    letters = DeadLetterTopic(client_options(pipeline.brokers, {}), pipeline.topics["dead-letters"])
    pipeline.producer.produce(topic, b"of the new topic", b"new", partition=0)
    for name in (topic, name_remade(topic, "second")):
        position = SourcePosition(name, 0, 0)
        letter = DeadLetter(ErrorCode.NOT_JSON, "decode", "no JSON", position, b"of the old topic")
        key, value = encode_letter(letter, 1_700_000_000_000)
        pipeline.producer.produce(pipeline.topics["dead-letters"], value, key)
        pipeline.flush()
        letters.replay(position, within_s=20)
    values = sorted(message.value or b"" for message in pipeline.read("product-events"))
    assert values == [b"of the new topic", b"of the old topic", b"of the old topic"]
