"""A recovery folder that an earlier version wrote: the flow resumes from it.

`tests/support/recorded/` holds the recovery folder of a stopped flow (commit a16f0e0, before the present layout of
the code), the messages that it had read, with their partitions, and the prices that it had written.
`tests/support/record_folder.py` records another one."""

import contextlib
import json
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stack import kafka
from stack.broker import EmbeddedBroker
from stack.postgres import PostgresServer
from stack.redis import RedisServer
from tests.support.pipeline import Pipeline, wait_for
from tests.support.record_folder import NAME, RECORDED


@pytest.fixture
def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lzma.decompress((RECORDED / "recorded.json.xz").read_bytes()))
    return found


@pytest.fixture
def pipeline(
    broker: kafka.KafkaServer | EmbeddedBroker,
    postgres: PostgresServer,
    redis_server: RedisServer,
    tmp_path: Path,
    recorded: dict[str, Any],
) -> Iterator[Pipeline]:
    """A pipeline with the recorded messages in its topics and a copy of the recorded recovery folder."""
    with contextlib.closing(Pipeline(broker.brokers, postgres, redis_server, tmp_path, name=NAME)) as made:
        for topic, partition, key, value in recorded["inputs"]:
            made.producer.produce(made.topics[topic], value, key, partition=partition)
        made.flush()
        with tarfile.open(RECORDED / "recovery.tar.xz") as archive:
            archive.extractall(tmp_path, filter="data")
        yield made


def test_a_flow_goes_on_with_a_folder_of_before(pipeline: Pipeline, recorded: dict[str, Any]) -> None:
    prices = recorded["prices"]
    pipeline.start_flow()
    # Redis is empty at first, so every price in it comes from the flow's state.
    wait_for(lambda: pipeline.redis.scard("products") == len(prices), what="all products in Redis")
    for key, fields in prices.items():
        assert pipeline.redis.hgetall(key) == fields
    assert pipeline.redis.smembers("overrides") == {"P3", "P4"}
    assert list(pipeline.redis.hgetall("freezes")) == ["category:c1"]
    for key in prices:
        pipeline.event(key.removeprefix("price:"), 7.0, timestamp=1_700_002_000)
    pipeline.flush()
    for key, fields in prices.items():
        pipeline.wait_for_version(key.removeprefix("price:"), int(fields["version"]) + 1)
    # The flow resumed: it does not price old messages a second time, and frozen prices stay.
    held = {key for key in prices if pipeline.redis.hget(key, "price") == prices[key]["price"]}
    frozen = {f"price:P{index}" for index in range(1, 40, 3)}
    assert held == frozen | {"price:P3", "price:P4"}
    pipeline.wait_for_history(len(prices) - len(held))
    assert pipeline.count_history() == len(prices) - len(held)
    pipeline.stop_flow()
