"""Demand that decays in a running flow: every step on every output, also over a kill."""

import time
from pathlib import Path

from tests.support.pipeline import Pipeline, wait_for

POLICY = "[demand]\nfactor = 0.5\nhalf_life_s = 1\ndecay_step_s = 1\n"
BASE = 100.0


def test_a_product_without_events_goes_back_to_its_base_price(pipeline: Pipeline, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY, encoding="utf-8")

    def price() -> float:
        return float(pipeline.redis.hget("price:A", "price") or 0.0)

    pipeline.start_flow(POLICY=str(policy))
    pipeline.event("A", BASE, "purchase", timestamp=int(time.time()))
    pipeline.flush()
    pipeline.wait_for_version("A", 3)
    pipeline.kill_flow()
    pipeline.start_flow(POLICY=str(policy))
    wait_for(lambda: price() == BASE, what=pipeline.output)
    wait_for(lambda: pipeline.updates()[-1]["new_price"] == BASE, what=pipeline.output)
    updates = pipeline.updates()
    versions = [each["version"] for each in updates]
    assert versions == sorted(versions)
    last = versions[-1]
    wait_for(
        lambda: (last, "decayed") in history(pipeline), what=lambda: f"{history(pipeline)}\n{pipeline.output()}"
    )
    assert int(pipeline.redis.hget("price:A", "version") or 0) == last
    # Each version is one price, whichever execution made it.
    assert len({(each["version"], each["new_price"]) for each in updates}) == len(set(versions))
    assert {cause for _, cause in history(pipeline)} <= {"event", "decayed", "restored"}


def history(pipeline: Pipeline) -> list[tuple[int, str]]:
    return sorted(pipeline.history("version, cause"))
