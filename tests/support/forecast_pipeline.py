"""The flow of forecasts for one test: its topics, database and Redis."""

import json
import time
from typing import Any

import psycopg

from core.timestamps import DAY_MS
from tests.support.pipeline import Pipeline
from tests.support.small_shop import START_MS, demand_of_shop

DAYS = 149
"""Days of the small shop before the one that is today."""


class ForecastPipeline(Pipeline):
    """Events are sent by the test. The small shop's last day is today."""

    module = "dataflows.forecasting"
    group = "pricewax-forecasting"
    topic_names = (
        "product-events",
        "demand-events",
        "supply",
        "product-catalogue",
        "demand-forecasts",
        "pricing-decisions",
        "dead-letters",
        "forecast-backlog",
    )
    compacted = frozenset({"product-catalogue"})

    def send_shop(self) -> set[str]:
        """Queue the purchases of the small shop until now, and its catalogue. Returns the products that
        sold in the last 28 days."""
        now_ms = time.time_ns() // 1_000_000
        # As many days later; the hours of the day stay, so that it may be any time of the day now.
        shift = now_ms // DAY_MS * DAY_MS - (START_MS + DAYS * DAY_MS)
        recent = set()
        for each in demand_of_shop():
            at_ms = each.at_ms + shift
            if at_ms >= now_ms or each.cancelled_at_ms is not None:
                continue
            if at_ms >= now_ms - 28 * DAY_MS:
                recent.add(each.product_id)
            self.event(each.product_id, each.price or 0.0, "purchase", timestamp=at_ms, quantity=each.units)
        for number in range(40):
            name = f"{20000 + number}"
            entry = {"product_id": name, "category": "mugs", "name": "Mug", "base_price": 2.0}
            self.send("product-catalogue", name, entry)
        self.flush()
        return recent

    def forecasts(self) -> list[dict[str, Any]]:
        """Return all forecasts, in order of each product."""
        return [json.loads(message.value or b"") for message in self.read("demand-forecasts")]

    def latest(self) -> dict[str, dict[str, str]]:
        """Return the forecast of each product in Redis."""
        found = {}
        for key in self.redis.scan_iter("forecast:*"):
            found[key.removeprefix("forecast:")] = self.redis.hgetall(key)
        return found  # type: ignore[return-value]

    def select(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query; none if the tables are not made yet."""
        try:
            with psycopg.connect(self.history_url) as connection:
                return connection.execute(query.encode()).fetchall()
        except psycopg.errors.UndefinedTable:
            return []
