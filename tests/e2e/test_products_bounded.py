"""The number of products is bounded, and products without a signal are forgotten on every output."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from core.shards import shard_of
from tests.support.pipeline import KEY, ROOT, Pipeline, wait_for
from tests.support.stepped_clock import SteppedClock

ADMIN = {"X-API-Key": KEY}
DAY_S = 86_400


def names_beside(product: str, count: int) -> list[str]:
    """Return other products of the same shard."""
    shard = shard_of(product.encode(), 64)
    names = (f"{product}{number}" for number in range(10_000))
    found = [name for name in names if shard_of(name.encode(), 64) == shard]
    return found[:count]


def test_products_beyond_the_limit_become_letters_that_can_be_sent_again(pipeline: Pipeline) -> None:
    pipeline.start_flow(PRODUCTS_MAX="3")
    pipeline.start_api()
    wait_for(pipeline.api_ready)
    for product in ("A", "B", "C"):
        pipeline.event(product, 10.0)
        pipeline.flush()
        pipeline.wait_for_version(product, 1)
    override = {"product_id": "F", "override_price": 5.0, "reason": "r", "set_by": "s", "set_at": time.time()}
    pipeline.event("D", 10.0, note="x" * 2000)
    pipeline.send("product-catalogue", "E", {"product_id": "E", "name": "E", "category": "c", "base_price": 5})
    pipeline.send("price-overrides", "F", override)
    pipeline.event("A", 20.0)
    pipeline.flush()
    pipeline.wait_for_version("A", 2)
    letters = wait_for(lambda: len(found := pipeline.read("dead-letters")) == 3 and found)
    assert {letter.json()["error_code"] for letter in letters} == {"too_many_products"}
    alerts = {alert["code"] for alert in pipeline.http.get("/status", headers=ADMIN).json()["alerts"]}
    assert {"products_at_limit", "products_near_limit"} <= alerts
    assert pipeline.http.get("/price/D").status_code == 404

    # With more room the letter can be sent again. It holds the whole message.
    pipeline.stop_flow()
    pipeline.start_flow(PRODUCTS_MAX="10")
    listed = pipeline.http.get("/dead-letters", headers=ADMIN).json()["dead_letters"]
    (source,) = [each["source"] for each in listed if "product-events" in each["source"]["topic"]]
    position = f"{source['topic']}:{source['partition']}:{source['offset']}"
    command = [sys.executable, "-m", "tools.dead_letters", "replay", position]
    ran = subprocess.run(
        command, env=pipeline.environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    pipeline.wait_for_version("D", 1)
    wait_for(lambda: pipeline.http.get("/price/D").json().get("price") == 15.0)


def test_a_product_without_a_signal_is_forgotten_everywhere_and_comes_back(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    clock = SteppedClock(tmp_path)
    # Brokers refuse time stamps from the future, so the test begins three days ago.
    ago_s = 3 * DAY_S
    clock.step(-ago_s)
    pipeline.environment |= clock.environment
    pipeline.start_flow(PRODUCT_TTL_DAYS="1")
    pipeline.start_api()
    wait_for(pipeline.api_ready)
    then_s = time.time() - ago_s
    (other,) = names_beside("A", 1)
    for _ in range(4):
        pipeline.event("A", 10.0, timestamp=then_s, kafka_time_ms=int(then_s * 1000))
    pipeline.flush()
    pipeline.wait_for_version("A", 4)
    wait_for(lambda: pipeline.http.get("/price/A").status_code == 200)
    pipeline.wait_for_commit("product-events")
    shown: Any = pipeline.redis.hgetall("price:A")

    clock.step(-61)
    pipeline.event(other, 10.0, timestamp=time.time() - 61)
    pipeline.flush()
    pipeline.wait_for_version(other, 1)
    pipeline.wait_for_commit("product-events")
    assert pipeline.http.get("/price/A").status_code == 200
    clock.step(0)
    pipeline.event(other, 10.0, timestamp=time.time())
    pipeline.flush()

    wait_for(lambda: pipeline.http.get("/price/A").status_code == 404)
    assert not pipeline.redis.exists("price:A")
    assert not pipeline.redis.exists("product:A")
    (newest,) = [each for each in pipeline.updates() if each["product_id"] == "A" and each["version"] == 5]
    assert newest["type"] == "price_withdrawn"
    rows = {row[0]: row[3] for row in pipeline.http.get("/board").json()["rows"]}
    assert rows["A"] is None
    assert rows[other] == 17.07
    assert len(pipeline.http.get("/history/A", headers=ADMIN).json()["history"]) == 4

    # A crash now loses nothing of this. A price of before leaves Redis again, and the product comes back with newer
    # versions.
    pipeline.wait_for_commit("product-events")
    pipeline.kill_flow()
    # Redis was away, or has older data.
    pipeline.redis.hset("price:A", mapping=shown)
    pipeline.redis.sadd("products", "A")
    assert pipeline.http.get("/price/A").status_code == 200
    pipeline.start_flow(PRODUCT_TTL_DAYS="1")
    wait_for(lambda: pipeline.http.get("/price/A").status_code == 404)
    pipeline.event("A", 10.0, timestamp=time.time())
    pipeline.flush()
    wait_for(lambda: pipeline.http.get("/price/A").json().get("price") == 15.0)
    wait_for(lambda: max(each["version"] for each in pipeline.updates() if each["product_id"] == "A") > 5)
    board = {row[0]: row[3] for row in pipeline.http.get("/board").json()["rows"]}
    assert board["A"] == 15.0
