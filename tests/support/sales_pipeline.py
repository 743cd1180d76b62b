"""The flow of sales for one test: its topics, database and Redis."""

import json
from typing import Any

import psycopg

from tests.support.pipeline import Pipeline


class SalesPipeline(Pipeline):
    """Orders, prices and the catalogue are sent by the test."""

    module = "dataflows.sales"
    group = "pricewax-sales"
    topic_names = ("orders", "price-updates", "product-catalogue", "sales", "dead-letters", "sales-backlog")
    compacted = frozenset({"product-catalogue"})

    def order(self, order_id: str, at_ms: int, product: str = "A", quantity: int = 1, **fields: Any) -> None:
        """Queue an order, or its change."""
        value = {"order_id": order_id, "order_time": at_ms, "product_id": product, "quantity": quantity, **fields}
        self.send("orders", product, value)

    def price(self, product: str, at_ms: int, version: int, price: float | None, **fields: Any) -> None:
        """Queue a price update; a withdrawal without a price."""
        value: dict[str, Any] = {"product_id": product, "version": version, "event_time_ms": at_ms, **fields}
        value |= {"type": "price_withdrawn"} if price is None else {"type": "price_update", "new_price": price}
        value |= {} if price is None else {"adjustments": fields.get("adjustments", [])}
        self.send("price-updates", product, value)

    def entry(self, product: str, name: str = "Mug", **fields: Any) -> None:
        """Queue an entry of the catalogue."""
        value = {"product_id": product, "name": name, "base_price": 1.0, **fields}
        self.send("product-catalogue", product, value)

    def select(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query; none if the flow has not made the tables yet."""
        try:
            with psycopg.connect(self.history_url) as connection:
                return connection.execute(query).fetchall()
        except psycopg.errors.UndefinedTable:
            return []

    def sales(self) -> dict[str, tuple[Any, ...]]:
        """Return product, revenue and margin of each order in SQL."""
        query = "SELECT order_id, product_id, revenue::float8, margin::float8 FROM sales_orders"
        return {row[0]: row[1:] for row in self.select(query)}

    def sums(self, product: str) -> dict[str, float]:
        """Return the sums of a product in Redis, without its times."""
        stored: dict[str, str] = self.redis.hgetall(f"sales:{product}")  # type: ignore[assignment]
        names = ("orders", "units", "revenue", "margin", "unpriced")
        return {name: float(stored[name]) for name in names} if stored else {}

    def differences(self) -> dict[str, tuple[int, float]]:
        """Return orders and revenue by product, as a careful reader adds them up: each version of an order and
        product once."""
        found: dict[tuple[str, str, int], Any] = {}
        for message in self.read("sales"):
            value = json.loads(message.value or b"")
            found[value["product_id"], value["order_id"], value["version"]] = value
        sums: dict[str, tuple[int, float]] = {}
        for value in found.values():
            orders, revenue = sums.get(value["product_id"], (0, 0.0))
            sums[value["product_id"]] = orders + value["orders"], revenue + value["revenue"]
        return sums
