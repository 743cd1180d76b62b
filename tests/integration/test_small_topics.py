"""Topics that take small messages only: output is cut or split to what they take, and no flow ends by its size."""

import base64
import json
import threading
from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it is exported
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)

import telemetry
from clients.kafka import client_options
from clients.kafka_producer import KafkaProducer
from clients.kafka_topics import ensure_topics, message_limits
from core.dead_letter import DeadLetter, ErrorCode, encode_letter, fit_letter
from core.positions import SourcePosition
from sinks.history.backlog import Backlog, split_rows
from sinks.kafka.pricing import fit_update
from stack.broker import EmbeddedBroker
from stack.kafka import KafkaServer
from tests.support.pipeline import KEY, Pipeline, wait_for

BIG = 600_000


@pytest.fixture(autouse=True)
def _real_kafka(broker: KafkaServer | EmbeddedBroker) -> None:
    if isinstance(broker, EmbeddedBroker):
        pytest.skip("the embedded broker has no limit of a topic")


def set_limit(pipeline: Pipeline, topic: str, size: int) -> None:
    admin = AdminClient({"bootstrap.servers": pipeline.brokers})
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, pipeline.topics[topic], incremental_configs=[entry])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(10)
    client = client_options(pipeline.brokers, {})
    name = pipeline.topics[topic]
    wait_for(lambda: message_limits(client, [name]) == {name: size})


def letters(pipeline: Pipeline) -> dict[int, Any]:
    """The dead letters, by their true size."""
    return {letter["raw_size"]: letter for letter in (message.json() for message in pipeline.read("dead-letters"))}


def test_a_flow_writes_to_topics_that_take_little_and_lives_on(pipeline: Pipeline) -> None:
    set_limit(pipeline, "dead-letters", 20_000)
    set_limit(pipeline, "price-updates", 1_000)
    pipeline.start_flow()
    pipeline.start_api()
    wait_for(pipeline.api_ready)
    bad = b"{" + b"x" * BIG
    pipeline.send("product-events", "A", bad)
    # A key of a megabyte, a number of 5,000 digits, and deep nesting.
    pipeline.send("product-events", b"k" * 900_000, b'{"product_id": %b}' % (b"9" * 5000))
    pipeline.send("product-events", "A", b'{"x":' + b"[" * 400_000)
    for number in range(3_000):
        pipeline.event(f"P{number % 10}", 10.0)
    pipeline.flush()
    # Many updates at once are batches of more than a topic with this limit takes.
    for number in range(10):
        pipeline.wait_for_version(f"P{number}", 300)
    wait_for(lambda: len(pipeline.updates()) == 3_000)
    found = wait_for(lambda: read if len(read := letters(pipeline)) == 3 else None)
    assert found[len(bad)]["error_code"] == "not_json"
    raw = base64.b64decode(found[len(bad)]["raw"])
    assert bad.startswith(raw)
    assert 14_000 < len(raw) < 20_000
    reason = "\N{GRINNING FACE}" * 200
    body = {"product_id": "P1", "override_price": 12.5, "reason": reason}
    assert pipeline.http.post("/override", json=body, headers={"X-API-Key": KEY}).status_code == 200
    pipeline.wait_for_version("P1", 301)
    assert pipeline.redis.hget("override:P1", "reason") == reason
    (set_by_hand,) = wait_for(
        lambda: [each for each in pipeline.updates() if each["price_source"] == "override"] or None
    )
    assert [each for each in set_by_hand["adjustments"] if each["reason"] and each["reason"] in reason]
    # A limit that changes while the flow runs is learned from Kafka's refusal.
    set_limit(pipeline, "dead-letters", 5_000)
    pipeline.send("product-events", "A", b"{" + b"y" * 15_000)
    pipeline.flush()
    later = wait_for(lambda: letters(pipeline).get(15_001))
    assert 500 < len(base64.b64decode(later["raw"])) < 5_000
    # A command that Kafka does not take is refused, with the reason.
    set_limit(pipeline, "price-overrides", 700)
    answer = pipeline.http.post("/override", json=body, headers={"X-API-Key": KEY})
    assert answer.status_code == 400
    assert "larger than Kafka takes" in answer.json()["error"]
    assert pipeline.http.post("/override", json={**body, "reason": "short"}, headers={"X-API-Key": KEY}).is_success
    # Many commands at once are not refused for their size together.
    changes = [{"product_id": f"P{number}", "override_price": 9.5} for number in range(10)]
    bulk = pipeline.http.post("/overrides", json={"changes": changes}, headers={"X-API-Key": KEY})
    assert [each["status"] for each in bulk.json()["results"]] == ["upserted"] * 10
    # A message that is sent again is refused with the reason, too.
    set_limit(pipeline, "product-events", 5_000)
    source = found[len(bad)]["source"]
    said: list[str] = []

    def is_refused() -> bool:
        answer = pipeline.http.post("/dead-letters/replay", json={"source": source}, headers={"X-API-Key": KEY})
        said.append(answer.text)
        return answer.status_code == 400

    # A busy machine may be too slow for one attempt: then it is 503.
    wait_for(is_refused, what=lambda: str(said))
    assert "more than Kafka takes" in said[-1]
    pipeline.stop_flow()
    pipeline.stop_api()


