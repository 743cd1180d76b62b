"""A Redis that comes back with older data, another server, few rights, or that drops keys: no price stays old."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

import telemetry
from clients.redis import connect, parse_address, parse_url
from connectors import redis_watch
from connectors.redis_marker import EMPTY, EVICTED, OLDER, OTHER_SERVER
from connectors.redis_watch import RedisLooker
from sinks.base.outgoing import Outgoing
from sinks.redis import tracking
from sinks.redis.keys import FILLED, REPAIR
from sinks.redis.pricing import SCRIPT
from sinks.redis.sink import RedisSink
from sinks.redis.tracking import KeyTracker
from stack.redis import RedisServer
from tests.support.pipeline import Pipeline, wait_for
from tests.support.proxy import Proxy


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_watch, "REFILL_EVERY_S", 0.0)
    monkeypatch.setattr(redis_watch, "EVICTED_EVERY_S", 0.0)


@pytest.fixture
def second_server() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.stop()


def looker(url: str) -> RedisLooker:
    return RedisLooker(connect(parse_url(url)), FILLED, REPAIR)


def reason(watch: RedisLooker) -> str:
    """Look once, and return the reason for a refill."""
    watch.look()
    return watch.take()[0]


def test_a_watch_finds_what_redis_lost(redis_server: RedisServer) -> None:
    admin = redis.Redis(port=redis_server.port, decode_responses=True)
    watch = looker(f"redis://{redis_server.address}")
    assert reason(watch) == EMPTY
    assert [reason(watch) for _ in range(3)] == [""] * 3
    before = str(admin.get(FILLED))
    assert reason(watch) == ""
    # The data of a look ago, on the same server.
    admin.set(FILLED, before)
    assert reason(watch) == OLDER
    assert reason(watch) == ""
    admin.flushall()
    assert reason(watch) == EMPTY
    admin.delete(FILLED)
    admin.hset(FILLED, "a", "b")
    assert reason(watch) == EMPTY
    assert reason(watch) == ""
    # Another flow, or an earlier life of this one, has looked.
    later = looker(f"redis://{redis_server.address}")
    assert [reason(later), reason(later)] == ["", ""]
    assert reason(watch) == OLDER
    admin.close()


def test_older_data_is_found_although_redis_was_seen_while_it_loaded(
    redis_server: RedisServer, second_server: RedisServer
) -> None:
    """The second server has the marker of the last look, so only its identity differs."""
    with Proxy(redis_server.port) as proxy, redis.Redis(port=second_server.port) as second:
        watch = looker(f"redis://{proxy.address}")
        reason(watch)
        assert reason(watch) == ""
        second.set(FILLED, redis.Redis(port=redis_server.port).get(FILLED))
        # INFO is answered, and writes are refused, as while Redis loads its file.
        second.config_set("min-replicas-to-write", 1)
        proxy.lead_to(second_server.port)
        redis.Redis(port=redis_server.port).client_kill_filter(_type="normal", skipme=True)
        for _ in range(3):
            assert reason(watch) == ""
        second.config_set("min-replicas-to-write", 0)
        assert reason(watch) == OTHER_SERVER
        assert reason(watch) == ""


def test_an_answer_that_is_lost_hides_nothing(redis_server: RedisServer) -> None:
    watch = looker(f"redis://{redis_server.address}")
    reason(watch)
    marker = watch._marker
    written = marker._next()
    # The script ran, and its answer was lost.
    with redis.Redis(port=redis_server.port) as admin:
        marker._expected.append(written)
        admin.set(FILLED, written)
        assert reason(watch) == ""
        assert reason(watch) == ""


def test_a_second_fail_over_within_a_minute_waits_for_its_turn(
    redis_server: RedisServer, second_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(redis_server.port) as proxy:
        watch = looker(f"redis://{proxy.address}")
        monkeypatch.setattr(redis_watch, "REFILL_EVERY_S", 60.0)
        watch.look()
        assert watch.take()[0] == EMPTY
        proxy.lead_to(second_server.port)
        watch._client.connection_pool.disconnect()
        watch.look()
        watch.look()
        assert watch.take()[0] == ""
        # The turn comes.
        watch._refill_from = 0.0
        assert watch.take()[0] == EMPTY
        assert watch.take()[0] == ""


@contextmanager
def user(server: RedisServer, *rules: str) -> Iterator[str]:
    """The URL of a user with these rights."""
    with redis.Redis(port=server.port) as admin:
        admin.execute_command("ACL", "SETUSER", "shop", "on", ">pw", "~*", "&*", *rules)
        yield f"redis://shop:pw@{server.address}"


def test_without_info_every_new_connection_may_be_another_server(
    redis_server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with user(redis_server, "+@all", "-@dangerous") as url:
        watch = looker(url)
        assert reason(watch) == EMPTY
        assert reason(watch) == ""
        with redis.Redis(port=redis_server.port) as admin:
            admin.client_kill_filter(_type="normal", skipme=True)
        found = [reason(watch) for _ in range(3)]
        assert found.count(OTHER_SERVER) == 1, found
        assert reason(watch) == ""
    captured = capsys.readouterr()
    assert (captured.out + captured.err).count("may not call INFO") == 1


def test_a_user_without_the_marker_is_an_alert(redis_server: RedisServer) -> None:
    alert = ("redis_not_watched", f"{FILLED} and {REPAIR}")
    with user(redis_server, "+@all", "resetkeys", "~price:*") as url:
        watch = looker(url)
        assert reason(watch) == ""
        assert telemetry.alerts_in_force() == [alert]
        with redis.Redis(port=redis_server.port) as admin:
            admin.execute_command("ACL", "SETUSER", "shop", "~*")
        assert reason(watch) == EMPTY
        assert telemetry.alerts_in_force() == []


def test_eviction_is_an_alert_and_is_healed(redis_server: RedisServer) -> None:
    with redis.Redis(port=redis_server.port) as admin:
        admin.config_set("maxmemory-policy", "allkeys-lru")
        watch = looker(f"redis://{redis_server.address}")
        assert reason(watch) == EMPTY
        assert telemetry.alerts_in_force() == [("redis_evicts", "allkeys-lru")]
        admin.config_set("maxmemory", admin.info()["used_memory"] + 300_000)
        for index in range(100):
            admin.set(f"filler:{index}", "x" * 10_000)
        found = reason(watch)
        assert found in (EVICTED, EMPTY)
        admin.flushall()
        admin.config_set("maxmemory-policy", "noeviction")
        reason(watch)
        assert telemetry.alerts_in_force() == []


def test_missing_products_are_taken_once(redis_server: RedisServer) -> None:
    with redis.Redis(port=redis_server.port) as admin:
        watch = looker(f"redis://{redis_server.address}")
        watch.look()
        watch.take()
        admin.sadd(REPAIR, "A", "B")
        watch.look()
        assert watch.take() == ("", {"A", "B"})
        watch.look()
        assert watch.take() == ("", set())


def test_a_sink_leaves_a_server_that_became_a_replica(
    redis_server: RedisServer, second_server: RedisServer
) -> None:
    """The old master answers READONLY on a connection that stays healthy, as behind a name that moved."""
    row = b'["A",1,{"new_price":%d,"demand":1,"version":%d,"price_source":"dynamic","previous_price":null,' + (
        b'"adjustments":[],"event_time_ms":1,"policy":"p"},null,null]'
    )
    with Proxy(redis_server.port) as proxy, redis.Redis(port=second_server.port) as second:
        sink = RedisSink(lambda: connect(parse_address(proxy.address)), SCRIPT, ["%.2f"])
        part = sink.build_part("redis", "0", None)
        watch = looker(f"redis://{proxy.address}")
        part.write_batch([Outgoing(0, [("A", row % (1, 1))])])
        with redis.Redis(port=redis_server.port) as first:
            wait_for(lambda: first.exists("price:A"))
            watch.look()
            watch.take()
            first.replicaof("127.0.0.1", second_server.port)
            proxy.lead_to(second_server.port)
        part.write_batch([Outgoing(0, [("A", row % (2, 2))])])
        wait_for(lambda: second.hget("price:A", "version") == b"2", 10, "the row on the new master")
        # The old master may have copied the empty data already, or not.
        found = [reason(watch) for _ in range(4)]
        assert EMPTY in found
        assert found[-1] == ""
        assert second.get(FILLED) is not None
        part.close()


def test_the_api_leaves_a_server_that_became_a_replica_but_not_one_that_always_was(
    redis_server: RedisServer, second_server: RedisServer
) -> None:
    told: list[str] = []

    async def follow() -> None:
        tracker = KeyTracker(
            parse_address(redis_server.address),
            {"price:": lambda _names: None},
            on_start=lambda: told.append("start"),
            on_end=lambda: told.append("end"),
            on_demoted=lambda: told.append("demoted"),
        )
        tracker.start()
        await asyncio.to_thread(wait_for, lambda: told == ["start"])
        # Two probes, so that the server was seen as a master.
        await asyncio.sleep(3 * tracking.PING_EVERY_S)
        with redis.Redis(port=redis_server.port) as admin:
            admin.replicaof("127.0.0.1", second_server.port)
        await asyncio.to_thread(wait_for, lambda: "demoted" in told and told.count("start") == 2)
        await asyncio.sleep(3 * tracking.PING_EVERY_S)
        assert told.count("demoted") == 1
        assert told[-1] == "start"
        await tracker.close()

    asyncio.run(follow())


def test_prices_that_redis_dropped_come_back_and_are_answered_meanwhile(pipeline: Pipeline) -> None:
    pipeline.start_flow()
    pipeline.start_api()
    for name in "ABC":
        pipeline.event(name, 10.0)
    pipeline.flush()
    for name in "ABC":
        pipeline.wait_for_version(name, 1)
    wait_for(pipeline.api_ready)
    for name in "ABC":
        wait_for(lambda name=name: pipeline.http.get(f"/price/{name}").status_code == 200)  # type: ignore[misc]
    pipeline.redis.delete("price:A")
    # The list of products was dropped too, and other products have made a new one.
    pipeline.redis.srem("products", "A")
    answer = pipeline.http.get("/price/A")
    assert (answer.status_code, answer.json()["price"]) == (200, 15.0)
    assert answer.json().get("stale") is True
    assert pipeline.http.get("/price/unknown").status_code == 404
    wait_for(lambda: pipeline.redis.hget("price:A", "version") == "1", 10, "the price that was asked for")
    pipeline.redis.delete("price:B", "price:C")
    assert [each["product_id"] for each in pipeline.http.get("/prices").json()["prices"]] == ["A"]
    wait_for(lambda: pipeline.redis.hget("price:C", "version") == "1", 10, "the prices that a page lacked")
    # A server that loses all: old data, put back while the flow runs.
    pipeline.redis.hset("price:A", mapping={"price": "1.00", "version": "0"})
    pipeline.redis.set(FILLED, "of:1")
    wait_for(lambda: pipeline.redis.hget("price:A", "price") == "15.00", 20, "the refill")
    pipeline.stop_flow()
