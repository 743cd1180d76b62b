"""The flow of sales on a real Kafka, Redis and Postgres."""

import contextlib
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stack.broker import EmbeddedBroker
from stack.kafka import KafkaServer
from stack.postgres import PostgresServer
from stack.redis import RedisServer
from tests.support.pipeline import KEY, wait_for
from tests.support.sales_pipeline import SalesPipeline

T0 = 1_700_000_000_000


@pytest.fixture
def shop(
    broker: KafkaServer | EmbeddedBroker, postgres: PostgresServer, redis_server: RedisServer, tmp_path: Path
) -> Iterator[SalesPipeline]:
    with contextlib.closing(SalesPipeline(broker.brokers, postgres, redis_server, tmp_path)) as made:
        yield made


def test_each_order_has_the_price_of_its_moment_and_what_comes_late_corrects_it(shop: SalesPipeline) -> None:
    shop.start_flow()
    shop.entry("A", unit_cost=4.5)
    shop.price("A", T0, 1, 10.0, policy="p1", price_source="dynamic", adjustments=[{"rule": "base", "amount": 8.0}])
    shop.order("o1", T0 + 5, quantity=2)
    shop.order("o0", T0 - 5)
    shop.flush()
    wait_for(lambda: shop.sales() == {"o1": ("A", 20.0, 11.0), "o0": ("A", None, None)}, what=shop.output)
    wait_for(lambda: shop.sums("A") == {"orders": 2, "units": 3, "revenue": 20, "margin": 11, "unpriced": 1})
    query = "SELECT price_version, price_source, policy, base_revenue FROM sales_orders WHERE order_id = 'o1'"
    assert shop.select(query) == [(1, "dynamic", "p1", 16)]
    # A late price, a change, a removal, a withdrawal.
    shop.price("A", T0 - 10, 7, 5.0)
    shop.price("A", T0 + 6, 8, None)
    shop.order("o2", T0 + 7)
    shop.order("o1", T0 + 5, quantity=3, op="u", lsn=5)
    shop.send("orders", "A", {"order_id": "o1", "op": "d", "lsn": 4})
    shop.flush()
    expected: dict[str, Any] = {"o0": ("A", 5.0, 0.5), "o1": ("A", 30.0, 16.5), "o2": ("A", None, None)}
    wait_for(lambda: shop.sales() == expected, what=lambda: f"{shop.sales()}\n{shop.output()}")
    shop.send("orders", "A", {"order_id": "o1", "op": "d", "lsn": 6})
    shop.flush()
    wait_for(lambda: set(shop.sales()) == {"o0", "o2"}, what=shop.output)
    wait_for(lambda: shop.sums("A") == {"orders": 2, "units": 2, "revenue": 5, "margin": 0.5, "unpriced": 1})
    assert shop.select("SELECT product_id, product_name, total_orders, revenue_estimate FROM sales_profit") == [
        ("A", "Mug", 2, 5)
    ]
    wait_for(lambda: shop.differences() == {"A": (2, 5.0)}, what=shop.output)
    shop.start_api()
    wait_for(shop.api_ready, what=shop.output)

    def get(path: str, **asked: str) -> Any:
        return shop.http.get(path, params=asked, headers={"X-API-Key": KEY}).json()

    whole = {"orders": 2, "units": 2, "revenue": 5.0, "margin": 0.5, "base_revenue": None, "uplift_percent": None}
    whole["unpriced"] = 1
    assert get("/sales") == {"sales": [{"key": "A", **whole}]}
    assert get("/sales", by="day") == {"sales": [{"key": "2023-11-14", **whole}]}
    assert get("/sales/A") == {"key": "A", **whole, "days": [{"key": "2023-11-14", **whole}]}
    by_policy = {each["key"]: each["orders"] for each in get("/sales", by="policy")["sales"]}
    assert by_policy == {"": 1, "none": 1}
    assert get("/sales", **{"from": "2023-11-14T22:13:20Z"})["sales"][0]["revenue"] == 0
    assert shop.http.get("/sales").status_code == 401
    assert shop.http.get("/sales/B", headers={"X-API-Key": KEY}).status_code == 404
    assert shop.http.get("/sales?by=moon", headers={"X-API-Key": KEY}).status_code == 400


