"""Start, stop and scaling of the flow, as an operator does them."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from stack.broker import EmbeddedBroker
from stack.kafka import KafkaServer
from tests.support.compare import assert_matches_fold
from tests.support.pipeline import ROOT, Pipeline, wait_for
from tests.support.stepped_clock import SteppedClock


def send(pipeline: Pipeline, count: int) -> None:
    for index in range(count):
        pipeline.event(f"P{index % 50}", 10.0)
    pipeline.flush()


def rename_topics(pipeline: Pipeline) -> None:
    """Set names of topics that do not exist yet."""
    for topic in list(pipeline.topics):
        pipeline.topics[topic] += "-new"
        pipeline.environment[f"{topic.upper().replace('-', '_')}_TOPIC"] += "-new"


def test_the_api_alone_makes_the_topics_and_the_schema(pipeline: Pipeline) -> None:
    rename_topics(pipeline)
    pipeline.start_api()
    wait_for(pipeline.api_ready)
    admin = AdminClient({"bootstrap.servers": pipeline.brokers})
    assert set(pipeline.topics.values()) <= set(admin.list_topics(timeout=5).topics)
    wait_for(lambda: any("migration applied" in line for line in pipeline.logs), what=pipeline.output())
    assert pipeline.history() == []
    pipeline.stop_api()


def test_missing_topics_are_made_and_lag_is_visible_to_ordinary_tools(pipeline: Pipeline) -> None:
    rename_topics(pipeline)
    pipeline.start_flow()
    admin = AdminClient({"bootstrap.servers": pipeline.brokers})
    wait_for(
        lambda: set(pipeline.topics.values()) <= set(admin.list_topics(timeout=5).topics),
        what=f"topics\n{pipeline.output()}",
    )
    send(pipeline, 100)
    assert_matches_fold(pipeline)
    assert "Traceback" not in pipeline.output()

    def committed() -> int:
        consumer = Consumer({"bootstrap.servers": pipeline.brokers, "group.id": "pricewax"})
        parts = [TopicPartition(pipeline.topics["product-events"], index) for index in range(4)]
        offsets = [part.offset for part in consumer.committed(parts, timeout=10)]
        consumer.close()
        return sum(offset for offset in offsets if offset > 0)

    wait_for(lambda: committed() == 100)
    pipeline.stop_flow()


def test_one_process_then_two_then_one_and_two_workers_on_one_recovery_store(pipeline: Pipeline) -> None:
    for processes, workers in ((1, 1), (2, 1), (1, 2), (1, 1)):
        pipeline.start_flow(processes, workers)
        send(pipeline, 500)
        assert_matches_fold(pipeline)
        pipeline.stop_flow()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_flow_that_is_stopped_loses_nothing_and_does_nothing_twice(
    pipeline: Pipeline, number: signal.Signals
) -> None:
    pipeline.start_flow()
    send(pipeline, 2000)
    pipeline.wait_for_version("P1", 1)
    pipeline.stop_flow(number)
    send(pipeline, 100)
    pipeline.start_flow()
    assert_matches_fold(pipeline)
    assert len(pipeline.read("price-updates")) == 2100
    pipeline.stop_flow()


def test_a_second_flow_on_the_folder_is_refused_and_harms_nothing(pipeline: Pipeline) -> None:
    pipeline.start_flow(2)
    send(pipeline, 500)
    pipeline.wait_for_version("P1", 1)
    first, pipeline.flow = pipeline.flow, []
    pipeline.start_flow()
    (second,) = pipeline.flow
    send(pipeline, 500)
    assert second.process.wait(60) == 2, pipeline.output()
    second.stop()
    said = [line for line in pipeline.logs if "pricewax: another flow uses the recovery folder" in line]
    assert len(said) == 1, pipeline.output()
    assert f"process {first[0].pid} on host" in said[0]
    pipeline.flow = first
    assert_matches_fold(pipeline)
    pipeline.kill_flow()
    pipeline.start_flow()
    send(pipeline, 100)
    assert_matches_fold(pipeline)
    pipeline.stop_flow()


def test_after_a_clock_went_back_the_flow_starts_again_and_loses_nothing(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    clock = SteppedClock(tmp_path)
    pipeline.environment |= clock.environment
    pipeline.start_flow()
    send(pipeline, 200)
    pipeline.wait_for_history(200)
    clock.step(-3600)
    send(pipeline, 200)
    pipeline.wait_for_commit("product-events")
    pipeline.redis.flushall()
    pipeline.wait_for_version("P1", 1)
    assert_matches_fold(pipeline)
    pipeline.stop_flow()
    assert len([line for line in pipeline.logs if "clock went back" in line]) == 1


def test_the_flow_waits_for_kafka_and_stops_when_asked_meanwhile(pipeline: Pipeline) -> None:
    pipeline.start_flow(KAFKA_BROKERS="127.0.0.1:1")
    wait_for(lambda: "waiting for Kafka" in pipeline.output())
    pipeline.stop_flow()


def test_the_simulator_and_the_replay_feed_the_flow(pipeline: Pipeline) -> None:
    pipeline.start_flow()
    environment = {**os.environ, **pipeline.environment}
    for tool, events in (
        (["tools.simulator", "--events", "500", "--products", "20", "--flat-out"], 500),
        (["tools.replay", "data/online-retail-2011-12-08.csv", "--flat-out", "--views", "0.1"], 5000),
    ):
        done = subprocess.run(
            [sys.executable, "-m", *tool], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "events sent" in done.stderr
        pipeline.wait_for_history(events)
    assert pipeline.redis.hget("product:85099B", "category") == "bags"
    signals = ["tools.simulator", "--signals", "--events", "400", "--products", "5", "--flat-out"]
    done = subprocess.run(
        [sys.executable, "-m", *signals], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

    def clicks() -> int:
        rows: list[Any] = [pipeline.redis.hget(f"signals:L0000{number}", "clicks_15m") for number in range(5)]
        return sum(int(each or 0) for each in rows)

    sent = len(pipeline.read("web-clicks"))
    assert sent + len(pipeline.read("competitor-prices")) + len(pipeline.read("purchases")) >= 380
    wait_for(lambda: clicks() == sent, what=pipeline.output)
    # The replay's real shop has returns, which are bad quantities.
    topics = {each.json()["source"]["topic"] for each in pipeline.read("dead-letters")}
    assert topics <= {pipeline.topics["product-events"]}
    pipeline.stop_flow()


def test_an_offset_that_has_left_the_topic_stops_the_flow_with_one_clear_line(
    pipeline: Pipeline, broker: KafkaServer | EmbeddedBroker
) -> None:
    if isinstance(broker, EmbeddedBroker):
        pytest.skip("the embedded broker cannot delete records")
    pipeline.start_flow()
    send(pipeline, 100)
    pipeline.wait_for_history(100)
    pipeline.stop_flow()
    send(pipeline, 100)
    topic = pipeline.topics["product-events"]
    admin = AdminClient({"bootstrap.servers": pipeline.brokers})
    for future in admin.delete_records([TopicPartition(topic, index, -1) for index in range(4)]).values():
        future.result(10)
    pipeline.start_flow()
    (program,) = pipeline.flow
    assert program.process.wait(30) == 1
    pipeline.flow.clear()
    program.stop()
    said = [line for line in pipeline.logs if "not in the topic any more" in line]
    assert len(said) == 1
    assert "docs/operations.md" in said[0]
    assert "Traceback" not in pipeline.output()
    assert len(pipeline.read("price-updates")) == 100
