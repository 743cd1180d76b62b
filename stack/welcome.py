"""The lines that the demo prints when it runs: links that sign in, and a command for each of its servers."""

import csv
import os
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import msgspec

from stack.process import fetch

CHANGE = "update product_inventory set base_price = 99"
QUERY = "select product_id, price, event_time from price_history limit 5"
VERSION_MIN = 5
"""A product with this version has some points in its chart."""
FIRST_PRICES_WITHIN_S = 15.0
CHOICE_S = 5.0
"""Seconds from the first price on, in which more products come to choose from."""
LOOK_EVERY_S = 0.3


class Addresses(msgspec.Struct, frozen=True):
    """The addresses of a running demo. api: `http://HOST:PORT`. kafka and redis: host:port. postgres: a URL."""

    api: str
    key: str
    kafka: str
    redis: str
    postgres: str
    policy: str


class _Price(msgspec.Struct):
    product_id: str
    demand: float
    version: int


class _Page(msgspec.Struct):
    prices: list[_Price]
    next_cursor: str | None = None


def sales_of(files: Iterable[Path]) -> Counter[str]:
    """The number of sales of each product in invoice files."""
    sales: Counter[str] = Counter()
    for path in files:
        with path.open(encoding="utf-8", newline="") as file:
            sales.update(row["StockCode"] for row in csv.DictReader(file))
    return sales


def busiest_product(api: str, sales: Counter[str], within_s: float = FIRST_PRICES_WITHIN_S) -> str | None:
    """Wait for the first prices, and return the product among them that sells best: its chart goes on all day. None
    if there is none in time. sales: of each product, in the data."""
    started = time.monotonic()
    chosen_at: float | None = None
    while True:
        try:
            busy = [price for price in _prices(api) if price.version >= VERSION_MIN]
        except (OSError, msgspec.MsgspecError):
            busy = []
        now = time.monotonic()
        if busy and chosen_at is None:
            chosen_at = min(now + CHOICE_S, started + within_s)
        if busy and chosen_at is not None and now >= chosen_at:
            return max(busy, key=lambda price: (sales[price.product_id], price.demand)).product_id
        if not busy and now >= started + within_s:
            return None
        time.sleep(LOOK_EVERY_S)


def _prices(api: str) -> list[_Price]:
    found: list[_Price] = []
    cursor: str | None = ""
    while cursor is not None:
        after = f"&cursor={quote(cursor)}" if cursor else ""
        page = msgspec.json.decode(fetch(f"{api}/prices?limit=500{after}"), type=_Page)
        found += page.prices
        cursor = page.next_cursor
    return found


def signed_in(api: str, path: str, key: str) -> str:
    """A link to a page of the dashboard that signs in. The key is in the fragment, which browsers send to no
    server."""
    return f"{api}{path}#key={quote(key, safe='')}"


def welcome(addresses: Addresses, product_id: str | None) -> list[str]:
    """The lines to print. product_id: of the links and examples; None if there is no price yet."""
    api, key = addresses.api, addresses.key
    shown = product_id or "PRODUCT_ID"
    port = addresses.redis.rpartition(":")[2]
    rows = [("board", signed_in(api, "/", key))]
    if product_id:
        rows += [("a product", signed_in(api, f"/product/{quote(product_id)}", key))]
    rows += [
        ("market", signed_in(api, "/market", key)),
        ("API page", f"{api}/docs"),
        ("admin key", key),
        ("policy", f"{addresses.policy}; POLICY=FILE make demo"),
    ]
    rows += [
        ("Kafka", f"kcat -b {addresses.kafka} -t price-updates -C -o -1 -e"),
        ("Redis", f"redis-cli -p {port} hgetall price:{shown}"),
        ("Postgres", f"psql {addresses.postgres} -c '{QUERY}'"),
        ("tables", f"psql {addresses.postgres} -c '{CHANGE}'"),
        ("tools", f"KAFKA_BROKERS={addresses.kafka} .venv/bin/python -m tools.dead_letters list"),
    ]
    return [
        f"Pricewax is running on {api}. These links sign in:" if key else "",
        *(f"  {name:<10} {text}" for name, text in rows),
        "Ctrl-C stops everything.",
    ]


def policy_name(path: str) -> str:
    """The path of a policy as people write it: from the current folder, if it is in that."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
