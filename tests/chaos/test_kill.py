"""`kill -9` of the flow at seeded moments: nothing is lost, nothing is doubled."""

import random
import time
from functools import partial

import pytest

from tests.support.compare import assert_matches_fold
from tests.support.pipeline import Pipeline, wait_for

EVENTS_PER_KILL = 3_000
PRODUCTS = 300
KILLS = 3
KILLS_MAX = 10


@pytest.mark.parametrize(("processes", "seed"), [(1, 11), (2, 12)])
def test_a_flow_killed_again_and_again_loses_and_doubles_nothing(
    pipeline: Pipeline, processes: int, seed: int
) -> None:
    chance = random.Random(seed)
    pipeline.start_flow(processes)
    kills = 0
    # At least one kill has to hit between writing and commit, so that updates were written again.
    while kills < KILLS or (kills < KILLS_MAX and not _replayed(pipeline)):
        before = len(pipeline.read("price-updates"))
        _send_some(pipeline, chance, EVENTS_PER_KILL)
        # Kill in the middle of the batch: some updates are written, and the epoch may be committed or not.
        wait_for(partial(_has_grown, pipeline, before), what=pipeline.output())
        time.sleep(chance.uniform(0.0, 0.4))
        pipeline.kill_flow()
        pipeline.start_flow(processes)
        kills += 1
    _send_some(pipeline, chance, EVENTS_PER_KILL)
    expected = assert_matches_fold(pipeline)
    assert len(expected.history) > (kills + 1) * EVENTS_PER_KILL * 0.9
    assert expected.bad
    assert _replayed(pipeline), f"none of {kills} kills hit between writing and commit"
    pipeline.stop_flow()


def _replayed(pipeline: Pipeline) -> bool:
    updates = [message.json() for message in pipeline.read("price-updates")]
    return len(updates) > len({(update["product_id"], update["version"]) for update in updates})


def _has_grown(pipeline: Pipeline, before: int) -> bool:
    return len(pipeline.read("price-updates")) > before


def _send_some(pipeline: Pipeline, chance: random.Random, count: int) -> None:
    for _ in range(count):
        product = f"P{int(chance.paretovariate(0.7)) % PRODUCTS:03d}"
        if chance.random() < 0.01:
            pipeline.send("product-events", product, b"{not json")
        else:
            price = round(chance.uniform(0.01, 500), 2)
            pipeline.event(product, price, chance.choice(["view", "cart", "purchase"]))
    pipeline.flush()
