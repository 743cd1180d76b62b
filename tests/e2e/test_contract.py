"""The contract, field by field: from an event on Kafka to a price on every output."""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import websockets

from pricing.policy import default_policy
from tests.support.pipeline import KEY, Pipeline, wait_for

ADMIN = {"X-API-Key": KEY}
UPDATE_FIELDS = [
    "type",
    "product_id",
    "new_price",
    "timestamp",
    "version",
    "previous_price",
    "demand",
    "price_source",
    "event_time_ms",
    "policy",
    "adjustments",
]


@pytest.fixture
def running(pipeline: Pipeline) -> Iterator[Pipeline]:
    pipeline.start_api()
    pipeline.start_flow()
    wait_for(pipeline.api_ready)
    yield pipeline
    pipeline.stop_flow()
    pipeline.stop_api()


def get(pipeline: Pipeline, path: str, **params: Any) -> Any:
    answer = pipeline.http.get(path, params=params, headers=ADMIN)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_event_becomes_a_price_everywhere(running: Pipeline) -> None:
    running.event("A", 10.0, "cart", timestamp=1_700_000_000_123, user_id="u", quantity=2)
    running.flush()
    stored = running.wait_for_version("A", 1)
    assert float(stored["price"]) == 18.66
    assert float(stored["demand"]) == 3
    assert (stored["price_source"], stored["version"], stored["previous_price"]) == ("dynamic", "1", "")
    assert abs(int(stored["updated_at_ms"]) / 1000 - time.time()) < 60
    assert [a["rule"] for a in json.loads(stored["adjustments"])] == ["base", "demand"]
    assert running.redis.smembers("products") == {"A"}

    (update,) = wait_for(running.updates)
    assert list(update) == UPDATE_FIELDS
    adjustments = update.pop("adjustments")
    assert update == {
        "type": "price_update",
        "product_id": "A",
        "new_price": 18.66,
        "timestamp": 1_700_000_000,
        "version": 1,
        "previous_price": None,
        "demand": 3.0,
        "price_source": "dynamic",
        "event_time_ms": 1_700_000_000_123,
        "policy": default_policy().version,
    }
    assert [list(a) for a in adjustments] == [["rule", "amount", "reason"]] * 2
    assert [a["amount"] for a in adjustments] == [10.0, 8.66]

    running.wait_for_history(1)
    columns = "product_id, price::text, demand, price_source, event_time, version, policy, cause, source_offset"
    ((*row,),) = running.history(columns)
    moment = datetime.fromtimestamp(1_700_000_000, UTC).replace(microsecond=123_000)
    assert row == ["A", "18.66", 3.0, "dynamic", moment, 1, default_policy().version, "event", 0]

    assert get(running, "/price/A") == {"product_id": "A", "price": 18.66, "demand": 3.0, "price_source": "dynamic"}
    explained = get(running, "/price/A/explain")
    assert explained["adjustments"] == adjustments
    assert explained["event_time_ms"] == 1_700_000_000_123
    assert explained["bound_by"] is None
    assert "18.66" in explained["text"]
    history = get(running, "/history/A")
    assert history == {
        "product_id": "A",
        "history": [
            {
                "price": 18.66,
                "event_time": "2023-11-14T22:13:20.123Z",
                "price_source": "dynamic",
                "demand": 3.0,
                "version": 1,
            }
        ],
    }


def test_real_producers_messages_all_price_correctly(running: Pipeline) -> None:
    """Messages without a key, with a foreign key, with integer ids, and with every form of time are one product."""
    for key in (b"4711", None, b"somebody-else", b"", b"\xff\xfe"):
        for timestamp in (1_700_000_000, 1_700_000_000_000, "2023-11-14T22:13:20Z"):
            for product in (4711, "4711"):
                running.event(product, 10.0, timestamp=timestamp, key=key)
    running.flush()
    stored = running.wait_for_version("4711", 30)
    assert (float(stored["price"]), float(stored["demand"])) == (round(10 + 5 * 30**0.5, 2), 30)
    running.wait_for_history(30)
    assert [version for (version,) in running.history("version")] == list(range(1, 31))
    assert running.read("dead-letters") == []


def test_an_override_is_set_seen_and_removed_within_a_second(running: Pipeline) -> None:
    running.event("A", 10.0)
    running.flush()
    running.wait_for_version("A", 1)
    body = {"product_id": "A", "override_price": 4.5, "reason": "clearance"}
    answer = running.http.post("/override", json=body, headers=ADMIN)
    assert answer.json() == {**body, "status": "upserted"}
    wait_for(lambda: get(running, "/price/A")["price"] == 4.5, 1.0)
    assert get(running, "/price/A")["price_source"] == "override"
    (shown,) = get(running, "/overrides")["overrides"]
    assert list(shown) == ["product_id", "override_price", "reason", "set_by", "set_at", "expires_at"]
    assert (shown["override_price"], shown["reason"], shown["expires_at"]) == (4.5, "clearance", None)

    running.event("A", 20.0, "cart")
    running.flush()
    stored = running.wait_for_version("A", 3)
    assert (float(stored["price"]), float(stored["demand"]), stored["price_source"]) == (4.5, 4, "override")
    assert round(sum(a["amount"] for a in json.loads(stored["adjustments"])), 2) == 4.5

    assert running.http.delete("/override/A", headers=ADMIN).json() == {"product_id": "A", "deleted": True}
    wait_for(lambda: get(running, "/price/A")["price"] == 30.0, 1.0)
    assert running.http.delete("/override/A", headers=ADMIN).status_code == 404
    assert running.redis.exists("override:A") == 0
    assert get(running, "/overrides") == {"overrides": []}

    running.wait_for_history(3)
    assert running.history("version, cause, price_source, price::text") == [
        (1, "event", "dynamic", "15.00"),
        (2, "override_set", "override", "4.50"),
        (4, "override_removed", "dynamic", "30.00"),
    ]
    wait_for(lambda: [update["version"] for update in running.updates()] == [1, 2, 4])
    wait_for(lambda: running.overrides("removed_time IS NOT NULL") == [(True,)])


