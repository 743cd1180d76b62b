"""A surge through the whole system: prices on every output, their reasons, and the same after a crash."""

import time
from pathlib import Path
from typing import Any

from tests.support.pipeline import Pipeline, wait_for

POLICY = "[demand]\nfactor = 0\n[surge]\nenabled = true\n[guardrails]\nceiling_ratio = 2.5\n"


class Market:
    """The topics of a marketplace. All times are those of its start."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.now_s = int(time.time())

    def describe(self, product_id: str, category: str) -> None:
        fields = {"name": product_id, "category": category, "base_price": 10.0}
        self._pipeline.send("product-catalogue", product_id, {"product_id": product_id, **fields})

    def forecast(self, product_id: str, score: float) -> None:
        value = {
            "type": "forecast",
            "product_id": product_id,
            "made_at": self.now_s,
            "model": "m",
            "source": "cached",
            "horizons": {"60": {"p10": 8, "p50": 10, "p90": 13, "mean": 10}},
            "demand_score": score,
            "version": 1,
        }
        self._pipeline.send("demand-forecasts", product_id, value)

    def supply(self, product_id: str, available: float) -> None:
        value = {"product_id": product_id, "available": available, "timestamp": self.now_s}
        self._pipeline.send("supply", product_id, value)

    def happen(self, event_id: str, lasts_s: int, **scope: str) -> None:
        times = {"starts": self.now_s - 60, "ends": self.now_s + lasts_s}
        value = {"event_id": event_id, "score": 1.0, "name": "Concert", **times, **scope}
        self._pipeline.send("external-events", event_id, value)

    def prices(self, *names: str) -> list[float | None]:
        found: list[Any] = [self._pipeline.redis.hget(f"price:{name}", "price") for name in names]
        return [None if each is None else float(each) for each in found]


def test_a_surge_reaches_every_output_also_after_a_crash(pipeline: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY, encoding="utf-8")
    pipeline.start_flow(POLICY=str(path))
    pipeline.start_api(POLICY=str(path))
    market, names = Market(pipeline), ("city:bike", "city:car", "coast:car")
    wait_for(pipeline.api_ready, what=pipeline.output)
    for name in names:
        market.describe(name, name.partition(":")[2])
        # A shard has no time before its first signal.
        market.supply(name, 100)
    pipeline.flush()
    wait_for(lambda: market.prices(*names) == [10.0] * 3, what=pipeline.output)

    market.forecast("city:bike", 0.75)
    pipeline.flush()
    wait_for(lambda: market.prices(*names) == [15.5, 10.0, 10.0], what=pipeline.output)
    market.supply("city:bike", 5)
    # Products of a category are in several shards.
    market.happen("concert", 3600, category="car")
    pipeline.flush()
    wait_for(lambda: market.prices(*names) == [18.5, 12.0, 12.0], what=pipeline.output)
    found = pipeline.http.get("/price/city:bike/explain").json()
    assert [each["rule"] for each in found["adjustments"]] == ["base", "surge"]
    reason = "times 1.86: demand 0.56 (cached), supply 0.30, time of day 0.00, events 0.00"
    assert found["adjustments"][1]["reason"] == reason

    pipeline.kill_flow()
    market.forecast("coast:car", 1.0)
    pipeline.send("external-events", "concert", None)
    market.happen("storm", 3600, product_id="city:car")
    pipeline.flush()
    pipeline.start_flow(POLICY=str(path))
    wait_for(lambda: market.prices(*names) == [18.5, 12.0, 18.0], what=pipeline.output)
    pipeline.send("external-events", "storm", None)
    pipeline.flush()
    wait_for(lambda: market.prices(*names) == [18.5, 10.0, 18.0], what=pipeline.output)
    pipeline.stop_flow()

    newest: dict[str, tuple[int, float]] = {}
    for message in pipeline.read("price-updates"):
        update = message.json()
        found_price = update["version"], update["new_price"]
        newest[update["product_id"]] = max(newest.get(update["product_id"], (0, 0.0)), found_price)
    assert [newest[name][1] for name in names] == [18.5, 10.0, 18.0]
    rows: dict[str, tuple[int, float]] = {}
    for name, version, price in pipeline.history("product_id, version, price"):
        rows[name] = max(rows.get(name, (0, 0.0)), (version, float(price)))
    assert rows == newest
    assert pipeline.read("dead-letters") == []
