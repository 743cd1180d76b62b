"""A flow whose recovery folder is lost does not start over silently. If it is told to, all outputs
have right prices."""

import shutil
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from stack.broker import EmbeddedBroker
from stack.kafka import KafkaServer
from tests.support.pipeline import Pipeline, wait_for


def drop_messages(pipeline: Pipeline) -> None:
    """Delete all messages of the input topic, as retention does."""
    admin = AdminClient({"bootstrap.servers": pipeline.brokers})
    parts = [TopicPartition(pipeline.topics["product-events"], index, -1) for index in range(4)]
    for future in admin.delete_records(parts).values():
        future.result(10)


def on_board(pipeline: Pipeline, product_id: str) -> Any:
    rows = pipeline.http.get("/board").json()["rows"]
    return next((row for row in rows if row[0] == product_id), None)


def test_a_lost_folder_is_refused_and_starting_over_ends_in_right_prices_everywhere(
    pipeline: Pipeline, broker: KafkaServer | EmbeddedBroker
) -> None:
    pipeline.start_flow()
    pipeline.start_api()
    wait_for(pipeline.api_ready)
    for number in range(100):
        pipeline.event("A", 10.0 + number % 3)
        pipeline.event("B", 20.0)
    pipeline.flush()
    before = pipeline.wait_for_version("A", 100)
    pipeline.wait_for_history(200)
    pipeline.wait_for_commit("product-events")
    pipeline.stop_flow()

    shutil.rmtree(pipeline.recovery)
    if not isinstance(broker, EmbeddedBroker):
        drop_messages(pipeline)
    pipeline.start_flow()
    (program,) = pipeline.flow
    assert program.process.wait(40) == 2, pipeline.output()
    program.stop()
    pipeline.flow.clear()
    (said,) = [line for line in pipeline.logs if "START_OVER=yes" in line]
    assert "Redis holds prices of 3 products" in said
    assert "the group of its topics has read 201 messages" in said
    assert "Traceback" not in pipeline.output()
    assert pipeline.redis.hgetall("price:A") == before

    pipeline.start_flow(START_OVER="yes")
    pipeline.event("A", 99.0)
    pipeline.flush()
    now = pipeline.wait_for_version("A", 101)
    wait_for(lambda: pipeline.redis.hget("price:A", "price") not in (None, before["price"]))
    price = float(pipeline.redis.hget("price:A", "price") or 0)
    assert price > 99
    wait_for(lambda: pipeline.http.get("/price/A").json()["price"] == price)
    wait_for(lambda: on_board(pipeline, "A")[3] == price, what=lambda: str(on_board(pipeline, "A")))
    wait_for(lambda: float(max(pipeline.history("version, price"))[1]) == price)
    assert any("the flow starts over" in line for line in pipeline.logs)

    # The base stays with the store, also after a crash, and START_OVER is not needed any more.
    pipeline.wait_for_commit("product-events")
    pipeline.kill_flow()
    pipeline.start_flow()
    pipeline.event("NEW", 5.0)
    pipeline.event("A", 98.0)
    pipeline.flush()
    fresh = pipeline.wait_for_version("NEW", int(now["version"]) - 100)
    wait_for(lambda: on_board(pipeline, "NEW"))
    assert int(fresh["version"]) > 1_700_000_000_000_000
    # Two events count since: 98 + sqrt(2) * 5.
    wait_for(lambda: pipeline.redis.hget("price:A", "price") == "105.07")
    pipeline.stop_flow()
    pipeline.stop_api()


def test_redis_alone_is_a_trace(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.redis.sadd("products", "A")
    pipeline.redis.hset("price:A", mapping={"price": "1.00", "version": "7"})
    pipeline.start_flow()
    (program,) = pipeline.flow
    assert program.process.wait(40) == 2, pipeline.output()
    program.stop()
    pipeline.flow.clear()
    assert "Redis holds prices of 1 products" in pipeline.output()
