"""Answers of the API from memory equal the prices in Redis, with any writer."""

import signal

import pytest

from stack.redis import RedisServer
from tests.support.pipeline import Pipeline, wait_for

HITS = "pricewax_price_cache_hits_total"
CHANGES = 300


@pytest.fixture
def serving(pipeline: Pipeline) -> Pipeline:
    pipeline.start_api()
    wait_for(pipeline.api_ready)
    store(pipeline, 1)
    wait_for(lambda: price(pipeline) == 1 and hits(pipeline) > 0)
    return pipeline


def store(pipeline: Pipeline, amount: int) -> None:
    pipeline.redis.hset(
        "price:A", mapping={"price": amount, "demand": 1, "version": amount, "price_source": "dynamic"}
    )


def price(pipeline: Pipeline) -> float | None:
    """Return the price that Redis has; None if it has none. The API then answers with the last one, as `stale`."""
    answer = pipeline.http.get("/price/A")
    in_redis = answer.status_code == 200 and "stale" not in answer.json()
    return float(answer.json()["price"]) if in_redis else None


def hits(pipeline: Pipeline) -> float:
    lines = pipeline.http.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(HITS))


def test_a_change_in_redis_is_one_in_the_api_and_stays_one(serving: Pipeline) -> None:
    def shows(amount: float | None) -> None:
        # Redis answers the writer first, and reports the change to the API a moment later.
        wait_for(lambda: price(serving) == amount, 1)
        assert price(serving) == amount

    before = hits(serving)
    for amount in range(2, CHANGES):
        store(serving, amount)
        shows(amount)
    # The first of two readings asks Redis; the second is answered from memory.
    assert hits(serving) - before > CHANGES / 2
    serving.redis.delete("price:A")
    shows(None)
    store(serving, 7)
    shows(7)
    serving.redis.flushall()
    shows(None)


def test_an_answer_from_memory_has_the_head_and_the_body_of_any_other(serving: Pipeline) -> None:
    store(serving, 9)
    first, before = serving.http.get("/price/A"), hits(serving)
    second = serving.http.get("/price/A")
    assert hits(serving) == before + 1
    assert first.content == second.content
    assert first.headers.keys() == second.headers.keys()
    assert first.headers["content-type"] == second.headers["content-type"]


def test_a_redis_that_stops_or_restarts_ends_what_is_kept(serving: Pipeline, redis_server: RedisServer) -> None:
    assert redis_server.program is not None
    redis_server.program.send(signal.SIGSTOP)
    answer = wait_for(lambda: (found := serving.http.get("/price/A").json()).get("stale") and found, 10)
    # Redis confirmed the price until a moment before.
    assert answer["age_ms"] < 5_000
    redis_server.program.send(signal.SIGCONT)
    wait_for(lambda: "stale" not in serving.http.get("/price/A").json(), 10)
    redis_server.stop()
    assert serving.http.get("/price/A").json()["stale"] is True
    redis_server.start()
    # It is empty, and the price from before is still answered.
    assert serving.http.get("/price/A").json()["stale"] is True
    store(serving, 3)
    before = hits(serving)
    wait_for(lambda: price(serving) == 3 and hits(serving) > before, 10)


def test_a_redis_that_does_not_tell_of_changes_is_read_every_time(
    pipeline: Pipeline, redis_server: RedisServer
) -> None:
    pipeline.redis.acl_setuser("default", enabled=True, commands=["-client"])
    try:
        pipeline.start_api()
        wait_for(pipeline.api_ready)
        wait_for(lambda: "each is read from it" in pipeline.output())
        store(pipeline, 4)
        assert [price(pipeline), price(pipeline)] == [4, 4]
        assert hits(pipeline) == 0
        # The log line must not be repeated for each price.
        assert pipeline.output().count("each is read from it") == 1
    finally:
        pipeline.redis.acl_setuser("default", enabled=True, commands=["+@all"])
