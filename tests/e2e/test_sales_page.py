"""The page of sales in a real Chromium, on the flow of sales and the API."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from stack.broker import EmbeddedBroker
from stack.kafka import KafkaServer
from stack.postgres import PostgresServer
from stack.redis import RedisServer
from tests.e2e.test_dashboard import pytestmark
from tests.support.browser import opened_page
from tests.support.pipeline import KEY, wait_for
from tests.support.sales_pipeline import SalesPipeline

__all__ = ["pytestmark"]

T0 = 1_700_000_000_000


@pytest.fixture
def shop(
    broker: KafkaServer | EmbeddedBroker, postgres: PostgresServer, redis_server: RedisServer, tmp_path: Path
) -> Iterator[SalesPipeline]:
    with contextlib.closing(SalesPipeline(broker.brokers, postgres, redis_server, tmp_path)) as made:
        yield made


@pytest.fixture
def page(shop: SalesPipeline) -> Iterator[Page]:
    """A page on a shop with three orders, one of them unpriced."""
    shop.start_flow()
    shop.start_api()
    amounts = [{"rule": "base", "amount": 10.0}, {"rule": "demand", "amount": 2.0}]
    shop.price("A", T0, 1, 12.0, policy="p", price_source="dynamic", adjustments=amounts)
    shop.price("B", T0, 1, 8.0, policy="p", price_source="base", adjustments=[{"rule": "base", "amount": 8.0}])
    shop.order("a", T0, "A", 3)
    shop.order("b", T0, "B", 1)
    shop.order("early", T0 - 1, "B", 1)
    shop.flush()
    wait_for(shop.api_ready, what=shop.output)
    wait_for(lambda: len(shop.sales()) == 3, what=shop.output)
    with opened_page(shop.url) as opened:
        yield opened
    shop.stop_flow()


def test_sales_need_the_key_and_are_shown_by_group(page: Page, shop: SalesPipeline, tmp_path: Path) -> None:
    expect.set_options(timeout=15_000)
    page.goto("/earned")
    expect(page.get_by_text("Sales can be seen with the admin key.")).to_be_visible()
    page.goto(f"/#key={KEY}")
    # Of the lock: the key is taken.
    expect(page.get_by_role("button", name="Lock")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("e")
    expect(page).to_have_url(re.compile(r"/earned$"))
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("A")
    expect(rows.first).to_contain_text("36.00")
    expect(rows.first).to_contain_text("+20.00%")
    totals = page.locator(".totals")
    expect(totals).to_contain_text("44.00")
    expect(totals).to_contain_text("Unpriced")
    # Live: an order that comes now.
    shop.order("late", T0 + 5, "A", 1)
    shop.flush()
    expect(rows.first).to_contain_text("48.00")
    page.get_by_label("By").select_option("rule")
    expect(page).to_have_url(re.compile(r"by=rule$"))
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("demand")
    expect(rows.first).to_contain_text("8.00")
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    saved.value.save_as(tmp_path / "sales.csv")
    header, line = (tmp_path / "sales.csv").read_text(encoding="utf-8").splitlines()
    assert header.startswith("key,orders,units,revenue")
    assert line.startswith("demand,2,4,8")
    # Sales of long ago are not among those of the last day.
    page.get_by_text("1d", exact=True).click()
    expect(page.get_by_role("heading", name="No sales in this time")).to_be_visible()
