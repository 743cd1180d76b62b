"""The API among balancers, proxies and other programs: HEAD, idle connections, path prefixes, HTTP_PROXY, and a
flow with another policy."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from api.dashboard import BUILT
from api.web.http_protocol import IDLE_CONNECTIONS_MAX
from tests.support.browser import CHROMIUM
from tests.support.pipeline import KEY, Pipeline, wait_for
from tests.support.prefix_proxy import PrefixProxy

HEADER = "X-Shop-Key"
ADMIN = {HEADER: KEY}
POLICY = 'currency = "EUR"\n[guardrails]\nfloor = 2\n'
UVICORNS_KEEP_ALIVE_S = 5.0


@pytest.fixture
def running(pipeline: Pipeline, tmp_path: Path) -> Iterator[Pipeline]:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY, encoding="utf-8")
    # Nothing listens there, so a request by way of it fails.
    nowhere = "http://127.0.0.1:1"
    pipeline.start_api(API_KEY_HEADER=HEADER, ROOT_PATH="/pricing", HTTP_PROXY=nowhere, http_proxy=nowhere)
    pipeline.start_flow(POLICY=str(policy))
    wait_for(pipeline.api_ready)
    pipeline.event("A", 10.0)
    pipeline.flush()
    pipeline.wait_for_version("A", 1)
    yield pipeline
    pipeline.stop_flow()
    pipeline.stop_api()


def test_the_api_fits_in_with_what_is_around_it(running: Pipeline) -> None:
    idle_since = time.monotonic()
    idle = ask(running)
    the_flows_policy_is_shown(running)
    every_get_is_a_head(running)
    each_process_has_its_own_metrics(running)
    paths_may_have_the_prefix(running)
    if CHROMIUM is not None and BUILT.is_dir():
        the_dashboard_works_under_a_prefix(running)
    time.sleep(max(0.0, idle_since + UVICORNS_KEEP_ALIVE_S + 1.0 - time.monotonic()))
    assert b"200 OK" in ask_again(idle)
    the_number_of_idle_connections_is_bounded(running, idle)


def ask(running: Pipeline) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", int(running.url.rsplit(":", 1)[1])), timeout=20)
    assert b"200 OK" in ask_again(line)
    return line


def ask_again(line: socket.socket) -> bytes:
    line.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    received = b""
    while not received.endswith(b"}"):
        data = line.recv(65_536)
        assert data, "the connection was closed"
        received += data
    return received


def the_flows_policy_is_shown(running: Pipeline) -> None:
    status = wait_for(
        lambda: (found := running.http.get("/status").json())["policy"]["reported_by"] == "flow" and found,
        what="the flow's metrics are read in spite of HTTP_PROXY",
    )
    assert status["dependencies"]["flow"] == "up"
    explained = running.http.get("/price/A/explain").json()
    assert (status["policy"]["version"], status["policy"]["currency"]) == (explained["policy"], "EUR")
    assert status["policy"]["guardrails"]["floor"] == 2
    codes = {alert["code"] for alert in status["alerts"]}
    assert {"api_policy_differs", "api_currency_differs"} <= codes
    body = {"changes": [{"product_id": "A", "override_price": 1}], "dry_run": True}
    (preview,) = running.http.post("/overrides", json=body, headers=ADMIN).json()["results"]
    assert preview["new_price"] == 2


def every_get_is_a_head(running: Pipeline) -> None:
    described = running.http.get("/openapi.json").json()["paths"]
    paths = [path for path, operations in described.items() if "get" in operations]
    assert {"/health", "/ready", "/metrics", "/price/{product_id}"} <= set(paths)
    for path in [*(path.replace("{product_id}", "A") for path in paths), "/", "/system", "/docs", "/openapi.json"]:
        headers = {**ADMIN, "Accept-Encoding": "identity"}
        got, head = (running.http.request(method, path, headers=headers) for method in ("GET", "HEAD"))
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert head.headers["content-type"] == got.headers["content-type"], path
    assert running.http.head("/overrides").status_code == 401
    assert running.http.head("/override").status_code == 401
    assert running.http.request("HEAD", "/override", headers=ADMIN).status_code == 405


def each_process_has_its_own_metrics(running: Pipeline) -> None:
    of_api = running.http.get("/metrics").text
    of_flow = httpx.get(f"http://{running.environment['FLOW_METRICS']}/metrics").text
    assert "pricewax_api_requests_total{" in of_api
    assert "pricewax_products" not in of_api
    assert "pricewax_products 1.0" in of_flow
    assert "pricewax_api_requests" not in of_flow


def paths_may_have_the_prefix(running: Pipeline) -> None:
    price = running.http.get("/price/A").json()
    assert running.http.get("/pricing/price/A").json() == price
    assert running.http.get("/pricing").headers["location"] == "/pricing/"
    assert running.http.get("/pricingprice/A").status_code == 404
    assert running.http.get("/pricing/overrides").status_code == 401
    assert "url: 'openapi.json'" in running.http.get("/pricing/docs").text
    assert running.http.get("/openapi.json").json()["servers"] == [{"url": "/pricing"}]
    assert f'content="{HEADER}"' in running.http.get("/pricing/product/A").text


def the_dashboard_works_under_a_prefix(running: Pipeline) -> None:
    with (
        sync_playwright() as playwright,
        PrefixProxy(int(running.url.rsplit(":", 1)[1]), "/shop/prices") as proxy,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for root in (f"{running.url}/pricing", f"http://127.0.0.1:{proxy.port}/shop/prices"):
            context = browser.new_context(locale="en-GB", timezone_id="Asia/Kolkata")
            context.set_default_timeout(20_000)
            page = context.new_page()
            page.goto(f"{root}/product/A")
            set_a_price(page)
            # The address of another page of the dashboard, and a reload of it.
            page.get_by_role("link", name="System").first.click()
            page.wait_for_url(f"{root}/system")
            page.reload()
            expect(page.get_by_text("EUR", exact=True)).to_be_visible(timeout=20_000)
            context.close()
            running.http.delete("/override/A", headers=ADMIN)
        browser.close()


def set_a_price(page: Page) -> None:
    """Sign in, and set a price, of which the page learns over the WebSocket."""
    page.get_by_role("button", name="Set the price…").click()
    page.get_by_label("Key", exact=True).fill(KEY)
    page.get_by_role("button", name="Use this key").click()
    amount = page.get_by_label("New price")
    for unclear in ("1,299", "1.299"):
        amount.fill(unclear)
        expect(page.get_by_text("is not clear")).to_be_visible(timeout=20_000)
        expect(page.get_by_role("button", name="Set the price", exact=True)).to_be_disabled()
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/unclear.png")
    amount.fill("1,299.00")
    page.get_by_role("button", name="Set the price", exact=True).click()
    expect(page.locator("header.title")).to_contain_text("€1,299.00", timeout=20_000)
    if folder := os.environ.get("SHOTS"):
        page.wait_for_timeout(1500)
        page.screenshot(path=f"{folder}/product.png")
    page.get_by_role("button", name="Times are in").click()
    expect(page.get_by_text("Times: UTC.")).to_be_visible(timeout=20_000)


def the_number_of_idle_connections_is_bounded(running: Pipeline, oldest: socket.socket) -> None:
    with contextlib.ExitStack() as closing:
        closing.enter_context(oldest)
        lines = [closing.enter_context(ask(running)) for _ in range(IDLE_CONNECTIONS_MAX)]
        assert oldest.recv(1) == b""
        assert b"200 OK" in ask_again(lines[-1])