def test_uplift_and_the_amounts_of_rules(shop: SalesPipeline) -> None:
    shop.start_flow()
    amounts = [
        {"rule": "base", "amount": 10.0},
        {"rule": "demand", "amount": 2.5},
        {"rule": "ending", "amount": -0.5},
    ]
    shop.price("A", T0, 1, 12.0, policy="p", price_source="dynamic", adjustments=amounts)
    shop.price("B", T0, 1, 8.0, policy="p", price_source="base", adjustments=[{"rule": "base", "amount": 8.0}])
    shop.order("a", T0, "A", 3)
    shop.order("b", T0, "B", 1)
    shop.flush()
    wait_for(lambda: len(shop.sales()) == 2, what=shop.output)
    shop.start_api()
    wait_for(shop.api_ready, what=shop.output)

    def get(by: str) -> Any:
        found = shop.http.get("/sales", params={"by": by}, headers={"X-API-Key": KEY}).json()["sales"]
        return [(each["key"], each["orders"], each["revenue"], each["uplift_percent"]) for each in found]

    assert get("product") == [("A", 1, 36.0, 20.0), ("B", 1, 8.0, 0.0)]
    assert get("policy") == [("p", 2, 44.0, 15.79)]
    assert get("price_source") == [("dynamic", 1, 36.0, 20.0), ("base", 1, 8.0, 0.0)]
    assert get("rule") == [("demand", 1, 7.5, None), ("ending", 1, -1.5, None)]


def test_bad_messages_are_letters_and_stop_nothing(shop: SalesPipeline) -> None:
    shop.start_flow()
    for bad in (b"{", None, b"\xff", b'{"order_id": "o"}'):
        shop.send("orders", "A", bad)
        shop.send("price-updates", "A", bad)
    shop.order("o1", T0)
    shop.flush()
    wait_for(lambda: shop.sales() == {"o1": ("A", None, None)}, what=shop.output)
    letters = wait_for(lambda: found if len(found := shop.read("dead-letters")) == 8 else None)
    assert {letter.json()["error_code"] for letter in letters} == {
        "not_json",
        "tombstone",
        "not_utf8",
        "missing_field",
    }


def test_kills_outages_and_other_numbers_of_processes_end_with_the_join(
    shop: SalesPipeline, redis_server: RedisServer
) -> None:
    chooser = random.Random(5)
    orders: dict[str, tuple[int, str, int] | None] = {}
    prices: dict[str, list[tuple[int, int, float]]] = {}
    lsn = 0

    def send(count: int) -> None:
        nonlocal lsn
        for _ in range(count):
            product, at_ms = f"P{chooser.randrange(20)}", T0 + chooser.randrange(1_000)
            if chooser.random() < 0.4:
                version = len(prices.setdefault(product, [])) + 1
                price = chooser.randint(100, 9_999) / 100
                prices[product].append((at_ms, version, price))
                shop.price(product, at_ms, version, price)
                continue
            lsn += 1
            order_id = f"o{chooser.randrange(150)}"
            known = orders.get(order_id)
            if known is not None and chooser.random() < 0.2:
                orders[order_id] = None
                shop.send("orders", known[1], {"order_id": order_id, "op": "d", "lsn": lsn})
                continue
            if known is not None and known[1] != product:
                shop.send("orders", known[1], {"order_id": order_id, "op": "d", "lsn": lsn})
            quantity = chooser.randint(1, 9)
            orders[order_id] = at_ms, product, quantity
            shop.order(order_id, at_ms, product, quantity, lsn=lsn)
        shop.flush()

    def expected() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for order_id, order in orders.items():
            if order is None:
                continue
            at_ms, product, quantity = order
            before = [each for each in prices.get(product, []) if each[0] <= at_ms]
            found[order_id] = product, round(max(before)[2] * quantity, 2) if before else None
        return found

    def is_right() -> bool:
        found = {name: (row[0], None if row[1] is None else round(row[1], 2)) for name, row in shop.sales().items()}
        return found == expected()

    for round_ in range(5):
        shop.start_flow(processes=1 + round_ % 2)
        send(150)
        time.sleep(chooser.uniform(0.5, 3))
        send(100)
        if round_ == 3:
            redis_server.stop()
            redis_server.start()
        shop.kill_flow()
    shop.start_flow()
    wait_for(is_right, what=lambda: f"{shop.output()}")
    revenue: dict[str, float] = {}
    for product, amount in expected().values():
        revenue[product] = revenue.get(product, 0) + (amount or 0)
    for product, amount in revenue.items():
        wait_for(
            lambda product=product, amount=amount: shop.sums(product).get("revenue") == pytest.approx(amount),  # type: ignore[misc]
            what=lambda product=product, amount=amount: f"{product}: {shop.sums(product)}, {amount}",  # type: ignore[misc]
        )
    assert shop.read("dead-letters") == []
    shop.stop_flow()
