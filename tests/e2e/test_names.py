"""Names, categories and reasons in many scripts, from the topic to Redis, SQL and REST, in both Unicode forms."""

import unicodedata
from urllib.parse import quote

from playwright.sync_api import expect, sync_playwright

from api.dashboard import BUILT
from tests.support.browser import CHROMIUM
from tests.support.names import NAMES
from tests.support.pipeline import KEY, Pipeline, wait_for

ADMIN = {"X-API-Key": KEY}


def decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def look_at_the_board(url: str) -> None:
    """Find products by their names and categories, typed in other forms, in a browser."""
    expect.set_options(timeout=15_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(locale="en-GB")
        shown = page.locator(".line .name")
        for script, typed in (
            ("german", decomposed("kaffeebohnen größe")),
            ("persian", "میخواهم"),
            ("korean", decomposed("녹차")),
            ("japanese", "ﾃｨｰﾊﾞｯｸﾞ ガラス"),
        ):
            page.goto(f"{url}/?q={quote(typed)}")
            expect(shown).to_have_count(2)
            assert shown.all_text_contents() == [NAMES[script]] * 2
        for script in ("french", "hindi", "emoji"):
            page.goto(f"{url}/?category={quote(decomposed(NAMES[script]))}")
            expect(shown).to_have_count(2)
            assert shown.all_text_contents() == [NAMES[script]] * 2
        # A text from right to left turns nothing outside of it.
        page.goto(f"{url}/product/hebrew")
        expect(page.locator("h1 bdi")).to_have_text(NAMES["hebrew"])
        assert page.locator("h1 bdi").evaluate("each => getComputedStyle(each).unicodeBidi") == "isolate"
        browser.close()


def test_names_of_many_scripts_arrive_and_are_found_in_either_form(pipeline: Pipeline) -> None:
    pipeline.start_api()
    pipeline.start_flow()
    for script, name in NAMES.items():
        # The category comes in one form with one product, in the other form with another one.
        for product_id, form in ((script, name), (f"{script}-2", decomposed(name))):
            entry = {"product_id": product_id, "name": form, "category": form, "base_price": 10}
            pipeline.send("product-catalogue", product_id, entry)
    pipeline.flush()
    wait_for(lambda: len(pipeline.redis.keys("product:*")) == 2 * len(NAMES), what=pipeline.output)
    wait_for(pipeline.api_ready)
    assert pipeline.http.get("/categories").json()["categories"] == sorted(NAMES.values())
    for script, name in NAMES.items():
        shown = pipeline.http.get("/products", params={"ids": f"{script},{script}-2"}).json()["products"]
        assert [each["name"] for each in shown] == [name, name]
        for form in (name, decomposed(name)):
            found = pipeline.http.get("/prices", params={"category": form}).json()["prices"]
            assert [each["product_id"] for each in found] == [script, f"{script}-2"], form
    for script, name in NAMES.items():
        body = {"product_id": script, "override_price": 12, "reason": decomposed(name)}
        assert pipeline.http.post("/override", json=body, headers=ADMIN).json()["reason"] == name
        body = {"scope": f"category:{decomposed(name)}", "reason": name}
        assert pipeline.http.post("/freeze", json=body, headers=ADMIN).json()["scope"] == f"category:{name}"
    wait_for(lambda: len(pipeline.http.get("/freezes").json()["freezes"]) == len(NAMES))
    wait_for(lambda: len(pipeline.overrides()) == len(NAMES))
    assert {reason for (reason,) in pipeline.overrides("reason")} == set(NAMES.values())
    for name in NAMES.values():
        lifted = pipeline.http.delete(f"/freeze/category:{quote(decomposed(name))}", headers=ADMIN)
        assert lifted.json() == {"scope": f"category:{name}", "lifted": True}
    wait_for(lambda: not pipeline.http.get("/freezes").json()["freezes"])
    assert pipeline.read("dead-letters") == []
    if CHROMIUM and BUILT.is_dir():
        look_at_the_board(pipeline.url)
    for path in ("/freeze/category:a%0A", "/freeze/category:a%E2%80%A8b"):
        assert pipeline.http.delete(path, headers=ADMIN).status_code == 400
    pipeline.stop_flow()
    pipeline.stop_api()
