"""The flow of forecasts on real servers: its outputs, kills, models that come and go, bad input."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from forecasting.registry.registry import Registry
from stack.broker import EmbeddedBroker
from stack.kafka import KafkaServer
from stack.postgres import PostgresServer
from stack.redis import RedisServer
from tests.integration.test_model_registry import good
from tests.support.forecast_pipeline import ForecastPipeline
from tests.support.pipeline import wait_for
from tests.support.small_model import trained_model

WITHIN_S = 60.0


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def shop(
    broker: KafkaServer | EmbeddedBroker, postgres: PostgresServer, redis_server: RedisServer, tmp_path: Path
) -> Iterator[ForecastPipeline]:
    with contextlib.closing(ForecastPipeline(broker.brokers, postgres, redis_server, tmp_path)) as made:
        yield made


def features_of(shop: ForecastPipeline, product_id: str) -> dict[str, float]:
    document = json.loads(str(shop.redis.get(f"features:{product_id}") or "{}"))
    found: dict[str, float] = document.get("features", {})
    return found


def test_forecasts_come_out_everywhere_and_a_kill_loses_no_demand(shop: ForecastPipeline, trained: Path) -> None:
    recent = shop.send_shop()
    shop.send("supply", "20039", {"product_id": "20039", "available": 120, "timestamp": int(time.time())})
    shop.send("demand-events", "x", {"event_type": "booking", "product_id": "x", "timestamp": 1})
    shop.send("product-events", "x", b"no JSON")
    decision = {"request_id": "r-1", "product_id": "20039", "made_at_ms": time.time_ns() // 1_000_000, "price": 4.5}
    shop.send("pricing-decisions", "20039", decision)
    shop.flush()
    shop.start_flow(FORECAST_MODEL=str(trained))
    wait_for(lambda: shop.latest().keys() == recent, WITHIN_S, shop.output)
    stored = shop.latest()["20039"]
    assert (stored["source"], stored["model"]) == (
        "model",
        json.loads((trained / "model.json").read_bytes())["version"],
    )
    assert float(stored["p10_1440"]) <= float(stored["p50_1440"]) <= float(stored["p90_1440"])
    assert float(stored["mean_1440"]) > 0
    assert 0 < int(shop.redis.ttl("forecasting:alive")) <= 20
    assert 0 < int(shop.redis.ttl("features:20039")) <= 120
    first = {each["product_id"]: each for each in shop.forecasts()}
    assert first.keys() == shop.latest().keys()
    message = first["20039"]
    assert list(message) == [
        *("type", "product_id", "made_at", "model", "source", "horizons", "demand_score", "version"),
    ]
    assert list(message["horizons"]) == ["1", "5", "15", "30", "60", "1440"]
    before = features_of(shop, "20039")
    assert before["stock_cover"] > 0
    wait_for(lambda: shop.select("SELECT product_id FROM pricing_decisions"), WITHIN_S, shop.output)
    assert shop.select("SELECT request_id, product_id, decision->>'price' FROM pricing_decisions") == [
        ("r-1", "20039", "4.5")
    ]
    letters = [json.loads(each.value or b"") for each in shop.read("dead-letters")]
    assert [each["error_code"] for each in letters] == ["bad_timestamp"]

    shop.wait_for_commit("product-events")
    shop.kill_flow()
    shop.start_flow(FORECAST_MODEL=str(trained))
    version = int(stored["version"])
    wait_for(lambda: int(shop.latest()["20039"]["version"]) > version, WITHIN_S, shop.output)
    after = features_of(shop, "20039")
    same = ("units_28d", "sold_28d", "decay_10", "shop_weekday", "price", "scale", "stock_cover")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}

    def are_all_newer() -> bool:
        last = {each["product_id"]: each for each in shop.forecasts()}
        return all(last[name]["version"] > first[name]["version"] for name in first)

    wait_for(are_all_newer, WITHIN_S, shop.output)
    # Redis loses all of it: the flow fills it again.
    shop.redis.flushall()
    wait_for(lambda: shop.latest().keys() == recent, WITHIN_S, shop.output)


def test_forecasts_are_answered_also_after_the_flow_has_died(shop: ForecastPipeline, trained: Path) -> None:
    recent = shop.send_shop()
    shop.start_flow(FORECAST_MODEL=str(trained))
    shop.start_api()
    wait_for(lambda: shop.latest().keys() == recent, WITHIN_S, shop.output)
    wait_for(shop.api_ready, what=shop.output)

    def ask(**query: str | int) -> dict[str, Any]:
        answer = shop.http.get("/api/v1/forecast/demand", params=query)
        return {"status": answer.status_code, **answer.json()}

    found = ask(product_id="20039")
    stored = shop.latest()["20039"]
    assert found == {
        "status": 200,
        "product_id": "20039",
        "horizon_min": 60,
        **{name: float(stored[f"{name}_60"]) for name in ("p10", "p50", "p90", "mean")},
        "made_at": stored["made_at"],
        "source": "model",
        "model_version": stored["model"],
        "demand_score": float(stored["demand_score"]),
    }
    assert ask(product_id="20039", horizon=1440)["mean"] == float(stored["mean_1440"])
    assert ask(product_id="20039", horizon=7)["status"] == 400
    assert ask(product_id="20039", horizon="soon")["status"] == 400
    assert ask()["status"] == ask(product_id="a", region_id="b")["status"] == 400
    assert ask(product_type="ride")["status"] == ask(product_id="a b")["status"] == 400
    assert ask(region_id="lon", product_type="ride") == {"status": 404, "error": "no such product"}
    shop.redis.hset("product:lon:ride", mapping={"name": "Ride", "category": "rides", "base_price": "9"})
    nothing = ask(region_id="lon", product_type="ride")
    assert (nothing["product_id"], nothing["source"], nothing["mean"]) == ("lon:ride", "base", None)
    shop.kill_flow()
    shop.redis.delete("forecasting:alive")
    assert ask(product_id="20039")["source"] == "cached"
    old = int(stored["version"]) - 6 * 60_000
    shop.redis.hset("forecast:20039", "version", str(old))
    assert ask(product_id="20039") == {
        **dict.fromkeys(("p10", "p50", "p90", "mean", "made_at", "model_version")),
        "status": 200,
        "product_id": "20039",
        "horizon_min": 60,
        "source": "base",
        "demand_score": 0.5,
    }


def test_models_change_without_a_restart_and_a_damaged_one_is_survived(
    shop: ForecastPipeline, trained: Path
) -> None:
    recent = shop.send_shop()
    shop.start_flow()
    wait_for(lambda: shop.latest().keys() == recent, WITHIN_S, shop.output)
    assert {each["source"] for each in shop.latest().values()} == {"category"}
    registry = Registry(shop.history_url)
    about, raw = good(trained)
    version = registry.promote(about, raw, "live", who="Ann", why="the first").version

    def sources() -> set[tuple[str, str]]:
        return {(each["source"], each["model"]) for each in shop.latest().values()}

    wait_for(lambda: sources() == {("model", version)}, 2 * WITHIN_S, shop.output)
    damaged, other = good(trained, "damaged")
    registry.promote(damaged, other, "shadow", who="Ann", why="to be damaged")
    with psycopg.connect(shop.history_url, autocommit=True) as connection:
        connection.execute("DELETE FROM forecast_parts WHERE version = 'damaged' AND part = 2")
    # The shadow was loaded whole; a flow that starts now finds it damaged.
    shop.stop_flow()
    registry._change("damaged", "live", 0.0, "Ann", "by mistake")
    shop.start_flow()
    wait_for(lambda: "may be damaged" in shop.output(), WITHIN_S, shop.output)
    wait_for(lambda: all(source != "model" for source, _ in sources()), 2 * WITHIN_S, shop.output)
    registry.rollback(who="Ann", why="it is damaged")
    wait_for(lambda: sources() == {("model", version)}, 2 * WITHIN_S, shop.output)


def test_two_workers_are_refused(shop: ForecastPipeline) -> None:
    shop.send_shop()
    shop.start_flow(workers=2)
    wait_for(lambda: "runs in one process with -w 1" in shop.output(), WITHIN_S, shop.output)
    wait_for(lambda: all(program.process.poll() is not None for program in shop.flow), WITHIN_S, shop.output)
    for program in shop.flow:
        program.stop()
    shop.flow.clear()
