"""A currency without decimals and one with three: every output has whole minor units, and all agree."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.chaos.catalogued import newest_of_all
from tests.support.pipeline import KEY, Pipeline, wait_for

ADMIN = {"X-API-Key": KEY}


class Case(NamedTuple):
    """Two events and the price after them, an override and the price that it sets, and the least price. Prices with
    their text in Redis."""

    currency: str
    events: tuple[float, float]
    price: tuple[float, str]
    asked: float
    applied: tuple[float, str]
    least: str


YEN = Case("JPY", (100.0, 104.18), (111.0, "111"), 98.6, (99.0, "99"), "1")
DINAR = Case("KWD", (1.234, 1.2344), (8.305, "8.305"), 0.0994, (0.099, "0.099"), "0.001")


@pytest.mark.parametrize("case", [YEN, DINAR], ids=lambda case: case.currency)
def test_a_currency_with_other_decimals(pipeline: Pipeline, tmp_path: Path, case: Case) -> None:
    currency, events, (price, text_of_price), asked, (applied, text_of_applied), least = case
    policy = tmp_path / "policy.toml"
    policy.write_text(f'currency = "{currency}"\n', encoding="utf-8")
    pipeline.start_flow(POLICY=str(policy))
    pipeline.start_api(POLICY=str(policy))
    wait_for(pipeline.api_ready)
    for each in events:
        pipeline.event("A", each)
    pipeline.flush()
    stored = pipeline.wait_for_version("A", 2)
    assert stored["price"] == text_of_price
    assert agreed(pipeline) == (2, price)
    shown = pipeline.http.get("/status").json()["policy"]
    assert (shown["currency"], 10 ** -shown["decimals"]) == (currency, float(least))
    text = pipeline.http.get("/price/A/explain").json()["text"]
    assert text.startswith(f"The price is {text_of_price}, ")

    described = pipeline.http.get("/openapi.json").json()["paths"]["/override"]["post"]["requestBody"]
    fields = described["content"]["application/json"]["schema"]["properties"]
    assert fields["override_price"]["minimum"] == float(least)

    refused = pipeline.http.post(
        "/override", json={"product_id": "A", "override_price": float(least) / 3, "reason": "r"}, headers=ADMIN
    )
    assert refused.status_code == 400
    assert f"at least {least}" in refused.json()["error"]
    answer = pipeline.http.post(
        "/override", json={"product_id": "A", "override_price": asked, "reason": "r"}, headers=ADMIN
    )
    assert answer.status_code == 200, answer.text
    pipeline.wait_for_version("A", 3)
    assert pipeline.redis.hget("price:A", "price") == text_of_applied
    assert pipeline.redis.hget("override:A", "override_price") == text_of_applied
    assert agreed(pipeline) == (3, applied)
    past = pipeline.http.get("/history/A?detail=true", headers=ADMIN).json()["history"]
    assert [point["price"] for point in past][:2] == [applied, price]
    pipeline.stop_flow()
    pipeline.stop_api()


def agreed(pipeline: Pipeline) -> tuple[int, float]:
    """Version and price of product A, once all outputs have the same."""

    def read() -> set[Any]:
        return set(newest_of_all(pipeline, ["A"])["A"].values())

    wait_for(lambda: len(read()) == 1, what=lambda: str(newest_of_all(pipeline, ["A"])))
    newest: tuple[int, float] = read().pop()
    return newest
