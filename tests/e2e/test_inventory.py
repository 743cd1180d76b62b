"""Stock, clicks and competitors through the whole system: prices, Redis, explanation, inventory."""

import time
from datetime import UTC, datetime
from typing import Any

from tests.support.pipeline import KEY, ROOT, Pipeline, wait_for

POLICY = str(ROOT / "policies" / "live-inventory.toml")


def moment(at_s: float) -> str:
    """A time in the form of the demo's producers."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


class Shop:
    """The demo's producers."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.now_s = int(time.time())

    def _send(self, topic: str, value: dict[str, Any]) -> None:
        self._pipeline.send(topic, "", value)

    def row(self, product_id: int, **fields: Any) -> None:
        """Send a row of the table product_inventory."""
        usual = {"product_name": "Mug", "stock_level": 30, "reorder_threshold": 10, "supplier": "S"}
        self._pipeline.send(
            "product-catalogue", str(product_id), {"product_id": product_id, **usual, "base_price": 10.0, **fields}
        )

    def purchase(self, product_id: int, quantity: int) -> None:
        at = moment(self.now_s)
        self._send("purchases", {"purchase_time": at, "product_id": product_id, "quantity_purchased": quantity})

    def restock(self, product_id: int, quantity: int) -> None:
        at = moment(self.now_s)
        self._send("restocks", {"restock_time": at, "product_id": product_id, "quantity_restocked": quantity})

    def click(self, product_id: int, count: int) -> None:
        for _ in range(count):
            at = moment(self.now_s)
            self._send("web-clicks", {"event_time": at, "product_id": product_id, "event_type": "view"})

    def quote(self, product_id: int, price: float) -> None:
        value = {"ts": moment(self.now_s), "product_id": product_id, "competitor": "C", "competitor_price": price}
        self._send("competitor-prices", value)

    def prices(self, product_id: int) -> float | None:
        stored: Any = self._pipeline.redis.hget(f"price:{product_id}", "price")
        return None if stored is None else float(stored)


def test_signals_become_prices_and_are_explained_also_after_a_crash(pipeline: Pipeline) -> None:
    pipeline.start_flow(POLICY=POLICY)
    pipeline.start_api(POLICY=POLICY)
    shop, get = Shop(pipeline), pipeline.http.get
    wait_for(pipeline.api_ready, what=pipeline.output)
    for product_id in (1, 2, 3):
        shop.row(product_id)
    pipeline.flush()
    wait_for(lambda: [shop.prices(n) for n in (1, 2, 3)] == [10.0] * 3, what=pipeline.output)

    shop.purchase(1, 25)
    shop.restock(2, 40)
    shop.quote(3, 10.5)
    pipeline.flush()
    wait_for(lambda: [shop.prices(n) for n in (1, 2)] == [12.0, 9.0], what=pipeline.output)
    shop.click(3, 31)
    pipeline.flush()
    wait_for(lambda: shop.prices(3) == 10.2, what=pipeline.output)
    assert pipeline.redis.hgetall("signals:1")["needs_reorder"] == "1"

    found = get("/price/3/explain").json()
    assert [each["rule"] for each in found["adjustments"]] == ["base", "clicks"]
    inputs = found["inputs"]
    assert (inputs["clicks_15m"], inputs["min_competitor_price"], inputs["competitor"]) == (31, 10.5, "C")
    assert inputs["price_source"] == "dynamic"
    row = get("/inventory/1").json()
    assert row == {
        "product_id": "1",
        "name": "Mug",
        "stock": 5,
        "oversold": 0,
        "stock_category": "Low",
        "reorder_threshold": 10,
        "needs_reorder": True,
        "clicks_15m": 0,
        "min_competitor_price": None,
        "competitor": None,
        "quoted_at_ms": None,
        "days_of_cover": 0.2,
        "price": 12.0,
    }
    wait_for(lambda: len(get("/inventory").json()["products"]) == 3)
    first = get("/inventory?limit=1").json()
    assert [each["product_id"] for each in first["products"]] == ["1"]
    rest = get("/inventory", params={"cursor": first["next_cursor"]}).json()
    assert ([each["product_id"] for each in rest["products"]], rest["next_cursor"]) == (["2", "3"], None)
    wait_for(lambda: [each["product_id"] for each in get("/inventory?low=1").json()["products"]] == ["1"])
    high = get("/inventory?stock_category=High").json()["products"]
    assert [(each["product_id"], each["stock"]) for each in high] == [("2", 70)]
    assert get("/inventory?stock_category=High&low=1").json()["products"] == []
    assert get("/inventory/9").status_code == 404
    # The chart's overlays: the first values of each minute.
    key = {"X-API-Key": KEY}
    past = wait_for(lambda: get("/history/3/signals", headers=key).json()["points"], what=pipeline.output)
    assert all(at_ms % 60_000 == 0 and stock == 30 for at_ms, stock, _, _ in past)
    assert get("/history/3/signals").status_code == 401
    assert get("/history/9/signals", headers=key).status_code == 404
    assert get("/history/3/signals?points=1", headers=key).status_code == 400
    for path in ("/inventory/a%20b", "/inventory?low=2", "/inventory?stock_category=low", "/inventory?limit=0"):
        assert get(path).status_code == 400, path

    signals = ("web-clicks", "competitor-prices", "purchases", "restocks")
    for topic in signals:
        for bad in (b"{", None, b"\xff", b'{"product_id": "1"}'):
            pipeline.send(topic, "1", bad)
    pipeline.flush()
    letters = wait_for(lambda: found if len(found := pipeline.read("dead-letters")) == 16 else None)
    assert {each.json()["source"]["topic"] for each in letters} == {pipeline.topics[topic] for topic in signals}

    def causes() -> set[str]:
        return {row[0] for row in pipeline.history("cause")}

    wait_for(lambda: causes() == {"catalogue", "stock", "clicks"}, what=pipeline.output)
    pipeline.kill_flow()
    shop.purchase(1, 10)
    shop.quote(2, 5.0)
    pipeline.flush()
    pipeline.redis.flushall()
    pipeline.start_flow(POLICY=POLICY)
    # 30 - 35 pieces; the cheapest competitor of 2 is far below, and a cent is taken off.
    wait_for(lambda: [shop.prices(n) for n in (1, 2, 3)] == [12.0, 8.91, 10.2], what=pipeline.output)
    wait_for(lambda: get("/inventory/1").json()["oversold"] == 5)
    assert [each["product_id"] for each in get("/inventory?oversold=1").json()["products"]] == ["1"]
    assert get("/inventory/1").json()["stock"] == 0
    wait_for(lambda: "restored" in causes(), what=pipeline.output)
