"""The dashboard in a real Chromium on the real stack, used as an analyst uses it."""

import contextlib
import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from api.dashboard import BUILT
from stack import kafka
from stack.broker import EmbeddedBroker
from stack.postgres import PostgresServer
from stack.redis import RedisServer
from tests.support.browser import CHROMIUM
from tests.support.pipeline import KEY, ROOT, Pipeline, wait_for

AXE = ROOT / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
FIRST_LOAD_BYTES_MAX = 300 * 1024
POLICY = """
currency = "EUR"
[demand]
factor = 1
[guardrails]
floor = 2
max_step_percent = 50
"""
PRODUCTS = {
    "MUG-1": ("Blue mug", "kitchen", 8.0),
    "MUG-2": ("Red mug", "kitchen", 9.0),
    "CARD-1": ("Birthday card", "paper", 3.0),
    "LAMP-1": ("Desk lamp", "lights", 40.0),
}

pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium is installed: the dashboard was not tested in a browser"
    ),
    pytest.mark.skipif(not BUILT.is_dir(), reason="the dashboard is not built: run make setup"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=15_000)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-background-networking", "--disable-component-update"],
        )
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def shop(
    broker: kafka.KafkaServer | EmbeddedBroker, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """A running system with four products. All tests of this file share it, so each undoes its changes."""
    folder = tmp_path_factory.mktemp("shop")
    redis_server = RedisServer()
    redis_server.start()
    try:
        with contextlib.closing(Pipeline(broker.brokers, postgres, redis_server, folder)) as pipeline:
            policy = folder / "policy.toml"
            policy.write_text(POLICY, encoding="utf-8")
            pipeline.environment["POLICY"] = str(policy)
            pipeline.start_api()
            pipeline.start_flow()
            wait_for(pipeline.api_ready)
            # Events first: the entry of a product without an event would be a decision of today.
            for product_id, (_, _, price) in PRODUCTS.items():
                for number in range(5):
                    pipeline.event(product_id, price, "cart", timestamp=1_700_000_000 + number)
            pipeline.send("product-events", "MUG-1", b'{"event_type": "wish", "product_id": "MUG-1"}')
            pipeline.flush()
            for product_id in PRODUCTS:
                pipeline.wait_for_version(product_id, 5)
            pipeline.wait_for_history(20)
            for product_id, (name, category, price) in PRODUCTS.items():
                entry = {"product_id": product_id, "name": name, "category": category, "base_price": price}
                pipeline.send("product-catalogue", product_id, entry)
            pipeline.flush()
            names = [f"product:{product_id}" for product_id in PRODUCTS]
            wait_for(lambda: pipeline.redis.exists(*names) == len(names), what="the catalogue")
            yield pipeline
            pipeline.stop_flow()
            pipeline.stop_api()
    finally:
        redis_server.stop()


@pytest.fixture
def errors() -> list[str]:
    return []


Tab = Callable[..., Page]


@pytest.fixture
def tab(shop: Pipeline, browser: Browser, errors: list[str]) -> Iterator[Tab]:
    """Open pages in a context of their own, with the key unless `key` says otherwise. The test fails if a page logs
    an error."""
    contexts = []

    def new(path: str = "/", *, key: str | None = KEY, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": 1360, "height": 850}, locale="en-GB", **options)
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        if key is not None:
            page.add_init_script(
                f"sessionStorage.getItem('pricewax.key') ?? sessionStorage.setItem('pricewax.key', '{key}')"
            )
        page.goto(shop.url + path)
        return page

    yield new
    for context in contexts:
        context.close()
    assert errors == []


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has_text=name)


def names(page: Page) -> list[str]:
    return page.locator(".line .name").all_inner_texts()


def price_of(shop: Pipeline, product_id: str) -> dict[str, Any]:
    found: dict[str, Any] = shop.http.get(f"/price/{product_id}").json()
    return found


def remove_all(shop: Pipeline) -> None:
    admin = {"X-API-Key": KEY}
    for override in shop.http.get("/overrides", headers=admin).json()["overrides"]:
        shop.http.delete(f"/override/{override['product_id']}", headers=admin)
    for freeze in shop.http.get("/freezes").json()["freezes"]:
        shop.http.delete(f"/freeze/{freeze['scope']}", headers=admin)
    wait_for(lambda: not shop.http.get("/overrides", headers=admin).json()["overrides"])
    wait_for(lambda: not shop.http.get("/freezes").json()["freezes"])


@pytest.fixture(autouse=True)
def _as_before(shop: Pipeline) -> Iterator[None]:
    yield
    remove_all(shop)


def test_the_board_is_live(shop: Pipeline, tab: Tab) -> None:
    page = tab()
    expect(row(page, "Blue mug")).to_contain_text("€11.87")
    expect(page.locator(".badge")).to_have_text("Live")
    shop.event("MUG-1", 10.0, "purchase")
    shop.flush()
    expect(row(page, "Blue mug").locator(".amount")).to_contain_text("▲")
    expect(row(page, "Blue mug")).to_contain_text("€14.47")
    expect(row(page, "Blue mug").locator(".change")).to_contain_text("+")


def test_what_the_board_shows_is_in_the_address(tab: Tab) -> None:
    page = tab()
    expect(page.locator(".line")).to_have_count(4)
    page.keyboard.press("/")
    page.keyboard.type("mug")
    expect(page.locator(".line")).to_have_count(2)
    page.get_by_role("button", name="Product", exact=False).first.click()
    expect(page).to_have_url(re.compile(r"q=mug.*sort=product\.asc"))
    wait_for(lambda: names(page) == ["Blue mug", "Red mug"])
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("menuitemcheckbox", name="Demand").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("columnheader", name="Demand")).to_have_count(0)
    page.reload()
    wait_for(lambda: names(page) == ["Blue mug", "Red mug"])
    expect(page.get_by_role("columnheader", name="Demand")).to_have_count(0)
    page.get_by_label("Search products").fill("")
    page.get_by_label("Category").select_option("paper")
    wait_for(lambda: names(page) == ["Birthday card"])
    page.get_by_label("Search products").fill("nothing like it")
    expect(page.get_by_text("No product fits")).to_be_visible()
    page.get_by_role("button", name="Show all products").click()
    expect(page.locator(".line")).to_have_count(4)


