"""The flow of the lake for one test: its topics, database and catalogue."""

import contextlib
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyiceberg.catalog import Catalog

from sinks.lake.catalog import open_catalog
from stack.postgres import PostgresServer
from tests.support.pipeline import Pipeline, RedisAddress

PriceRow = tuple[str, int, Decimal]


class LakePipeline(Pipeline):
    """Updates are sent by the test. The catalogue is SQLite and the files are local, if the test sets nothing
    else."""

    module = "dataflows.lake"
    group = "pricewax-lake"
    topic_names = ("price-updates", "dead-letters")
    compacted = frozenset()

    def __init__(self, brokers: str, postgres: PostgresServer, redis_server: RedisAddress, folder: Path) -> None:
        super().__init__(brokers, postgres, redis_server, folder)
        self.warehouse = folder / "lake"
        self.environment |= {
            "LAKE_CATALOG": f"sqlite:///{folder}/catalogue.db",
            "LAKE_WAREHOUSE": f"file://{self.warehouse}",
            "LAKE_COMMIT_S": "0.3",
        }

    def start_lake(self, **environment: str) -> None:
        """Start the flow. It has no recovery folder."""
        command = [sys.executable, "-m", "bytewax.run", self.module]
        self.flow.append(self._launch("lake", command, environment))

    def update(self, product: str, version: int, price: float | None, at_ms: int, **fields: Any) -> None:
        """Queue a price update; a withdrawal without a price."""
        value: dict[str, Any] = {"product_id": product, "version": version, "event_time_ms": at_ms}
        if price is None:
            value |= {"type": "price_withdrawn"}
        else:
            value |= {
                "type": "price_update",
                "new_price": price,
                "previous_price": None,
                "price_source": "dynamic",
                "demand": 1.5,
                "policy": "p1",
                "adjustments": [{"rule": "base", "amount": price, "reason": "the base price"}],
            }
        self.send("price-updates", product, value | fields)

    def catalogue(self) -> Catalog:
        """Open the catalogue of the environment."""
        given = self.environment
        options = dict(pair.split("=", 1) for pair in given.get("LAKE_OPTIONS", "").split(";") if pair)
        return open_catalog(given["LAKE_CATALOG"], given.get("LAKE_WAREHOUSE"), options)

    def rows(self, table: str = "price_history") -> list[dict[str, Any]]:
        """Return the rows of a table; none if it is not there yet."""
        name = f"pricewax.{table}"
        with contextlib.closing(self.catalogue()) as catalogue:
            if not catalogue.table_exists(name):
                return []
            return list(catalogue.load_table(name).scan().to_arrow().to_pylist())

    def prices(self) -> list[PriceRow]:
        """Return product, version and price of each row, in order."""
        return sorted((row["product_id"], row["version"], row["price"]) for row in self.rows())

    def published(self) -> list[PriceRow]:
        """Return the same of each update on the topic, as a careful reader sees them."""
        newest: dict[str, int] = {}
        found = []
        for message in self.read("price-updates"):
            value = message.json()
            if value["version"] > newest.get(value["product_id"], -1):
                newest[value["product_id"]] = value["version"]
                if "new_price" in value:
                    price = Decimal(str(value["new_price"])).quantize(Decimal("0.0001"))
                    found.append((value["product_id"], value["version"], price))
        return sorted(found)
