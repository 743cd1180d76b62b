"""Requests that the API refuses, and its answers to them."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.support.pipeline import KEY, Pipeline, wait_for

ADMIN = {"X-API-Key": KEY}
PROTECTED = [("POST", "/override"), ("DELETE", "/override/A"), ("GET", "/overrides"), ("GET", "/history/A")]


@pytest.fixture
def api(pipeline: Pipeline) -> Pipeline:
    pipeline.start_api()
    wait_for(pipeline.api_ready)
    return pipeline


def ask(api: Pipeline, method: str, path: str, **kwargs: Any) -> tuple[int, Any]:
    answer = api.http.request(method, path, **kwargs)
    body = answer.json()
    if answer.status_code >= 400:
        assert list(body) == ["error"]
        assert isinstance(body["error"], str)
    return answer.status_code, body


def test_protected_routes_take_the_admin_key_and_nothing_else(api: Pipeline) -> None:
    for method, path in PROTECTED:
        for headers in (
            {},
            {"X-API-Key": ""},
            {"X-API-Key": "wrong"},
            {"X-API-Key": KEY + "x"},
            {"X-API-Key": KEY[:-1]},
            {"Authorization": f"Bearer {KEY}"},
        ):
            assert ask(api, method, path, headers=headers)[0] == 401
        assert ask(api, method, path, params={"X-API-Key": KEY})[0] == 401
        assert ask(api, method, path, headers=ADMIN)[0] != 401
    assert ask(api, "POST", "/override", content=b"{not json")[0] == 401
    assert KEY not in api.output()
    assert KEY not in api.http.get("/openapi.json").text + api.http.get("/metrics").text


def test_two_keys_are_taken_while_clients_move_to_a_new_one(pipeline: Pipeline) -> None:
    pipeline.start_api(ADMIN_API_KEY="the-new-key", ADMIN_API_KEY_PREVIOUS=KEY)
    wait_for(pipeline.api_ready)
    for key, status in (("the-new-key", 200), (KEY, 200), ("the-new-key" + KEY, 401), ("", 401)):
        assert ask(pipeline, "GET", "/overrides", headers={"X-API-Key": key})[0] == status
    assert KEY not in pipeline.output()
    assert "the-new-key" not in pipeline.output()


BAD_BODIES: list[bytes] = [
    b"",
    b"{",
    b"[]",
    b'"x"',
    b"\xff",
    b"{}",
    b'{"product_id": "A"}',
    b'{"product_id": "A", "override_price": "5"}',
    b'{"product_id": "A", "override_price": true}',
    b'{"product_id": "A", "override_price": null}',
    b'{"product_id": "A", "override_price": 0}',
    b'{"product_id": "A", "override_price": -1}',
    b'{"product_id": "A", "override_price": 0.001}',
    b'{"product_id": "A", "override_price": NaN}',
    b'{"product_id": "A", "override_price": 1e400}',
    b'{"product_id": "A", "override_price": 1000000000}',
    b'{"product_id": "a/b", "override_price": 5}',
    b'{"product_id": true, "override_price": 5}',
    b'{"product_id": "A", "override_price": 5, "surprise": 1}',
    b'{"product_id": "A", "override_price": 5, "reason": ""}',
    b'{"product_id": "A", "override_price": 5, "reason": "a\\nb"}',
    b'{"product_id": "A", "override_price": 5, "reason": 7}',
    b'{"product_id": "A", "override_price": 5, "reason": "' + b"x" * 201 + b'"}',
    b'{"product_id": "A", "override_price": 5, "expires_at": "soon"}',
    b'{"product_id": "A", "override_price": 5, "expires_at": "2020-01-01T00:00:00Z"}',
    b'{"product_id": "A", "override_price": 5, "expires_at": true}',
    b'{"product_id": "A", "override_price": 5, "reason": "' + b"x" * 100_000 + b'"}',
]


def test_malformed_overrides_are_400(api: Pipeline) -> None:
    headers = {**ADMIN, "Content-Type": "application/json"}
    for body in BAD_BODIES:
        assert ask(api, "POST", "/override", content=body, headers=headers)[0] == 400, body[:80]
    assert api.read("price-overrides") == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/price/a%0A", 400),
        ("/price/a%0Ab", 400),
        ("/history/nobody?from=1970-01-01T00:00:00Z&to=9999-12-31T23:59:59Z", 404),
        ("/price/nobody", 404),
        ("/price/nobody/explain", 404),
        ("/price/a%2Fb", 400),
        ("/price/a/b", 400),
        ("/price/" + "x" * 65, 400),
        ("/price/%C3%A9", 400),
        ("/prices?limit=0", 400),
        ("/products", 400),
        ("/products?ids=", 400),
        ("/prices?limit=x", 400),
        ("/prices?ids=", 400),
        ("/prices?ids=a%2Fb", 400),
        ("/prices?cursor=!", 400),
        ("/prices?ids=" + ",".join(["a"] * 501), 400),
        ("/history/nobody", 404),
        ("/history/a%2Fb", 400),
        ("/history/A?limit=0", 400),
        ("/history/A?limit=-1", 400),
        ("/history/A?limit=x", 400),
        ("/history/A?from=yesterday", 400),
        ("/history/A?to=2011-12-05", 400),
        ("/no/such/route", 404),
    ],
)
def test_bad_reads(api: Pipeline, path: str, status: int) -> None:
    assert ask(api, "GET", path, headers=ADMIN)[0] == status


def test_many_callers_at_once_are_all_answered(api: Pipeline) -> None:
    async def ask_all() -> list[int]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=api.url, limits=limits, timeout=30) as http:
            answers = await asyncio.gather(*(http.get("/price/nobody") for _ in range(200)))
            return [answer.status_code for answer in answers]

    assert set(asyncio.run(ask_all())) == {404}


def test_an_override_needs_no_content_type(api: Pipeline) -> None:
    body = b'{"product_id": "nobody", "override_price": 5}'
    for content_type in (None, "text/plain", "application/x-www-form-urlencoded"):
        headers = {**ADMIN, **({"Content-Type": content_type} if content_type else {})}
        assert ask(api, "POST", "/override", content=body, headers=headers)[0] == 404


def test_the_rest_of_the_surface(api: Pipeline) -> None:
    assert ask(api, "GET", "/prices") == (200, {"prices": [], "next_cursor": None})
    assert ask(api, "PUT", "/price/A")[0] == 405
    assert ask(api, "DELETE", "/override/nobody", headers=ADMIN)[0] == 404
    assert (
        ask(api, "POST", "/override", json={"product_id": "nobody", "override_price": 5}, headers=ADMIN)[0] == 404
    )
    assert ask(api, "GET", "/health") == (200, {"status": "ok"})
    assert api.http.get("/docs").status_code == 200
    assert "pricewax_api_requests_total" in api.http.get("/metrics").text
    page = api.http.get("/")
    assert page.status_code == 200
    assert "Pricewax" in page.text
    described = api.http.get("/openapi.json").json()
    for route in ("/price/{product_id}", "/prices", "/price/{product_id}/explain", "/override", "/overrides"):
        assert route in described["paths"], route
    api.stop_api()
