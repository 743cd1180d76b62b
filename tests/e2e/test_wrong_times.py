"""Events with wrong times: from the future, late, and the repair of what an older version let in."""

import subprocess
import sys
from typing import Any

from tests.support.pipeline import KEY, ROOT, Pipeline, wait_for

NOW_S = 1_700_000_000
LONG_AGO = "2001-02-03T04:05:06Z"


def history(pipeline: Pipeline, **query: Any) -> list[dict[str, Any]]:
    answer = pipeline.http.get("/history/A", params=query, headers={"X-API-Key": KEY})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["history"]
    return found


def chart(pipeline: Pipeline, **query: Any) -> list[list[Any]]:
    answer = pipeline.http.get("/history/A/chart", params=query, headers={"X-API-Key": KEY})
    found: list[list[Any]] = answer.json()["points"]
    return found


def price(pipeline: Pipeline) -> dict[str, Any]:
    found: dict[str, Any] = pipeline.http.get("/price/A").json()
    return found


def mend(pipeline: Pipeline, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tools.mend_product", *arguments]
    return subprocess.run(
        command, env=pipeline.environment, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )


def test_the_latest_price_is_the_same_everywhere_for_events_of_any_time(pipeline: Pipeline) -> None:
    pipeline.start_flow()
    pipeline.start_api()
    pipeline.event("A", 100.0)
    pipeline.event("A", 90.0, timestamp="2099-01-01T00:00:00Z")
    pipeline.event("A", 101.0, timestamp=NOW_S + 60)
    pipeline.event("A", 1.0, timestamp=LONG_AGO)
    pipeline.flush()
    pipeline.wait_for_version("A", 3)
    (letter,) = wait_for(lambda: pipeline.read("dead-letters"))
    assert letter.json()["error_code"] == "from_the_future"
    wait_for(pipeline.api_ready)

    # With the default policy a late event sets the price, so it is the latest everywhere.
    late = 9.66
    wait_for(lambda: price(pipeline)["price"] == late and len(history(pipeline)) == 3)
    assert [(row["version"], row["event_time"][:4]) for row in history(pipeline)] == [
        *((3, "2001"), (2, "2023"), (1, "2023"))
    ]
    assert [row["version"] for row in history(pipeline, limit=1)] == [3]
    assert [row["version"] for row in history(pipeline, before_version=3)] == [2, 1]
    assert [row["version"] for row in history(pipeline, **{"from": "2002-01-01T00:00:00Z"})] == [2, 1]
    points = chart(pipeline)
    assert (points[-1][1], points[-1][4], points[-1][0]) == (late, 3, (NOW_S + 60) * 1000)
    assert [point[0] for point in points] == sorted(point[0] for point in points)

    # The same with a policy in which late events only count.
    pipeline.stop_flow()
    pipeline.start_flow(POLICY=str(ROOT / "policies" / "shop.toml"))
    pipeline.event("A", 100.0, timestamp=NOW_S + 120)
    pipeline.event("A", 1.0, "purchase", timestamp=NOW_S + 119)
    pipeline.flush()
    pipeline.wait_for_version("A", 5)
    wait_for(lambda: len(history(pipeline)) == 4)
    shown, (newest, *_) = price(pipeline), history(pipeline)
    assert newest["version"] == 4
    assert newest["price"] == shown["price"] == chart(pipeline)[-1][1]
    assert shown["demand"] > newest["demand"] + 4
    assert [update["version"] for update in pipeline.updates()] == [1, 2, 3, 4]

    # The repair. A running product is no different from one that needs it.
    mended = mend(pipeline, "A", "--demand", "64", "--not-after", str(NOW_S + 60))
    assert mended.returncode == 0, mended.stderr
    assert "demand 64, version 6, event time 2023-11-14T22:14:20.000Z" in mended.stdout
    wait_for(lambda: len(history(pipeline)) == 5)
    (newest, *_) = history(pipeline, detail=True)
    assert (newest["cause"], newest["price"], newest["demand"]) == ("corrected", price(pipeline)["price"], 64.0)
    assert chart(pipeline)[-1][4] == 6
    unknown = mend(pipeline, "nobody")
    assert (unknown.returncode, unknown.stderr) == (1, "mend_product: Redis has no price of nobody\n")
    pipeline.stop_flow()
