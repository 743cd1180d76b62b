"""The lines that the demo prints: links that sign in, and a command for each server."""

import json
from collections import Counter

import pytest

from stack import welcome as module
from stack.rates import Rates
from stack.welcome import Addresses, busiest_product, sales_of, signed_in, welcome
from tests.support.pipeline import ROOT

ADDRESSES = Addresses(
    "http://localhost:8080", "k+/ y", "127.0.0.1:1", "127.0.0.1:2", "postgresql://u:p@127.0.0.1:3/d", "p.toml"
)


def test_the_key_of_a_link_is_in_its_fragment() -> None:
    assert signed_in("http://localhost:8080", "/product/A", "k+/ y") == (
        "http://localhost:8080/product/A#key=k%2B%2F%20y"
    )


def test_each_line_is_shorter_than_a_wide_terminal_and_has_its_address() -> None:
    lines = welcome(ADDRESSES, "22086")
    text = "\n".join(lines)
    assert "board      http://localhost:8080/#key=k%2B%2F%20y" in text
    assert "a product  http://localhost:8080/product/22086#key=k%2B%2F%20y" in text
    assert "kcat -b 127.0.0.1:1 " in text
    assert "redis-cli -p 2 hgetall price:22086" in text
    assert "psql postgresql://u:p@127.0.0.1:3/d " in text
    assert "-c 'update product_inventory set base_price = 99'" in text
    assert "KAFKA_BROKERS=127.0.0.1:1 .venv/bin/python -m tools.dead_letters list" in text
    assert max(map(len, lines)) < 140


def test_without_a_price_there_is_no_link_to_a_product() -> None:
    assert not [line for line in welcome(ADDRESSES, None) if "/product/" in line]


def test_the_link_leads_to_the_best_seller_among_the_products_that_have_a_chart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CHOICE_S", 0.0)
    pages = {
        "/prices?limit=500": {"prices": [_price("A", 9), _price("B", 2)], "next_cursor": "n+1"},
        "/prices?limit=500&cursor=n%2B1": {"prices": [_price("C", 7)], "next_cursor": None},
    }
    monkeypatch.setattr(module, "fetch", lambda url: json.dumps(pages[url.removeprefix("http://x")]))
    assert busiest_product("http://x", Counter({"A": 1, "B": 50, "C": 40})) == "C"
    monkeypatch.setattr(module, "fetch", lambda _url: json.dumps({"prices": [], "next_cursor": None}))
    assert busiest_product("http://x", Counter(), within_s=0) is None


def _price(product_id: str, version: int) -> dict[str, object]:
    return {"product_id": product_id, "version": version, "demand": 1.0, "price": 2.0}


def test_sales_are_counted_over_all_files() -> None:
    day = ROOT / "data" / "online-retail-2011-12-05.csv"
    once, twice = sales_of([day]), sales_of([day, day])
    assert once["22086"] > 20
    assert twice["22086"] == 2 * once["22086"]


def test_the_first_status_line_has_no_rate() -> None:
    answers = iter([40_000, 40_500])
    rates = Rates("url", lambda _url: f'pricewax_events_total{{outcome="priced"}} {next(answers)}')
    assert rates.line() == "  counting events"
    assert "events 40,500" in rates.line()
