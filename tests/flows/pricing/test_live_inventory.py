"""Prices by stock, clicks and competitors, from the bytes of messages, against SQL views in DuckDB over the same
messages, for each product. The views share no code with the flow."""

import json
import random
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from connectors.decode.pricing import SignalKind
from connectors.decode.signals import ProductSignalKind
from connectors.kafka import RawBatch
from core.shards import shard_of
from pricing.policy import parse_policy
from tests.support.pipeline import ROOT
from tests.support.plain_runner import PlainRunner

START_S = 1_700_000_000
LASTS_S = 3_000
PRODUCTS = 12
SHARDS = 4
KINDS: dict[str, SignalKind | ProductSignalKind] = {
    "product-catalogue": SignalKind.CATALOGUE,
    "web_clicks": ProductSignalKind.CLICKS,
    "competitor_prices": ProductSignalKind.COMPETITORS,
    "purchases": ProductSignalKind.PURCHASES,
    "restocks": ProductSignalKind.RESTOCKS,
}
VIEWS = """
CREATE VIEW inventory_status AS
    SELECT i.product_id, base_price,
        stock_level + coalesce((SELECT sum(quantity) FROM restocks r WHERE r.product_id = i.product_id), 0)
            - coalesce((SELECT sum(quantity) FROM purchases p WHERE p.product_id = i.product_id), 0) AS stock
    FROM inventory i;
CREATE VIEW click_heat AS
    SELECT product_id, count(*) AS clicks FROM clicks WHERE at_s > {now} - 900 AND at_s <= {now}
    GROUP BY product_id;
CREATE VIEW latest_quotes AS
    SELECT product_id, competitor, arg_max(price, (at_s, nth)) AS price FROM quotes GROUP BY product_id, competitor;
CREATE VIEW cheapest AS
    SELECT product_id, min(price) AS min_competitor_price FROM latest_quotes GROUP BY product_id;
CREATE VIEW stock_prices AS
    SELECT *, base_price * CASE WHEN stock < 20 THEN 1.20 WHEN stock <= 50 THEN 1.0 ELSE 0.90 END AS price,
        CASE WHEN stock < 20 THEN 'Low' WHEN stock <= 50 THEN 'Medium' ELSE 'High' END AS stock_category
    FROM inventory_status;
CREATE VIEW final_prices AS
    SELECT s.product_id, stock, stock_category, coalesce(clicks, 0) AS clicks, min_competitor_price,
        greatest(base_price * 0.5, price * CASE
            WHEN base_price <= min_competitor_price AND clicks > 30 THEN 1.02
            WHEN price > min_competitor_price THEN 0.99 ELSE 1.0 END) AS final_price
    FROM stock_prices s LEFT JOIN click_heat USING (product_id) LEFT JOIN cheapest USING (product_id);
"""


