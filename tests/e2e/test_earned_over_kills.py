"""The shop's tables to prices, prices to sales and to the lake, while every flow is killed again and again: revenue
equals the plain recomputation of what was published, and the lake equals the topic."""

import contextlib
import random
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from stack.broker import EmbeddedBroker
from stack.kafka import KafkaServer
from stack.postgres import PostgresServer
from stack.redis import RedisServer
from tests.support.lake_pipeline import LakePipeline
from tests.support.pipeline import Pipeline, wait_for
from tests.support.sales_pipeline import SalesPipeline
from tests.support.tables_pipeline import TablesPipeline

PRODUCTS = 6
ROUNDS = 4


class Shop:
    """The four flows on each other's topics."""

    def __init__(self, pricing: Pipeline, tables: TablesPipeline, sales: SalesPipeline, lake: LakePipeline) -> None:
        self.pricing, self.tables, self.sales, self.lake = pricing, tables, sales, lake
        catalogue, updates = tables.topics["product-catalogue"], pricing.topics["price-updates"]
        pricing.environment["PRODUCT_CATALOGUE_TOPIC"] = catalogue
        sales.topics |= {"orders": tables.topics["orders"], "price-updates": updates}
        sales.environment |= {
            "ORDERS_TOPIC": tables.topics["orders"],
            "PRODUCT_CATALOGUE_TOPIC": catalogue,
            "PRICE_UPDATES_TOPIC": updates,
        }
        lake.topics["price-updates"] = updates
        lake.environment["PRICE_UPDATES_TOPIC"] = updates

    def start(self) -> None:
        """Start all flows."""
        self.tables.start_flow()
        self.pricing.start_flow()
        self.sales.start_flow()
        self.lake.start_lake()

    def expected(self) -> dict[str, tuple[str, float | None]]:
        """Return product and revenue of each order: of the orders in the tables, and of the updates as a careful
        reader has them."""
        prices: dict[str, list[tuple[int, int, float]]] = {}
        for update in self.pricing.updates():
            known = prices.setdefault(update["product_id"], [])
            known.append((update["event_time_ms"], update["version"], update["new_price"]))
        found: dict[str, tuple[str, float | None]] = {}
        query = "SELECT order_id, product_id, quantity, extract(epoch FROM order_time) * 1000 FROM orders"
        for order_id, product, quantity, at_ms in self.tables.execute(query):
            in_force = max((each for each in prices.get(product, []) if each[0] <= at_ms), default=None)
            found[order_id] = product, None if in_force is None else round(in_force[2] * quantity, 4)
        return found

    def earned(self) -> dict[str, tuple[str, float | None]]:
        """Return product and revenue of each order in SQL."""
        return {order_id: (row[0], row[1]) for order_id, row in self.sales.sales().items()}


@pytest.fixture
def shop(
    broker: KafkaServer | EmbeddedBroker,
    postgres: PostgresServer,
    redis_server: RedisServer,
    tmp_path: Path,
    pipeline: Pipeline,
) -> Iterator[Shop]:
    with contextlib.ExitStack() as opened:
        made = []
        for kind in (TablesPipeline, SalesPipeline, LakePipeline):
            folder = tmp_path / kind.__name__
            folder.mkdir()
            made.append(
                opened.enter_context(contextlib.closing(kind(broker.brokers, postgres, redis_server, folder)))
            )
        tables, sales, lake = made
        assert isinstance(tables, TablesPipeline)
        assert isinstance(sales, SalesPipeline)
        assert isinstance(lake, LakePipeline)
        yield Shop(pipeline, tables, sales, lake)


def test_revenue_and_the_lake_are_exact_after_kills_of_every_flow(shop: Shop) -> None:
    chance = random.Random(16)
    # Catalogue entries have the time of now, and prices of long before are forgotten.
    hour_ago_s = int(time.time()) - 3_600
    shop.tables.make_tables()
    for index in range(PRODUCTS):
        shop.tables.stock(f"P{index}", level=50, price=f"{10 + index}.00")
    sent = 0

    def trade(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            sent += 1
            name = f"P{chance.randrange(PRODUCTS)}"
            at_s = hour_ago_s + chance.randrange(3_600)
            if chance.random() < 0.6:
                shop.pricing.event(name, 10 + chance.randrange(20), timestamp=at_s)
            else:
                row = (f"O{chance.randrange(60)}", at_s, name, chance.randint(1, 5))
                shop.tables.execute(
                    "INSERT INTO orders VALUES (%s, to_timestamp(%s) AT TIME ZONE 'UTC', %s, %s, 'C') ON CONFLICT"
                    " (order_id) DO UPDATE SET product_id = excluded.product_id, quantity = excluded.quantity",
                    *row,
                )
            if chance.random() < 0.05:
                shop.tables.execute("DELETE FROM orders WHERE order_id = %s", f"O{chance.randrange(60)}")
        shop.pricing.flush()

    shop.start()
    wait_for(lambda: shop.pricing.redis.hget("price:P5", "price") is not None, what=shop.pricing.output)
    flows = [shop.pricing, shop.tables, shop.sales, shop.lake]
    for _ in range(ROUNDS):
        trade(60)
        for each in chance.sample(flows, 2):
            if each.flow and each.flow[0].running:
                each.kill_flow()
        trade(30)
        for each in flows:
            if each.flow:
                continue
            if each is shop.lake:
                shop.lake.start_lake()
            else:
                each.start_flow()
        trade(30)
    shop.tables.wait_until_exact()
    shop.pricing.wait_for_commit("product-events")
    wait_for(lambda: shop.earned() == shop.expected(), 60, lambda: f"{shop.earned()}\n{shop.expected()}")
    revenue = sum(amount for _, amount in shop.expected().values() if amount is not None)
    assert revenue > 100
    ((total,),) = shop.sales.select("SELECT sum(revenue_estimate) FROM sales_profit")
    assert Decimal(str(round(revenue, 2))) == total
    wait_for(lambda: len(shop.lake.prices()) >= len(shop.lake.published()), what=shop.lake.output)
    shop.lake.stop_flow()
    assert shop.lake.prices() == shop.lake.published()
    for each in flows[:3]:
        each.stop_flow()