def test_the_limit_of_a_topic_is_learned_if_kafka_does_not_say_it(pipeline: Pipeline) -> None:
    set_limit(pipeline, "price-updates", 3_000)
    set_limit(pipeline, "dead-letters", 3_000)
    producer = KafkaProducer(client_options(pipeline.brokers, {}))
    topic = pipeline.topics["price-updates"]
    producer.send(topic, [(b"k", b"%d %b" % (n, b"x" * 900)) for n in range(100)])
    producer.flush()
    assert [int((m.value or b"").split()[0]) for m in pipeline.read("price-updates")] == list(range(100))
    # Later messages are in order from the start.
    producer.send(topic, [(b"k", b"%d %b" % (n, b"x" * 900)) for n in range(100, 300)])
    producer.flush()
    assert [int((m.value or b"").split()[0]) for m in pipeline.read("price-updates")] == list(range(300))
    producer.fit(pipeline.topics["dead-letters"], fit_letter)
    large = DeadLetter(ErrorCode.NOT_JSON, "decode", "x", SourcePosition("t", 0, 1), b"r" * BIG)
    small = DeadLetter(ErrorCode.NOT_JSON, "decode", "x", SourcePosition("t", 0, 2), b"r")
    producer.send(pipeline.topics["dead-letters"], [encode_letter(large, 1), encode_letter(small, 1)])
    producer.flush()
    assert set(letters(pipeline)) == {BIG, 1}
    # A message that cannot be made to fit is dropped, with an alert; the next one is sent.
    producer.send(topic, [(b"k", b"x" * 4_000)])
    producer.send(topic, [(b"k", b"300 last")])
    producer.flush()
    assert pipeline.read("price-updates")[-1].value == b"300 last"
    assert ("message_dropped", topic) in telemetry.alerts_in_force()
    telemetry.set_alert("message_dropped", topic, holds=False)


def test_rows_of_the_backlog_are_split_to_what_the_topic_takes(pipeline: Pipeline) -> None:
    set_limit(pipeline, "history-backlog", 4_000)
    client, topic = client_options(pipeline.brokers, {}), pipeline.topics["history-backlog"]
    partitions = ensure_topics(client, {topic: {}}, threading.Event())[topic]
    rows = [b"%d\t%b" % (number, b"x" * 700) for number in range(1_000)]
    for limits in (message_limits(client, [topic]), {}):
        producer = KafkaProducer(client, limits)
        backlog = Backlog(producer, client, topic=topic, partitions=partitions, sink_partition="1", offset=None)
        backlog.put(rows)
        backlog.flush()
        backlog.close()
    backlog = Backlog(
        KafkaProducer(client), client, topic=topic, partitions=partitions, sink_partition="1", offset=None
    )
    found: list[bytes] = []
    while len(found) < 2_000:
        read, backlog.offset = backlog.read()
        found += read
    backlog.close()
    assert sorted(found) == sorted(2 * rows)


def test_messages_are_made_to_fit() -> None:
    position = SourcePosition("topic", 3, 12)
    letter = encode_letter(DeadLetter(ErrorCode.NOT_JSON, "decode", "é" * 100, position, b"r" * 9_000), 1)
    for size in (5_000, 1_000, 400, 250):
        ((key, value),) = fit_letter(letter, size)
        assert size - 6 < len(key) + len(value) <= size
        shown = json.loads(value)
        assert shown["raw_size"] == 9_000
        assert base64.b64decode(shown["raw"], validate=True) == b"r" * (len(shown["raw"]) // 4 * 3)
    assert fit_letter(letter, 100) == []
    assert split_rows((b"1", b"aa\nbb\ncc"), 6) == [(b"1", b"aa\nbb"), (b"1", b"cc")]
    assert split_rows((b"1", b"aa\nbbbbbbbb"), 6) == []
    update = {
        "product_id": "A",
        "demand": 1e300,
        "adjustments": [{"rule": "base", "amount": 1.1, "reason": "r" * 200}],
    }
    whole = (b"A", json.dumps(update, separators=(",", ":")).encode())
    ((_, value),) = fit_update(whole, len(whole[1]) - 50)
    assert json.loads(value) == {**update, "adjustments": [{"rule": "base", "amount": 1.1, "reason": "r" * 100}]}
    assert fit_update(whole, 20) == []