def test_the_row_in_hand_stays_in_hand_as_rows_move(shop: Pipeline, tab: Tab) -> None:
    page = tab("/?sort=demand.desc")
    expect(page.locator(".line")).to_have_count(4)
    page.keyboard.press("j")
    mine = page.locator(".line.current .name").inner_text()
    other = "MUG-2" if mine != "Red mug" else "CARD-1"
    ahead = PRODUCTS[other][0]
    for _ in range(30):
        shop.event(other, PRODUCTS[other][2], "purchase")
    shop.flush()
    wait_for(lambda: names(page)[:1] == [ahead])
    expect(page.locator(".line.current .name")).to_have_text(mine)
    page.keyboard.press("o")
    expect(page.get_by_role("dialog")).to_contain_text(f"Set the price of {mine}")


def test_a_watchlist_is_saved_and_its_address_can_be_shared(tab: Tab) -> None:
    page = tab()
    page.get_by_label("Select Blue mug").check()
    page.get_by_label("Select Desk lamp").check()
    page.get_by_role("button", name="Watchlists").click()
    page.get_by_role("menuitem", name="Save the selected rows").click()
    page.get_by_label("Name of the watchlist").fill("mine")
    page.keyboard.press("Enter")
    expect(page.locator(".line")).to_have_count(2)
    other = tab(page.url.removeprefix(page.url.split("/?")[0]))
    expect(other.locator(".line")).to_have_count(2)
    expect(other.get_by_role("button", name="mine")).to_be_visible()
    page.reload()
    expect(page.locator(".line")).to_have_count(2)


