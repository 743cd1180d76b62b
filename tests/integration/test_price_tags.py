"""Price tags, and the prior price that a reduction shows."""

import time

from core.timestamps import parse_rfc3339
from tests.support.pipeline import KEY, Pipeline, wait_for

ADMIN = {"X-API-Key": KEY}
DAY_S = 86_400


def test_a_reduction_shows_the_lowest_price_of_the_30_days_before_it(pipeline: Pipeline) -> None:
    now_s = int(time.time())
    pipeline.start_flow()
    pipeline.start_api()
    pipeline.send("product-catalogue", "A", {"product_id": "A", "name": "Mug", "category": "c", "base_price": 20})
    # The prices are 12.00, 17.07, 19.66 and 19.00.
    for days_ago, price in ((40, 7.0), (29, 10.0), (20, 11.0), (10, 9.0)):
        pipeline.event("A", price, timestamp=now_s - days_ago * DAY_S)
        pipeline.event("B", price, timestamp=now_s - days_ago * DAY_S)
        pipeline.flush()
    wait_for(pipeline.api_ready, what=pipeline.output)
    pipeline.wait_for_version("A", 4)
    pipeline.wait_for_version("B", 4)
    pipeline.wait_for_history(8)
    before = pipeline.http.get("/price-tags", params={"ids": "A,B,C"}).json()
    assert before["currency"] == "GBP"
    assert [(tag["product_id"], tag["name"]) for tag in before["tags"]] == [("A", "Mug"), ("B", None)]
    # The last change is a fall, and no reduction: the price was lower within 30 days.
    assert [(tag["price"], tag["reference_price"], tag["reduction_percent"]) for tag in before["tags"]] == [
        (19.0, None, None)
    ] * 2
    override = {"product_id": "A", "override_price": 15}
    assert pipeline.http.post("/override", json=override, headers=ADMIN).status_code == 200
    # The price of 40 days ago was in force until 29 days ago, so 15.00 is no reduction either.
    wait_for(lambda: _tag(pipeline)["since"] is not None, what=pipeline.output)
    tag = _tag(pipeline)
    assert (tag["price"], tag["reference_price"], tag["reduction_percent"]) == (15.0, None, None)
    assert abs(parse_rfc3339(str(tag["since"])) / 1000 - now_s) < 60
    override = {"product_id": "A", "override_price": 9}
    assert pipeline.http.post("/override", json=override, headers=ADMIN).status_code == 200
    wait_for(lambda: _tag(pipeline)["reference_price"] == 12.0, what=pipeline.output)
    assert _tag(pipeline)["reduction_percent"] == 25.0
    for ids, problem in ((",".join(f"P{index}" for index in range(51)), "at most 50"), ("a b", "product_id takes")):
        answer = pipeline.http.get("/price-tags", params={"ids": ids})
        assert answer.status_code == 400
        assert problem in answer.json()["error"]
    pipeline.stop_flow()


def _tag(pipeline: Pipeline) -> dict[str, object]:
    found: dict[str, object] = pipeline.http.get("/price-tags", params={"ids": "A"}).json()["tags"][0]
    return found
