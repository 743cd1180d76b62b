"""Outages: an output that is down stops no other output, and gets its missing rows when it is back."""

import json
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from stack.postgres import PostgresServer
from stack.redis import RedisServer
from tests.support.compare import assert_matches_fold
from tests.support.pipeline import KEY, Pipeline, wait_for

ADMIN = {"X-API-Key": KEY}


@pytest.fixture
def postgres(folder: Path) -> Iterator[PostgresServer]:
    """A Postgres for this test only, which it can stop and start."""
    server = PostgresServer(folder / uuid.uuid4().hex)
    server.start()
    yield server
    server.stop()


def send(pipeline: Pipeline, count: int) -> None:
    for index in range(count):
        pipeline.event(f"P{index % 20}", 10.0)
    pipeline.flush()


def count_updates(pipeline: Pipeline) -> int:
    return len(pipeline.updates())


def test_sql_down_delays_history_and_loses_nothing_even_across_a_crash(
    pipeline: Pipeline, postgres: PostgresServer
) -> None:
    pipeline.start_flow()
    pipeline.start_api()
    send(pipeline, 100)
    pipeline.wait_for_history(100)
    postgres.stop()
    send(pipeline, 200)
    # Redis and price-updates do not wait for SQL.
    pipeline.wait_for_version("P19", 15, within_s=20)
    wait_for(lambda: count_updates(pipeline) == 300, 5)
    assert pipeline.http.get("/history/P1", headers=ADMIN).status_code == 503
    assert pipeline.http.get("/price/P1").status_code == 200
    # The writer holds the first rows, and they are in the snapshot; later rows go to the backlog.
    send(pipeline, 100)
    pipeline.wait_for_version("P19", 20)
    wait_for(lambda: pipeline.read("history-backlog"), 15)
    pipeline.kill_flow()
    pipeline.start_flow()
    send(pipeline, 100)
    pipeline.wait_for_version("P19", 25)
    postgres.start()
    assert_matches_fold(pipeline)
    assert pipeline.http.get("/history/P1", headers=ADMIN).status_code == 200
    pipeline.stop_flow()


def test_redis_down_delays_the_latest_price_and_stops_nothing(
    pipeline: Pipeline, redis_server: RedisServer
) -> None:
    pipeline.start_flow()
    pipeline.start_api()
    wait_for(pipeline.api_ready)
    send(pipeline, 100)
    pipeline.wait_for_version("P19", 5)
    assert pipeline.http.get("/price/P1").json().keys() == {"product_id", "price", "demand", "price_source"}
    redis_server.stop()
    send(pipeline, 100)
    pipeline.wait_for_history(200, within_s=10)
    wait_for(lambda: count_updates(pipeline) == 200, 5)
    # The API answers with prices that it has seen, and with their age; for all others it answers 503.
    answer = pipeline.http.get("/price/P1")
    assert answer.status_code == 200
    assert answer.json()["stale"] is True
    assert answer.json()["age_ms"] >= 0
    assert pipeline.http.get("/price/never-seen").status_code == 503
    assert pipeline.http.get("/prices").status_code == 503
    assert pipeline.http.get("/ready").status_code == 503
    assert pipeline.http.get("/health").status_code == 200
    redis_server.start()
    assert_matches_fold(pipeline)
    wait_for(pipeline.api_ready)
    pipeline.stop_flow()


def test_an_api_that_starts_knows_what_was_published_before(pipeline: Pipeline, redis_server: RedisServer) -> None:
    """This also holds without Redis. Updates that a crashed flow publishes again do not reach the clients."""
    pipeline.start_flow()
    send(pipeline, 100)
    pipeline.wait_for_history(100)
    redis_server.stop()
    pipeline.start_api()
    # The API has a relay for the market too.
    ready = re.compile(rf"relay is ready .*{pipeline.topics['price-updates']}")
    wait_for(lambda: any(map(ready.search, pipeline.logs)), what=pipeline.output)
    answer = pipeline.http.get("/price/P1")
    assert (answer.status_code, answer.json().get("stale")) == (200, True), f"{answer.text}\n{pipeline.output()}"
    old = pipeline.read("price-updates")[0]
    with connect(pipeline.url.replace("http", "ws") + "/ws/prices", proxy=None) as client:
        pipeline.send("price-updates", old.key, old.value)
        pipeline.flush()
        pipeline.event("P1", 10.0)
        pipeline.flush()
        update = json.loads(client.recv(timeout=10))
        assert (update["product_id"], update["version"]) == ("P1", 6)
    redis_server.start()
    pipeline.stop_flow()


def test_a_redis_that_lost_its_data_is_refilled_within_a_minute(
    pipeline: Pipeline, redis_server: RedisServer
) -> None:
    pipeline.start_flow()
    send(pipeline, 100)
    pipeline.send("product-catalogue", "C", {"product_id": "C", "name": "n", "category": "c", "base_price": 5})
    override = {"product_id": "P1", "override_price": 3, "reason": "r", "set_by": "s", "set_at": 1_700_000_000}
    pipeline.send("price-overrides", "P1", override)
    pipeline.flush()
    pipeline.wait_for_version("P1", 6)
    pipeline.wait_for_version("P19", 5)
    pipeline.wait_for_version("C", 0)
    before = {key: pipeline.redis.hgetall(key) for key in pipeline.redis.keys("p*:*") if "wax" not in key}
    started = time.monotonic()
    redis_server.stop()
    redis_server.start()
    assert pipeline.redis.keys("price:*") == []
    wait_for(lambda: len(pipeline.redis.keys("price:*")) == 21, 60)
    assert time.monotonic() - started < 60
    after = {key: pipeline.redis.hgetall(key) for key in before}
    assert after == before
    assert pipeline.redis.hget("override:P1", "override_price") == "3.00"
    assert pipeline.redis.scard("products") == 21
    pipeline.stop_flow()


def test_the_flow_starts_while_redis_and_sql_are_down(
    pipeline: Pipeline, postgres: PostgresServer, redis_server: RedisServer
) -> None:
    redis_server.stop()
    postgres.stop()
    pipeline.start_flow()
    pipeline.start_api()
    send(pipeline, 100)
    wait_for(lambda: count_updates(pipeline) == 100)
    assert pipeline.http.get("/health").status_code == 200
    postgres.start()
    redis_server.start()
    assert_matches_fold(pipeline)
    pipeline.stop_flow()