def test_a_product_explains_its_price(shop: Pipeline, tab: Tab, tmp_path: Path) -> None:
    page = tab("/?sort=product.asc")
    expect(page.locator(".line")).to_have_count(4)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/product/CARD-1"))
    expect(page.get_by_role("heading", name="Birthday card")).to_be_visible()
    amounts = page.locator(".card", has_text="Why this price").locator(".waterfall tbody tr td.numbers")
    expect(amounts.first).to_be_visible()
    shown = [float(text.replace("€", "").replace("+", "")) for text in amounts.all_inner_texts()]
    assert shown[-1] == price_of(shop, "CARD-1")["price"]
    assert sum(shown[:-1]) == pytest.approx(shown[-1])
    expect(page.locator("canvas").first).to_be_visible()
    page.get_by_text("all", exact=True).click()
    expect(page).to_have_url(re.compile("range=all"))
    # The chart shows the hour before until the whole history has come.
    expect(page.locator(".chart-card")).to_contain_text(re.compile("([5-9]|\\d\\d) decisions"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))
    assert len(rows) >= 5
    assert float(rows[-1]["price"]) == shown[-1]
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as PNG").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    decisions = page.locator(".decisions details")
    expect(decisions.nth(4)).to_be_visible()
    decisions.nth(1).locator("summary").click()
    expect(decisions.nth(1).locator(".waterfall")).to_be_visible()
    page.get_by_text("Raw decision").click()
    expect(page.locator("pre")).to_contain_text('"adjustments"')
    page.keyboard.press("Escape")
    expect(page.locator(".line")).to_have_count(4)


def test_an_unknown_product_and_an_unknown_page(tab: Tab) -> None:
    expect(tab("/product/nobody").get_by_text("Nobody knows this product")).to_be_visible()
    page = tab()
    page.evaluate("history.pushState({}, '', '/nowhere'); dispatchEvent(new PopStateEvent('popstate'))")
    expect(page.get_by_text("There is no such page")).to_be_visible()


def test_an_override_is_previewed_set_and_undone(shop: Pipeline, tab: Tab) -> None:
    page = tab("/?q=lamp")
    expect(page.locator(".line")).to_have_count(1)
    before = price_of(shop, "LAMP-1")["price"]
    page.keyboard.press("j")
    page.keyboard.press("o")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("New price").fill("1")
    expect(dialog.locator(".preview")).to_contain_text("the floor of 2.00 will apply instead of 1.00")
    dialog.get_by_label("New price").fill("120")
    expect(dialog.locator(".preview")).to_contain_text("more than the largest step of 50 %")
    dialog.get_by_label("New price").fill("45.5")
    expect(dialog.locator(".preview")).to_contain_text(f"€{before:.2f} → €45.50")
    dialog.get_by_label("Reason").fill("trade fair")
    dialog.get_by_label("In force").select_option("1h")
    dialog.get_by_role("button", name="Set the price").click()
    expect(row(page, "Desk lamp")).to_contain_text("€45.50")
    expect(row(page, "Desk lamp")).to_contain_text("override")
    page.get_by_role("button", name="Undo").click()
    expect(row(page, "Desk lamp")).to_contain_text(f"€{before:.2f}")
    expect(row(page, "Desk lamp")).to_contain_text("dynamic")


