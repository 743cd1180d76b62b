"""`make screenshots KEY=…`: pictures of every page of a running demo, for docs/screenshots/."""

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

FOLDER = Path(__file__).parent.parent / "docs" / "screenshots"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
SETTLE_MS = 4_000


def take(page: Page, url: str, name: str) -> None:
    """Take pictures of the pages of the shop, then of the market. `name` ends the files' names."""

    def shoot(what: str) -> None:
        page.wait_for_timeout(SETTLE_MS)
        page.screenshot(path=FOLDER / f"{what}-{name}.png")

    page.goto(url)
    page.locator(".line").first.wait_for()
    shoot("board")
    product_id = page.locator(".line .product .dim").nth(2).inner_text().split(" ")[0]
    page.goto(f"{url}/product/{product_id}")
    shoot("product")
    page.get_by_role("button", name="Set the price…").click()
    page.get_by_role("dialog").get_by_label("New price").fill("3.49")
    page.get_by_role("dialog").get_by_label("Reason").fill("trade fair")
    shoot("override")
    page.get_by_role("dialog").get_by_role("button", name="Set the price").click()
    page.get_by_role("dialog").wait_for(state="detached")
    page.goto(f"{url}/interventions")
    shoot("interventions")
    page.goto(f"{url}/system")
    shoot("system")
    take_market(page, shoot)


def take_market(page: Page, shoot: Callable[[str], None]) -> None:
    """Take pictures of the symbols, a chart and the alerts. A page of the dashboard is open."""
    page.get_by_role("link", name="Market").locator("visible=true").click()
    page.locator(".line").first.wait_for()
    shoot("market")
    page.get_by_label("Search symbols").fill("BTC")
    page.locator(".line .name").first.click()
    page.locator("canvas").first.wait_for()
    shoot("symbol")
    page.get_by_role("link", name="Alerts").locator("visible=true").click()
    shoot("alerts")


def pictures(browser: Browser, url: str, key: str) -> None:
    """Take the pictures in light colours, in dark colours, and on a phone."""
    looks = (
        ("light", {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}}),
        ("dark", {"color_scheme": "dark", "viewport": {"width": 1280, "height": 800}}),
        ("phone", {"is_mobile": True, "has_touch": True, "viewport": {"width": 390, "height": 844}}),
    )
    for name, look in looks:
        context = browser.new_context(locale="en-GB", **look)
        page = context.new_page()
        page.add_init_script(f"sessionStorage.setItem('pricewax.key', {key!r})")
        take(page, url, name)
        context.close()


def main() -> int:
    """Take all pictures; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make screenshots", description=__doc__.split(": ")[1])
    parser.add_argument("--url", default="http://localhost:8080")
    parser.add_argument("--key", required=True, help="the demo's admin key")
    options = parser.parse_args()
    if not options.key:
        parser.error("KEY takes the admin key that `make demo` has printed: make screenshots KEY=...")
    if CHROMIUM is None:
        print("screenshots: no Chromium is installed", file=sys.stderr)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        pictures(browser, options.url, options.key)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