def moment(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


class Shop:
    """Messages of the demo's producers, and the tables of what they say."""

    def __init__(self, seed: int) -> None:
        self._chance = chance = random.Random(seed)
        self.messages: list[tuple[str, int, dict[str, Any]]] = []
        self.database = duckdb.connect()
        self.database.execute("CREATE TABLE inventory (product_id INT, stock_level DOUBLE, base_price DOUBLE)")
        self.database.execute("CREATE TABLE clicks (product_id INT, at_s BIGINT)")
        self.database.execute(
            "CREATE TABLE quotes (nth INT, product_id INT, at_s BIGINT, competitor TEXT, price DOUBLE)"
        )
        for table in ("purchases", "restocks"):
            self.database.execute(f"CREATE TABLE {table} (product_id INT, quantity INT)")
        for product in range(PRODUCTS):
            self._row(product)
        for nth in range(2_500):
            product, at_s = chance.randrange(PRODUCTS), START_S + chance.randrange(LASTS_S)
            chance.choices([self._click, self._quote, self._move], [8, 2, 1])[0](nth, product, at_s)
        # Every product's shard comes to the same time.
        for product in range(PRODUCTS):
            self._move(0, product, START_S + LASTS_S)

    def _row(self, product: int) -> None:
        level, base = self._chance.randrange(100), self._chance.randrange(100, 10_000) / 100
        row = {"product_id": product, "product_name": "P", "stock_level": level, "base_price": base}
        self.messages.append(("product-catalogue", product, row))
        self.database.execute("INSERT INTO inventory VALUES (?, ?, ?)", [product, level, base])

    def _click(self, nth: int, product: int, at_s: int) -> None:
        kind = self._chance.choice(["view", "add_to_cart", "remove_from_cart"])
        value = {"event_time": moment(at_s), "product_id": product, "event_type": kind}
        self.messages.append(("web_clicks", product, value))
        self.database.execute("INSERT INTO clicks VALUES (?, ?)", [product, at_s])

    def _quote(self, nth: int, product: int, at_s: int) -> None:
        price, competitor = self._chance.randrange(100, 10_000) / 100, self._chance.choice("xyz")
        value = {"ts": moment(at_s), "product_id": product, "competitor": competitor, "competitor_price": price}
        self.messages.append(("competitor_prices", product, value))
        self.database.execute("INSERT INTO quotes VALUES (?, ?, ?, ?, ?)", [nth, product, at_s, competitor, price])

    def _move(self, nth: int, product: int, at_s: int) -> None:
        topic = self._chance.choice(["purchases", "restocks"])
        verb, quantity = ("purchase", "purchased") if topic == "purchases" else ("restock", "restocked")
        pieces = self._chance.randrange(1, 10)
        value = {f"{verb}_time": moment(at_s), "product_id": product, f"quantity_{quantity}": pieces}
        self.messages.append((topic, product, value))
        self.database.execute(f"INSERT INTO {topic} VALUES (?, ?)", [product, pieces])

    def views(self) -> dict[int, tuple[Any, ...]]:
        """Product to stock, category, clicks, cheapest competitor and final price."""
        self.database.execute(VIEWS.format(now=START_S + LASTS_S))
        rows = self.database.execute("SELECT * FROM final_prices").fetchall()
        return {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_flow_ends_with_the_numbers_of_the_views(seed: int) -> None:
    shop = Shop(seed)
    now_ms = (START_S + LASTS_S) * 1000
    policy = parse_policy((ROOT / "policies" / "live-inventory.toml").read_text(encoding="utf-8"))
    runner = PlainRunner(policy, KINDS, SHARDS, clock=lambda: now_ms)
    offsets = dict.fromkeys(KINDS, 0)
    for topic, product, value in shop.messages:
        key, partition = str(product).encode(), product % 3
        raw = json.dumps(value).encode()
        runner.feed(RawBatch(topic, [partition], [offsets[topic]], [key], [raw], [now_ms]))
        offsets[topic] += 1
    prices, signals = {}, {}
    for _, rows in ((each.kafka_time_ms, each.rows) for each in runner.latest):
        for name, row in rows:
            fields = json.loads(row)
            if name.endswith(" signals"):
                signals[int(fields[0])] = dict(zip(fields[1][::2], fields[1][1::2], strict=True))
            elif name.isdecimal() and fields[2]:
                prices[int(name)] = fields[2]["new_price"]
    assert runner.letters == []
    assert {shard_of(str(product).encode(), SHARDS) for product in range(PRODUCTS)} == set(range(SHARDS))
    for product, (stock, category, clicks, cheapest, final) in shop.views().items():
        shown = signals[product]
        assert float(shown["stock"]) == max(0, stock), product
        assert float(shown["oversold"]) == max(0, -stock)
        assert (shown["stock_category"], int(shown["clicks_15m"])) == (category, clicks), product
        assert float(shown["min_competitor_price"]) == cheapest
        # The database keeps fractions of a cent.
        assert abs(prices[product] - final) < 0.005 + 1e-9, product
