"""The preview of a policy in a real Chromium, on the flow and the API; and prices that then come as it said."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.test_dashboard import pytestmark
from tests.support.browser import opened_page
from tests.support.pipeline import KEY, Pipeline, wait_for

__all__ = ["pytestmark"]

TRIED = """
[demand]
factor = 2.0

[guardrails]
ceiling = 30.0
floor_margin = 0.1
map_price = true

[stock]
low_factor = 1.5
"""
PRODUCTS = 12


@pytest.fixture
def shop(pipeline: Pipeline) -> Iterator[Pipeline]:
    """Products with demand, stock, costs and an override."""
    pipeline.start_flow()
    pipeline.start_api()
    for index in range(PRODUCTS):
        name = f"P{index}"
        entry = {"product_id": name, "name": f"Mug {index}", "category": "mugs" if index % 2 else "cups"}
        costs = {"base_price": 10 + index, "unit_cost": 9.0, "map_price": 12.0, "stock_level": index * 20}
        pipeline.send("product-catalogue", name, {**entry, **costs})
    pipeline.flush()
    pipeline.wait_for_version(f"P{PRODUCTS - 1}", 0)
    for index in range(PRODUCTS):
        for _ in range(index):
            pipeline.event(f"P{index}", 10 + index)
    pipeline.flush()
    for index in range(1, PRODUCTS):
        pipeline.wait_for_version(f"P{index}", index)
    wait_for(pipeline.api_ready, what=pipeline.output)
    yield pipeline
    pipeline.stop_flow()


def _preview(shop: Pipeline, policy: str) -> httpx.Response:
    return shop.http.post("/policy/preview", json={"policy": policy, "limit": 100}, headers={"X-API-Key": KEY})


def test_prices_are_what_the_preview_said_once_the_policy_is_in_force(shop: Pipeline, tmp_path: Path) -> None:
    assert shop.http.post("/policy/preview", json={"policy": TRIED}).status_code == 401
    assert shop.http.get("/policy").status_code == 401
    shown = _preview(shop, TRIED).json()
    assert (shown["products"], shown["complete"]) == (PRODUCTS, True)
    assert shown["raised"] + shown["lowered"] + shown["unchanged"] == PRODUCTS
    expected = {each["product_id"]: each["new_price"] for each in shown["largest"]}
    assert len(expected) > 8
    # The policy in force previews as no change at all.
    answer = shop.http.get("/policy", headers={"X-API-Key": KEY}).json()
    unchanged = _preview(shop, answer["policy"]).json()
    assert (unchanged["unchanged"], unchanged["version"]) == (PRODUCTS, answer["version"])
    file = tmp_path / "tried.toml"
    file.write_text(TRIED + "[demand.weights]\nview = 0\ncart = 3\npurchase = 5\n", encoding="utf-8")
    shop.stop_flow()
    shop.start_flow(POLICY=str(file))
    for name in expected:
        # An event without weight: the price is decided once more, on the same demand.
        shop.event(name, float(name[1:]) + 10)
    shop.flush()
    wait_for(lambda: all(_decided_by(shop, name) != answer["version"] for name in expected), what=shop.output)
    assert {name: float(shop.redis.hget(f"price:{name}", "price") or 0) for name in expected} == expected


def _decided_by(shop: Pipeline, name: str) -> object:
    return shop.redis.hget(f"price:{name}", "policy")


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ("demand.factor = ", "policy: not a TOML file"),
        ("demand.faktor = 1", "policy: .*faktor"),
        ('currency = "JPY"', "policy: prices are in GBP, and cannot change their currency"),
    ],
)
def test_a_text_that_is_no_policy_is_refused_with_the_reason(shop: Pipeline, policy: str, problem: str) -> None:
    answer = _preview(shop, policy)
    assert answer.status_code == 400
    assert re.match(problem, answer.json()["error"])


def test_the_page_edits_previews_and_goes_back(shop: Pipeline) -> None:
    expect.set_options(timeout=15_000)
    with opened_page(shop.url) as page:
        page.goto("/what-if")
        expect(page.get_by_text("The policy can be seen with the admin key.")).to_be_visible()
        page.goto(f"/#key={KEY}")
        expect(page.get_by_role("button", name="Lock")).to_be_visible()
        page.keyboard.press("g")
        page.keyboard.press("w")
        expect(page).to_have_url(re.compile(r"/what-if$"))
        editor = page.get_by_label("The policy, as TOML")
        expect(editor).to_have_value(re.compile(r"factor = 5\.0"))
        editor.fill("demand.factor = ")
        page.get_by_role("button", name="Preview").click()
        expect(page.get_by_role("alert")).to_contain_text("not a TOML file")
        editor.fill(TRIED)
        editor.press("Control+Enter")
        expect(page.get_by_role("heading", name="Largest changes")).to_be_visible()
        expect(page.locator(".totals")).to_contain_text("Raised")
        expect(page.get_by_role("link", name="Mug 11")).to_be_visible()
        _look(page)
        page.get_by_role("button", name="Policy in force").click()
        expect(editor).to_have_value(re.compile(r"factor = 5\.0"))


def _look(page: Page) -> None:
    """No part of the page is wider than the window, also on a phone."""
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
