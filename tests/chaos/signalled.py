"""The part of a storm for products with stock, clicks and competitors: their messages, and the check of all that
readers end with."""

import json
import random
from typing import Any

from tests.chaos.catalogued import newest_of_all
from tests.support.pipeline import Pipeline

PRODUCTS = [f"S{number:03d}" for number in range(20)]
LEVEL = 40
BASE_PRICE = 100.0


def send_signals(pipeline: Pipeline, chance: random.Random, now_s: int) -> None:
    """Send some signals, and now and then an entry of the catalogue."""
    for _ in range(chance.randrange(20)):
        product = chance.choice(PRODUCTS)
        roll, at_s = chance.random(), now_s - chance.randrange(100)
        if roll < 0.1:
            entry = {"product_id": product, "name": product, "base_price": BASE_PRICE, "stock_level": LEVEL}
            pipeline.send("product-catalogue", product, json.dumps(entry).encode())
        elif roll < 0.3:
            price = chance.randrange(50, 150)
            value = {
                "ts": at_s,
                "product_id": product,
                "competitor": chance.choice("xy"),
                "competitor_price": price,
            }
            pipeline.send("competitor-prices", product, value)
        elif roll < 0.5:
            value = {"event_time": at_s, "product_id": product, "event_type": "view"}
            pipeline.send("web-clicks", product, value)
        elif roll < 0.75:
            value = {"purchase_time": at_s, "product_id": product, "quantity_purchased": chance.randrange(1, 9)}
            pipeline.send("purchases", product, value)
        else:
            value = {"restock_time": at_s, "product_id": product, "quantity_restocked": chance.randrange(1, 9)}
            pipeline.send("restocks", product, value)


def check_signals(pipeline: Pipeline) -> list[str]:
    """Return the differences between what Redis has of stock and competitors and a fold of the topics, and between
    the prices that all outputs end with."""
    problems = []
    entries = {each.json()["product_id"] for each in _read(pipeline, "product-catalogue")} & {*PRODUCTS}
    moved = dict.fromkeys(PRODUCTS, 0)
    for each in _read(pipeline, "purchases"):
        moved[each.json()["product_id"]] -= each.json()["quantity_purchased"]
    for each in _read(pipeline, "restocks"):
        moved[each.json()["product_id"]] += each.json()["quantity_restocked"]
    quotes: dict[str, dict[str, tuple[int, float]]] = {product: {} for product in PRODUCTS}
    for each in _read(pipeline, "competitor-prices"):
        quote = each.json()
        latest = quotes[quote["product_id"]]
        if quote["ts"] >= latest.get(quote["competitor"], (0, 0.0))[0]:
            latest[quote["competitor"]] = quote["ts"], float(quote["competitor_price"])
    for product in PRODUCTS:
        shown: Any = pipeline.redis.hgetall(f"signals:{product}")
        stock = LEVEL + moved[product] if product in entries else None
        cheapest = min((price for _, price in quotes[product].values()), default=None)
        expected = (None if stock is None else max(0, stock), cheapest)
        texts = shown.get("stock"), shown.get("min_competitor_price")
        found = tuple(None if text is None else float(text) for text in texts)
        if found != expected:
            problems.append(f"{product}: stock and competitor are {found}, expected {expected}")
    for product, newest in newest_of_all(pipeline, sorted(entries)).items():
        if len({*newest.values()}) != 1:
            problems.append(f"{product}: outputs end differently: {newest}")
    return problems


def _read(pipeline: Pipeline, topic: str) -> list[Any]:
    return [each for each in pipeline.read(topic) if each.value is not None and (each.key or b"").startswith(b"S")]
