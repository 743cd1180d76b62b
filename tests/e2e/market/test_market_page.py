"""The market's pages in a real Chromium on the real stack."""

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.test_dashboard import pytestmark
from tests.support.browser import opened_page
from tests.support.market_pipeline import MarketPipeline
from tests.support.pipeline import KEY, wait_for

__all__ = ["pytestmark"]


@pytest.fixture
def page(market: MarketPipeline) -> Iterator[Page]:
    """A page on a market with ticks of two symbols, one minute apart, up to now."""
    market.start_flow()
    market.start_api()
    now_s = int(time.time())
    for n in range(10):
        market.tick("BTC/USD", 100 + n, now_s - 600 + 60 * n, 2)
        market.tick("ETH", 7, now_s - 600 + 60 * n)
    market.flush()
    market.wait_for_ticks(20)
    wait_for(market.api_ready, what=market.output)
    market.wait_for_bar("BTC/USD", 10)
    with opened_page(market.url) as opened:
        yield opened
    market.stop_api()
    market.stop_flow()


def test_a_symbol_is_found_charted_and_live(page: Page, market: MarketPipeline) -> None:
    expect.set_options(timeout=15_000)
    page.goto(f"/market#key={KEY}")
    row = page.get_by_role("row").filter(has_text="BTC/USD")
    expect(row).to_contain_text("109")
    page.keyboard.press("/")
    page.keyboard.type("btc")
    expect(page.get_by_role("row").filter(has_text="ETH")).to_have_count(0)
    market.tick("BTC/USD", 111.5, int(time.time()), 1)
    market.flush()
    expect(row).to_contain_text("111.5")
    row.click()
    expect(page).to_have_url(re.compile(r"/market/symbol/BTC%2FUSD"))
    expect(page.locator("canvas").first).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="BTC/USD")).to_be_visible()
    expect(page.locator("body")).to_contain_text("111.5")


def test_a_rule_is_made_fires_and_is_deleted(page: Page, market: MarketPipeline) -> None:
    expect.set_options(timeout=15_000)
    page.goto(f"/market/inbox#key={KEY}")
    page.get_by_label("Symbol", exact=True).fill("ETH")
    page.get_by_label("Price", exact=True).fill("8")
    page.get_by_role("button", name="Add the rule").click()
    rules = page.locator("section").filter(has=page.get_by_role("heading", name="Rules"))
    expect(rules).to_contain_text("ETH")
    market.tick("ETH", 9, int(time.time()))
    market.flush()
    expect(page.locator("body")).to_contain_text("price 9 is above 8")
    rules.get_by_role("button", name="Delete").click()
    wait_for(lambda: market.http.get("/market/rules", headers={"X-API-Key": KEY}).json() == {"rules": []})