def test_overrides_are_listed_with_a_countdown_removed_undone_and_audited(shop: Pipeline, tab: Tab) -> None:
    page = tab("/?sort=product.asc")
    page.get_by_label("Select Blue mug").check()
    page.get_by_label("Select Red mug").check()
    page.get_by_role("button", name="Set prices…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Change in per cent").fill("-10")
    dialog.get_by_label("In force").select_option("4h")
    expect(dialog.locator(".preview li")).to_have_count(2)
    dialog.get_by_role("button", name="Set 2 prices").click()
    expect(dialog).to_be_hidden()
    page.goto(shop.url + "/interventions")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text(re.compile(r"in 3 hours 59 minutes"))
    page.get_by_label("Select all").check()
    page.get_by_role("button", name="Remove selected (2)").click()
    expect(page.get_by_text("No override is in force")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(rows).to_have_count(2)
    page.get_by_role("tab", name="Audit trail").click()
    expect(page.locator("tbody tr")).not_to_have_count(0)
    page.get_by_label("Only this product").fill("MUG-2")
    expect(page.locator("tbody tr").first).to_contain_text("MUG-2")
    expect(page.locator("tbody tr").first).to_contain_text("in force")


def test_a_csv_is_previewed_by_line_and_the_good_lines_are_set(shop: Pipeline, tab: Tab, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    lines = ["product_id,override_price,reason", "MUG-1,9.99,campaign", "gone,5,", "CARD-1,cheap,", "LAMP-1,1,"]
    file.write_text("\n".join(lines), encoding="utf-8")
    page = tab()
    page.get_by_role("button", name="CSV").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("input[type=file]").set_input_files(file)
    rows = dialog.locator("tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.nth(0)).to_contain_text("→ €9.99")
    expect(rows.nth(1)).to_contain_text("no such product")
    expect(rows.nth(2)).to_contain_text("override_price: “cheap” is not a number")
    expect(rows.nth(3)).to_contain_text("the floor of 2.00 will apply")
    dialog.get_by_role("button", name="Set the 2 good lines").click()
    expect(rows.nth(0)).to_contain_text("set:")
    expect(dialog.get_by_role("status")).to_have_text("2 set, 2 not set.")
    expect(dialog.get_by_role("button", name="again")).to_have_count(0)
    dialog.get_by_role("button", name="Done").click()
    wait_for(lambda: price_of(shop, "MUG-1")["price"] == 9.99)
    wait_for(lambda: price_of(shop, "LAMP-1")["price"] == 2)


def test_of_two_tabs_the_second_is_told_of_the_first(shop: Pipeline, tab: Tab) -> None:
    first, second = tab("/product/LAMP-1"), tab("/product/LAMP-1")
    for page, price in ((first, "44"), (second, "46")):
        with page.expect_response("**/overrides"):
            page.get_by_role("button", name="Set the price…").click()
        page.get_by_role("dialog").get_by_label("New price").fill(price)
    first.get_by_role("dialog").get_by_role("button", name="Set the price").click()
    expect(first.locator(".headline")).to_contain_text("€44.00")
    expect(second.locator(".headline")).to_contain_text("€44.00")
    second.get_by_role("dialog").get_by_role("button", name="Set the price").click()
    expect(second.get_by_role("dialog").get_by_role("alert")).to_contain_text("somebody else has set an override")
    assert price_of(shop, "LAMP-1")["price"] == 44
    second.get_by_role("button", name="Set it all the same").click()
    expect(first.locator(".headline")).to_contain_text("€46.00")


def test_the_stop_button_takes_two_steps_is_shown_everywhere_and_lifted(shop: Pipeline, tab: Tab) -> None:
    page, other = tab("/product/MUG-1"), tab("/system")
    page.get_by_role("button", name="Stop").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What").select_option("category:kitchen")
    dialog.get_by_label("Reason").fill("prices run wild")
    dialog.get_by_role("button", name="Freeze…").click()
    confirm = page.get_by_role("alertdialog")
    expect(confirm).to_contain_text("2 prices hold")
    assert shop.http.get("/freezes").json()["freezes"] == []
    confirm.get_by_role("button", name="Freeze now").click()
    for each in (page, other):
        expect(each.get_by_label("Freezes in force")).to_contain_text("prices run wild")
    expect(page.locator(".headline")).to_contain_text("frozen")
    before = price_of(shop, "MUG-1")["price"]
    version = int(shop.redis.hget("price:MUG-1", "version"))  # type: ignore[arg-type]
    shop.event("MUG-1", before + 5)
    shop.flush()
    shop.wait_for_version("MUG-1", version + 1)
    assert price_of(shop, "MUG-1")["price"] == before
    other.get_by_label("Freezes in force").get_by_role("button", name="Lift").click()
    expect(page.get_by_label("Freezes in force")).to_have_count(0)
    wait_for(lambda: price_of(shop, "MUG-1")["price"] > before)
    page.goto(shop.url + "/interventions?tab=freezes")
    expect(page.get_by_text("Nothing is frozen")).to_be_visible()
    expect(page.locator(".list li").first).to_contain_text("prices run wild")


def test_a_link_with_the_key_signs_in_and_the_key_leaves_the_address(shop: Pipeline, tab: Tab) -> None:
    page = tab("/system", key=None)
    expect(page.get_by_role("button", name="Read-only")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{shop.url}/product/MUG-1?range=all#key={KEY}")
    expect(page.get_by_text(re.compile(r"\d+ decisions"))).to_be_visible()
    assert page.url == f"{shop.url}/product/MUG-1?range=all"
    assert asked
    assert not [url for url in asked if KEY in url]
    page.get_by_role("button", name="Lock").click()
    expect(page.get_by_role("button", name="Read-only")).to_be_visible()
    # In a tab that shows the dashboard already, such a link loads no page.
    page.evaluate(f"location.hash = 'key={KEY}'")
    expect(page.get_by_role("button", name="Lock")).to_be_visible()
    assert "key" not in page.url


def test_reading_needs_no_key_and_changing_asks_for_it(tab: Tab) -> None:
    page = tab("/product/MUG-1", key=None)
    expect(page.get_by_text("Why this price")).to_be_visible()
    expect(page.get_by_text("Live prices since this page was opened")).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()
    expect(page.get_by_text("History can be seen with the admin key")).to_be_visible()
    page.get_by_role("button", name="Set the price…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Key").fill("not-the-key")
    dialog.get_by_role("button", name="Use this key").click()
    expect(dialog.get_by_role("alert")).to_have_text("This is not the admin key.")
    dialog.get_by_label("Key").fill(KEY)
    dialog.get_by_role("button", name="Use this key").click()
    expect(page.get_by_role("dialog").get_by_label("New price")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("canvas").first).to_be_visible()
    assert KEY not in page.url
    assert KEY not in page.evaluate("JSON.stringify(localStorage) + document.cookie")
    page.evaluate("sessionStorage.setItem('pricewax.key', 'was-changed')")
    page.get_by_role("button", name="Set the price…").click()
    page.get_by_role("dialog").get_by_label("New price").fill("9")
    expect(page.get_by_role("alert")).to_contain_text("does not take your key any more")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Key expired").click()
    expect(page.get_by_role("dialog")).to_contain_text("does not take your key any more")
    page.get_by_role("button", name="Stay read-only").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_cut_is_shown_and_mended_with_nothing_missed(shop: Pipeline, tab: Tab) -> None:
    page = tab("/?q=red")
    expect(page.locator(".badge")).to_have_text("Live")
    assert shop.api is not None
    port = int(shop.url.rsplit(":", 1)[1])
    shop.stop_api()
    expect(page.locator(".badge")).to_contain_text("Cut: again in")
    expect(page.get_by_role("alert")).to_contain_text("The API has not answered", timeout=20_000)
    version = int(shop.redis.hget("price:MUG-2", "version"))  # type: ignore[arg-type]
    shop.event("MUG-2", 12.0)
    shop.flush()
    price = shop.wait_for_version("MUG-2", version + 1)["price"]
    shop.start_api(port)
    wait_for(shop.api_ready)
    retry = page.get_by_role("button", name="Retry now")
    if retry.count():
        with contextlib.suppress(Exception):
            retry.click(timeout=1000)
    expect(page.locator(".badge")).to_have_text("Live")
    expect(row(page, "Red mug")).to_contain_text(f"€{price}")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_pause_holds_the_page_and_resuming_catches_up(shop: Pipeline, tab: Tab) -> None:
    page = tab("/?q=card")
    before = row(page, "Birthday card").locator(".amount").inner_text()
    page.keyboard.press("p")
    expect(page.locator(".badge")).to_contain_text("Paused")
    expect(page.get_by_role("alert")).to_contain_text("paused")
    version = int(shop.redis.hget("price:CARD-1", "version"))  # type: ignore[arg-type]
    shop.event("CARD-1", 3.5)
    shop.flush()
    price = shop.wait_for_version("CARD-1", version + 1)["price"]
    assert row(page, "Birthday card").locator(".amount").inner_text() == before
    page.get_by_role("button", name="Resume live updates").click()
    expect(row(page, "Birthday card")).to_contain_text(f"€{price}")


def test_a_service_that_is_down_is_on_every_page_with_what_still_works(shop: Pipeline, tab: Tab) -> None:
    page = tab("/system")
    expect(page.locator(".tile.up")).to_have_count(4)
    shop.stop_flow()
    expect(page.get_by_role("alert")).to_contain_text("The pricing flow does not answer")
    page.get_by_role("link", name="Board").first.click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing that arrives meanwhile is lost")
    shop.start_flow()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_dead_letter_is_inspected_mended_and_sent_again(shop: Pipeline, tab: Tab) -> None:
    page = tab("/system")
    letters = page.get_by_role("region", name="Dead letters").last
    expect(letters).to_contain_text("missing")
    version = int(shop.redis.hget("price:MUG-1", "version"))  # type: ignore[arg-type]
    letters.get_by_role("button", name=re.compile("Inspect")).first.click()
    dialog = page.get_by_role("dialog")
    mended = '{"event_type": "view", "product_id": "MUG-1", "timestamp": 1700000100, "price": 8}'
    dialog.get_by_role("textbox").fill(mended)
    dialog.get_by_role("button", name="Send the changed message").click()
    expect(dialog).to_be_hidden()
    shop.wait_for_version("MUG-1", version + 1)
    expect(letters).to_contain_text("Sent again")


def test_everything_is_within_reach_of_the_keyboard(tab: Tab) -> None:
    page = tab()
    expect(page.locator(".line")).to_have_count(4)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Move through the board")
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.keyboard.press("d")
    expect(page.locator("html")).to_have_attribute("data-density", "compact")
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect(page.get_by_role("heading", name="System")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("i")
    expect(page.get_by_role("heading", name="Interventions")).to_be_visible()
    page.keyboard.press("f")
    expect(page.get_by_role("dialog")).to_contain_text("Stop prices from moving")


def test_a_phone_has_cards_and_a_bottom_bar(tab: Tab) -> None:
    page = tab(is_mobile=True, has_touch=True)
    page.set_viewport_size({"width": 390, "height": 844})
    bar = page.get_by_role("navigation", name="Pages of the phone layout")
    expect(bar).to_be_visible()
    expect(page.locator(".head")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(".line").first.tap()
    expect(page.get_by_text("Why this price")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    bar.get_by_role("link", name="System").tap()
    expect(page.get_by_role("heading", name="System")).to_be_visible()


def test_motion_is_reduced_where_a_person_wants_that(shop: Pipeline, tab: Tab) -> None:
    page = tab(reduced_motion="reduce")
    expect(page.locator(".line")).to_have_count(4)
    shop.event("LAMP-1", 41.0, "purchase")
    shop.flush()
    expect(row(page, "Desk lamp").locator(".amount")).to_contain_text("▲")
    assert row(page, "Desk lamp").locator(".amount").evaluate("e => getComputedStyle(e).animationName") == "none"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_problem_of_accessibility(tab: Tab, scheme: str) -> None:
    page = tab(color_scheme=scheme)

    def check(what: str) -> None:
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        serious = [
            (violation["id"], [node["html"][:120] for node in violation["nodes"][:3]])
            for violation in found["violations"]
            if violation["impact"] in ("serious", "critical")
        ]
        assert serious == [], what

    expect(page.locator(".line")).to_have_count(4)
    check("board")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    check("help")
    page.keyboard.press("Escape")
    page.goto(page.url.split("/?")[0].rstrip("/") + "/product/MUG-1")
    expect(page.locator("canvas").first).to_be_visible()
    check("product")
    page.get_by_role("button", name="Set the price…").click()
    page.get_by_role("dialog").get_by_label("New price").fill("9")
    expect(page.locator(".preview")).to_be_visible()
    check("override")
    page.keyboard.press("Escape")
    for name, heading in (("Interventions", "Interventions"), ("System", "System")):
        page.get_by_role("link", name=name).first.click()
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        check(name)


def test_the_first_load_is_small(tab: Tab) -> None:
    page = tab("/system")
    expect(page.get_by_role("heading", name="System")).to_be_visible()
    page.goto(page.url.replace("/system", "/"))
    expect(page.locator(".line")).to_have_count(4)
    sizes = page.evaluate(
        "performance.getEntriesByType('resource').filter(e => e.name.includes('/assets/'))"
        ".map(e => e.encodedBodySize)"
    )
    assert 0 < sum(sizes) < FIRST_LOAD_BYTES_MAX


def test_a_first_run_says_how_to_send_an_event(
    broker: kafka.KafkaServer | EmbeddedBroker,
    postgres: PostgresServer,
    redis_server: RedisServer,
    tmp_path: Path,
    browser: Browser,
) -> None:
    with contextlib.closing(Pipeline(broker.brokers, postgres, redis_server, tmp_path)) as empty:
        empty.start_api()
        wait_for(empty.api_ready)
        page = browser.new_page()
        page.goto(empty.url)
        expect(page.get_by_text("No event has arrived yet")).to_be_visible()
        page.close()
        empty.stop_api()