def test_an_override_expires_by_itself_within_a_second(running: Pipeline) -> None:
    running.event("A", 10.0)
    running.flush()
    running.wait_for_version("A", 1)
    until = time.time() + 2
    body = {"product_id": "A", "override_price": 4.5, "expires_at": until}
    assert running.http.post("/override", json=body, headers=ADMIN).status_code == 200
    running.wait_for_version("A", 2)
    assert get(running, "/overrides")["overrides"][0]["expires_at"] is not None
    stored = running.wait_for_version("A", 3)
    assert until <= time.time() < until + 1
    assert (stored["price"], stored["price_source"]) == ("15.00", "dynamic")
    running.wait_for_history(3)
    causes = running.history("version, cause, source_topic, source_partition, source_offset")
    assert [row[:2] for row in causes] == [(1, "event"), (2, "override_set"), (3, "override_expired")]
    assert causes[1][2:] == causes[2][2:]
    wait_for(lambda: running.overrides("removed_time = expires_time") == [(True,)])


def test_the_catalogue_makes_a_product_known(running: Pipeline) -> None:
    entry = {"product_id": "C", "name": "Teapot", "category": "kitchen", "base_price": 7.5}
    running.send("product-catalogue", "C", entry)
    running.event("D", 1.0)
    running.flush()
    running.wait_for_version("C", 0)
    running.wait_for_version("D", 1)
    assert get(running, "/price/C") == {"product_id": "C", "price": 7.5, "demand": 0.0, "price_source": "base"}
    assert [p["product_id"] for p in get(running, "/prices", category="kitchen")["prices"]] == ["C"]
    assert [p["product_id"] for p in get(running, "/prices", ids="D,C,nobody")["prices"]] == ["C", "D"]
    shown = {"product_id": "C", "name": "Teapot", "category": "kitchen", "base_price": 7.5}
    assert get(running, "/products", ids="D,C,nobody") == {"products": [shown]}
    override = {"product_id": "C", "override_price": 6}
    assert running.http.post("/override", json=override, headers=ADMIN).status_code == 200
    running.wait_for_version("C", 1)
    assert running.http.delete("/override/C", headers=ADMIN).status_code == 200
    stored = running.wait_for_version("C", 2)
    assert (stored["price"], stored["price_source"]) == ("7.50", "base")


def test_a_websocket_gets_the_state_and_then_every_update(running: Pipeline) -> None:
    running.event("A", 10.0)
    running.event("B", 10.0)
    running.flush()
    running.wait_for_version("A", 1)
    running.wait_for_version("B", 1)
    # Wait until the relay has passed on both, so that they are not among the frames below.
    wait_for(lambda: 'pricewax_relay_updates_total{outcome="relayed"} 2.0' in running.http.get("/metrics").text)
    asyncio.run(_watch(running))


async def _watch(pipeline: Pipeline) -> None:
    url = pipeline.url.replace("http", "ws") + "/ws/prices"
    async with (
        websockets.connect(url + "?snapshot=1&products=A") as snapshot,
        websockets.connect(url) as plain,
        websockets.connect(url + "?conflate_ms=300&products=A,B") as conflated,
    ):
        first = json.loads(await snapshot.recv())
        assert list(first) == [*UPDATE_FIELDS, "snapshot"]
        assert (first["product_id"], first["version"], first["snapshot"]) == ("A", 1, True)
        for _ in range(20):
            pipeline.event("A", 10.0)
        pipeline.event("B", 10.0)
        pipeline.flush()
        versions = [json.loads(await snapshot.recv())["version"] for _ in range(20)]
        assert versions == list(range(2, 22))
        frames = [json.loads(await plain.recv()) for _ in range(21)]
        assert [f["version"] for f in frames if f["product_id"] == "A"] == list(range(2, 22))
        assert all("snapshot" not in frame for frame in frames)
        newest: dict[str, int] = {}
        count = 0
        while newest != {"A": 21, "B": 2}:
            frame = json.loads(await asyncio.wait_for(conflated.recv(), 5))
            newest[frame["product_id"]] = frame["version"]
            count += 1
        assert count < 20


def test_a_replayed_update_reaches_no_client_twice(running: Pipeline) -> None:
    async def watch() -> list[int]:
        async with websockets.connect(running.url.replace("http", "ws") + "/ws/prices?products=A") as socket:
            for _ in range(3):
                running.event("A", 10.0)
            running.flush()
            versions = [json.loads(await asyncio.wait_for(socket.recv(), 20))["version"] for _ in range(3)]
            # A crash has this effect: updates since the last commit are published again.
            for message in running.read("price-updates"):
                running.send("price-updates", message.key, message.value)
            running.flush()
            running.event("A", 10.0)
            running.flush()
            versions.append(json.loads(await asyncio.wait_for(socket.recv(), 20))["version"])
            return versions

    assert asyncio.run(watch()) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "query", ["conflate_ms=x", "conflate_ms=0", "conflate_ms=60001", "products=", "products=a/b"]
)
def test_bad_subscriptions_are_refused(running: Pipeline, query: str) -> None:
    async def connect() -> int:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(pipeline_url)
        assert json.loads(refused.value.response.body or b"")["error"]
        return refused.value.response.status_code

    pipeline_url = f"{running.url.replace('http', 'ws')}/ws/prices?{query}"
    assert asyncio.run(connect()) == 400
