"""The page of the inventory in a real Chromium on the real stack."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.test_dashboard import pytestmark
from tests.e2e.test_inventory import POLICY, Shop
from tests.support.browser import opened_page
from tests.support.pipeline import Pipeline, wait_for

__all__ = ["pytestmark"]


@pytest.fixture
def page(pipeline: Pipeline) -> Iterator[Page]:
    """A page on a shop with four products, one of them oversold."""
    pipeline.start_flow(POLICY=POLICY)
    pipeline.start_api(POLICY=POLICY)
    shop = Shop(pipeline)
    for product_id, level in ((1, 30), (2, 3), (3, 12), (4, 80)):
        shop.row(product_id, product_name=f"Mug {product_id}", stock_level=level)
    shop.purchase(3, 16)
    shop.quote(4, 9.5)
    shop.click(1, 3)
    pipeline.flush()
    wait_for(pipeline.api_ready, what=pipeline.output)
    wait_for(lambda: len(pipeline.http.get("/inventory").json()["products"]) == 4, what=pipeline.output)
    with opened_page(pipeline.url) as opened:
        yield opened
    pipeline.stop_flow()


def test_the_inventory_is_ordered_filtered_saved_and_live(page: Page, pipeline: Pipeline, tmp_path: Path) -> None:
    expect.set_options(timeout=15_000)
    page.goto("/")
    expect(page.locator(".line")).to_have_count(4)
    page.keyboard.press("g")
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile(r"/stock$"))
    names = page.locator(".line .name")
    # Oversold first, then what needs a reorder, then the least stock.
    expect(names).to_have_text(["Mug 3", "Mug 2", "Mug 1", "Mug 4"])
    expect(page.get_by_role("row").filter(has_text="Mug 3")).to_contain_text("oversold by 4")
    expect(page.get_by_role("row").filter(has_text="Mug 4")).to_contain_text("$9.50")
    Shop(pipeline).restock(3, 40)
    pipeline.flush()
    expect(names).to_have_text(["Mug 2", "Mug 1", "Mug 3", "Mug 4"])
    page.get_by_label("Only to reorder").check()
    expect(names).to_have_text(["Mug 2"])
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    saved.value.save_as(tmp_path / "inventory.csv")
    header, *lines = (tmp_path / "inventory.csv").read_text(encoding="utf-8").splitlines()
    assert header.startswith("product_id,name,stock,oversold")
    assert [line.split(",")[:3] for line in lines] == [["2", "Mug 2", "3"]]
    page.reload()
    expect(names).to_have_text(["Mug 2"])
    names.first.click()
    expect(page).to_have_url(re.compile(r"/product/2$"))
    card = page.locator("section").filter(has=page.get_by_role("heading", name="Stock and competitors"))
    expect(card).to_contain_text("3 (Low), to reorder at 10")
