"""Actions of people: many overrides at once, freezes, audit trails, and messages that are sent again."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import websockets

from tests.support.pipeline import KEY, ROOT, Pipeline, wait_for

ADMIN = {"X-API-Key": KEY}
POLICY = "[guardrails]\nfloor = 2\nmax_step_percent = 50\n"


@pytest.fixture
def running(pipeline: Pipeline, tmp_path: Any) -> Iterator[Pipeline]:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY, encoding="utf-8")
    pipeline.start_api(POLICY=str(policy))
    pipeline.start_flow(POLICY=str(policy))
    wait_for(pipeline.api_ready)
    # Events first: the entry of a product without an event would count a version.
    for product_id in "ABC":
        pipeline.event(product_id, 10.0)
    pipeline.flush()
    for product_id in "ABC":
        pipeline.wait_for_version(product_id, 1)
    for product_id, category in (("A", "toys"), ("B", "toys"), ("C", "cards")):
        entry = {"product_id": product_id, "name": f"Name {product_id}", "category": category, "base_price": 10}
        pipeline.send("product-catalogue", product_id, entry)
    pipeline.flush()
    wait_for(lambda: pipeline.redis.exists("product:A", "product:B", "product:C") == 3, what="the catalogue")
    yield pipeline
    pipeline.stop_flow()
    pipeline.stop_api()


def post(pipeline: Pipeline, path: str, body: Any, status: int = 200) -> Any:
    answer = pipeline.http.post(path, json=body, headers=ADMIN)
    assert answer.status_code == status, answer.text
    return answer.json()


def get(pipeline: Pipeline, path: str, **params: Any) -> Any:
    answer = pipeline.http.get(path, params=params, headers=ADMIN)
    assert answer.status_code == 200, answer.text
    return answer.json()


def price(pipeline: Pipeline, product_id: str) -> float:
    return float(pipeline.http.get(f"/price/{product_id}").json()["price"])


def test_many_overrides_at_once_each_line_on_its_own(running: Pipeline) -> None:
    changes = [
        {"product_id": "A", "override_price": 12.5, "reason": "campaign"},
        {"product_id": "B", "change_percent": -10},
        {"product_id": "C", "override_price": 1.0},
        {"product_id": "gone", "override_price": 5},
        {"product_id": "A b", "override_price": 5},
        {"product_id": "C"},
        {"product_id": "C", "override_price": -1},
        {"product_id": "C", "override_price": 5, "color": "red"},
        "nonsense",
    ]
    before = len(running.read("price-overrides"))
    preview = post(running, "/overrides", {"changes": changes, "dry_run": True})["results"]
    assert [line["status"] for line in preview] == ["would be set"] * 3 + ["refused"] * 6
    assert len(running.read("price-overrides")) == before
    assert (preview[0]["old_price"], preview[0]["new_price"], preview[0]["change_percent"]) == (15.0, 12.5, -16.67)
    assert preview[1]["override_price"] == 13.5
    assert preview[2]["new_price"] == 2.0
    assert "floor" in preview[2]["warnings"][0]
    assert [line.get("error") for line in preview[3:5]] == [
        "no such product",
        "product_id takes 1 to 64 letters, digits, dots, colons, hyphens and underscores",
    ]
    assert "either" in preview[5]["error"]
    done = post(running, "/overrides", {"changes": changes})["results"]
    assert [line["status"] for line in done] == ["upserted"] * 3 + ["refused"] * 6
    wait_for(lambda: [price(running, name) for name in "ABC"] == [12.5, 13.5, 2.0])
    assert [each["product_id"] for each in get(running, "/overrides")["overrides"]] == ["A", "B", "C"]
    removed = post(running, "/overrides/remove", {"product_ids": ["A", "C", "gone"]})["results"]
    assert [line["deleted"] for line in removed] == [True, True, False]
    wait_for(lambda: [price(running, name) for name in "ABC"] == [15.0, 13.5, 15.0])


def test_a_body_that_is_no_list_of_changes_is_400(running: Pipeline) -> None:
    bodies: list[Any] = [
        {},
        {"changes": []},
        {"changes": [{}] * 201},
        {"changes": {}},
        {"changes": [{}], "dry_run": "yes"},
        [],
        "x",
    ]
    for body in bodies:
        assert "error" in post(running, "/overrides", body, 400)


def test_of_two_who_set_the_same_price_the_second_is_told(running: Pipeline) -> None:
    def change(price: float, expected: str | None) -> dict[str, Any]:
        return {"product_id": "A", "override_price": price, "expected_set_at": expected}

    first = post(running, "/overrides", {"changes": [change(11, None)]})["results"][0]
    assert first["status"] == "upserted"
    second = post(running, "/overrides", {"changes": [change(12, None)]})["results"][0]
    assert second["status"] == "conflict"
    active = wait_for(lambda: get(running, "/overrides")["overrides"])[0]
    third = post(running, "/overrides", {"changes": [change(13, active["set_at"])]})["results"][0]
    assert third["status"] == "upserted"
    wait_for(lambda: price(running, "A") == 13)


def test_the_audit_trail_has_every_override_with_its_end(running: Pipeline) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()
    for number in range(5):
        change = {"product_id": "A", "override_price": 20 + number, "reason": f"number {number}"}
        post(running, "/override", change)
    post(running, "/override", {"product_id": "B", "override_price": 9, "expires_at": soon})
    wait_for(lambda: len(running.overrides()) == 6)
    wait_for(lambda: [row for row in running.overrides("product_id, removed_time") if row[0] == "B" and row[1]])
    everything: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = get(running, "/overrides/audit", limit=2, **({"cursor": cursor} if cursor else {}))
        everything += page["overrides"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [row["override_price"] for row in everything] == [9, 24, 23, 22, 21, 20]
    assert [row["removed_at"] is None for row in everything] == [False, True, False, False, False, False]
    assert len(get(running, "/overrides/audit", product_id="A")["overrides"]) == 5
    for bad in ("x", "!!", "W10", "eyJhIjoxfQ"):
        answer = running.http.get("/overrides/audit", params={"cursor": bad}, headers=ADMIN)
        assert answer.status_code == 400, bad


def test_a_freeze_holds_prices_and_its_end_decides_them_anew(running: Pipeline) -> None:
    assert post(running, "/freeze", {"scope": "category:toys", "reason": "it runs wild"})["status"] == "frozen"
    (freeze,) = wait_for(lambda: running.http.get("/freezes").json()["freezes"])
    assert (freeze["scope"], freeze["reason"], freeze["set_by"]) == ("category:toys", "it runs wild", "admin")
    for product_id in "ABC":
        running.event(product_id, 14.0)
    running.flush()
    assert running.wait_for_version("A", 2)["price"] == "15.00"
    assert running.wait_for_version("C", 2)["price"] == "21.07"
    explanation = running.http.get("/price/A/explain").json()
    assert explanation["bound_by"] == "freeze"
    assert sum(part["amount"] for part in explanation["adjustments"]) == pytest.approx(15.0)
    assert running.http.get("/status").json()["freezes"] == [freeze]
    lifted = running.http.delete("/freeze/category:toys", headers=ADMIN)
    assert lifted.json() == {"scope": "category:toys", "lifted": True}
    running.wait_for_version("B", 3)
    wait_for(lambda: price(running, "A") == 21.07)
    assert running.http.delete("/freeze/category:toys", headers=ADMIN).status_code == 404
    assert running.http.get("/freezes").json() == {"freezes": []}
    running.wait_for_history(6)
    causes = [row for row in running.history("product_id, version, cause, price") if row[2] == "freeze_lifted"]
    assert [(row[0], row[1], float(row[3])) for row in causes] == [("A", 3, 21.07), ("B", 3, 21.07)]
    (past,) = wait_for(lambda: get(running, "/freezes/audit")["freezes"])
    assert past["scope"] == "category:toys"
    wait_for(lambda: get(running, "/freezes/audit")["freezes"][0]["lifted_at"])


def test_a_freeze_survives_a_crash_of_the_flow_and_a_loss_of_redis(running: Pipeline) -> None:
    post(running, "/freeze", {"scope": "all", "reason": "stop"})
    wait_for(lambda: running.http.get("/freezes").json()["freezes"])
    running.event("A", 14.0)
    running.flush()
    running.wait_for_version("A", 2)
    running.wait_for_commit("price-freezes")
    running.kill_flow()
    running.redis.flushall()
    running.start_flow()
    wait_for(lambda: running.http.get("/freezes").json()["freezes"])
    running.event("A", 30.0)
    running.flush()
    assert running.wait_for_version("A", 3)["price"] == "15.00"


def test_a_freeze_that_cannot_be(running: Pipeline) -> None:
    for body, status in (
        ({"scope": "all"}, 400),
        ({"scope": "everything", "reason": "r"}, 400),
        ({"scope": "all", "reason": " "}, 400),
        ({"scope": "all", "reason": "r", "more": 1}, 400),
        ({"scope": "product:gone", "reason": "r"}, 404),
        ({"scope": "category:gone", "reason": "r"}, 404),
    ):
        assert "error" in post(running, "/freeze", body, status)
    assert running.read("price-freezes") == []


def dead_letters(pipeline: Pipeline, code: int, *arguments: str) -> str:
    """Run the tool and return what it prints."""
    command = [sys.executable, "-m", "tools.dead_letters", *arguments]
    environment = {**os.environ, **pipeline.environment, "COLUMNS": "200"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


PROTECTED = [
    ("POST", "/overrides"),
    ("POST", "/overrides/remove"),
    ("GET", "/overrides/audit"),
    ("POST", "/freeze"),
    ("DELETE", "/freeze/all"),
    ("POST", "/freezes"),
    ("GET", "/freezes/audit"),
    ("GET", "/dead-letters"),
    ("POST", "/dead-letters/replay"),
    ("GET", "/history/A/chart"),
]


def test_what_changes_or_tells_secrets_needs_the_key(running: Pipeline) -> None:
    for method, path in PROTECTED:
        for headers in ({}, {"X-API-Key": "wrong"}, {"X-API-Key": KEY + "x"}, {"Authorization": KEY}):
            answer = running.http.request(method, path, headers=headers, json={})
            assert answer.status_code == 401, (method, path, headers)
        assert running.http.request(method, path, headers=ADMIN, json={}).status_code != 401


def test_status_tells_what_is_up_and_how_fast(running: Pipeline) -> None:
    wait_for(lambda: running.http.get("/status").json()["flow"])
    status = running.http.get("/status").json()
    assert status["dependencies"] == {"redis": "up", "kafka": "up", "history": "up", "flow": "up"}
    assert status["flow"]["products"] == 3
    assert status["flow"]["events"] >= 6
    assert set(status["flow"]["sinks"]) == {"price_updates", "redis", "history", "dead_letters"}
    assert status["policy"]["guardrails"]["floor"] == 2
    running.stop_flow()
    wait_for(lambda: running.http.get("/status").json()["dependencies"]["flow"] == "down")
    running.start_flow()


def test_the_board_has_every_product_with_its_name_and_follows(running: Pipeline) -> None:
    def rows() -> Any:
        page = running.http.get("/board").json()
        return page if len(page["rows"]) == 3 and all(row[1] for row in page["rows"]) else None

    page = wait_for(rows)
    by_id = {row[0]: row for row in page["rows"]}
    assert by_id["A"][1:6] == ["Name A", "toys", 15.0, 1.0, "dynamic"]
    running.event("B", 11.0)
    running.flush()
    changed = wait_for(
        lambda: [
            row for row in running.http.get("/board", params={"since": page["token"]}).json()["rows"] if row[6] == 2
        ]
    )
    assert [row[0] for row in changed] == ["B"]
    assert changed[0][9] == by_id["B"][9]
    assert running.http.get("/categories").json() == {"categories": ["cards", "toys"]}


def test_history_in_detail_and_as_a_chart(running: Pipeline) -> None:
    for number in range(40):
        running.event("A", 10.0, timestamp=1_700_000_000_000 + number * 1000)
    running.flush()
    running.wait_for_history(43)
    newest = get(running, "/history/A", limit=1, detail=True)["history"][0]
    assert (newest["version"], newest["cause"], newest["source"]["topic"]) == (
        41,
        "event",
        running.topics["product-events"],
    )
    assert sum(part["amount"] for part in newest["adjustments"]) == pytest.approx(newest["price"])
    assert newest["text"].startswith("The price is ")
    chart = get(running, "/history/A/chart", points=10)
    assert chart["prices"] == 41
    assert 5 <= len(chart["points"]) <= 10
    times = [point[0] for point in chart["points"]]
    assert times == sorted(times)
    assert chart["points"][-1][4] == 41
    assert len(get(running, "/history/A/chart", points=500)["points"]) == 40
    assert running.http.get("/history/gone/chart", headers=ADMIN).status_code == 404
    assert running.http.get("/history/A/chart", params={"points": 1}, headers=ADMIN).status_code == 400


def test_a_dead_letter_is_shown_and_sent_again(running: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    running.send("product-events", "A", b'{"event_type": "purchase", "product_id": "A"')
    running.event("A", -1.0, "cart")
    running.flush()
    letters = wait_for(
        lambda: (found := get(running, "/dead-letters")["dead_letters"]) and len(found) == 2 and found
    )
    assert {letter["error_code"] for letter in letters} == {"not_json", "bad_price"}
    broken = next(letter for letter in letters if letter["error_code"] == "not_json")
    assert broken["text"] == '{"event_type": "purchase", "product_id": "A"'
    assert not broken["replayed"]
    assert len(get(running, "/dead-letters", code="bad_price")["dead_letters"]) == 1
    mended = json.dumps({"event_type": "purchase", "product_id": "A", "timestamp": 1_700_000_000, "price": 10})
    answer = post(running, "/dead-letters/replay", {"source": broken["source"], "value": mended})
    assert answer == {"source": broken["source"], "replayed": True}
    assert float(running.wait_for_version("A", 2)["demand"]) == 6
    wait_for(lambda: any(letter["replayed"] for letter in get(running, "/dead-letters")["dead_letters"]))
    refused = post(running, "/dead-letters/replay", {"source": broken["source"]}, 400)
    assert "before" in refused["error"]
    unknown = {"topic": broken["source"]["topic"], "partition": 0, "offset": 999}
    post(running, "/dead-letters/replay", {"source": unknown}, 404)

    other = next(letter for letter in letters if letter["error_code"] == "bad_price")["source"]
    source = f"{other['topic']}:{other['partition']}:{other['offset']}"
    assert "not_json" in dead_letters(running, 0, "list")
    assert "price takes a number above 0" in dead_letters(running, 0, "show", source)
    # The unchanged message is still bad, so it becomes a dead letter again, at its new position.
    dead_letters(running, 0, "replay", source)
    assert "before" in dead_letters(running, 1, "replay", source)
    assert "topic:partition:offset" in dead_letters(running, 2, "show", "nonsense")
    wait_for(lambda: len(get(running, "/dead-letters")["dead_letters"]) == 3)


def test_a_client_chooses_products_by_message_and_resumes_by_version(running: Pipeline) -> None:
    async def scenario() -> None:
        url = running.url.replace("http", "ws") + "/ws/prices?subscribe=1"

        async def updates(connection: Any, count: int) -> list[tuple[str, int]]:
            found: list[tuple[str, int]] = []
            async with asyncio.timeout(20):
                while len(found) < count:
                    frame = json.loads(await connection.recv())
                    if frame["type"] == "price_update":
                        found.append((frame["product_id"], frame["version"]))
            return found

        async with websockets.connect(url) as connection:
            assert json.loads(await connection.recv()) == pytest.approx(
                {"type": "pulse", "at_ms": pytest.approx(datetime.now(UTC).timestamp() * 1000, abs=60_000)}
                | {"live": True, "frames": 0}
            )
            await connection.send(json.dumps({"type": "subscribe", "products": {"A": 0, "B": 1}}))
            assert await updates(connection, 1) == [("A", 1)]
            running.event("C", 10.0)
            running.event("B", 10.0)
            running.flush()
            assert await updates(connection, 1) == [("B", 2)]
            await connection.send(json.dumps({"type": "subscribe", "products": {"C": 1}}))
            assert await updates(connection, 1) == [("C", 2)]
            async with asyncio.timeout(20):
                while (frame := json.loads(await connection.recv()))["type"] != "pulse":
                    pass
            assert frame["frames"] == 3
        for bad in ("{}", '{"type": "subscribe", "products": {"a b": 1}}', "x" * 100):
            async with websockets.connect(url) as connection:
                await connection.send(bad)
                async with asyncio.timeout(20):
                    await connection.wait_closed()
                assert connection.close_code == 1008
        # Updates may wait for their turn, pulses may not.
        async with websockets.connect(url + "&conflate_ms=60000") as connection:
            await connection.send(json.dumps({"type": "subscribe", "products": {"C": 2}}))
            running.event("C", 10.0)
            running.flush()
            assert await updates(connection, 1) == [("C", 3)]
            async with asyncio.timeout(10):
                assert [json.loads(await connection.recv())["type"] for _ in range(2)] == ["pulse", "pulse"]

    asyncio.run(scenario())


def test_the_dashboard_and_its_addresses_are_pages(running: Pipeline) -> None:
    for path in ("/", "/product/A", "/product/A%3Ab", "/interventions", "/system"):
        answer = running.http.get(path)
        assert answer.headers["content-type"].startswith("text/html"), path
        assert "Pricewax" in answer.text
        assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert running.http.get("/nowhere").json() == {"error": "no such resource"}
    page = running.http.get("/").text
    script = page.split('src="', 1)[1].split('"', 1)[0]
    with httpx.Client(base_url=running.url, headers={"Accept-Encoding": "gzip"}) as http:
        asset = http.get(script)
    assert asset.headers["content-encoding"] == "gzip"
    assert "immutable" in asset.headers["cache-control"]
