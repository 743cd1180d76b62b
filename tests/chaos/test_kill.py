"""kill -9 of the flow at seeded moments: nothing is lost, nothing is doubled."""

import random
import time
from functools import partial

import pytest

from tests.compare import assert_matches_fold
from tests.pipeline import Pipeline, wait_for

EVENTS = 12_000
PRODUCTS = 300
KILLS = 3


@pytest.mark.parametrize(("processes", "seed"), [(1, 11), (2, 12)])
def test_a_flow_killed_again_and_again_loses_and_doubles_nothing(
    pipeline: Pipeline, processes: int, seed: int
) -> None:
    chance = random.Random(seed)
    pipeline.start_flow(processes)
    for _ in range(KILLS):
        before = pipeline.count_history()
        _send_some(pipeline, chance, EVENTS // (KILLS + 1))
        # In the middle of it: something is written, and not everything. Then within the next epoch or two, so
        # that what is written is sometimes committed and sometimes not.
        wait_for(partial(_has_grown, pipeline, before), what=pipeline.output())
        time.sleep(chance.uniform(0.0, 1.2))
        pipeline.kill_flow()
        pipeline.start_flow(processes)
    _send_some(pipeline, chance, EVENTS // (KILLS + 1))
    pipeline.flush()
    expected = assert_matches_fold(pipeline)
    assert len(expected.history) > EVENTS * 0.9
    assert expected.bad
    # The kills landed where they hurt: updates were written again after some of them.
    assert len(pipeline.read("price-updates")) > len(expected.history)
    pipeline.stop_flow()


def _has_grown(pipeline: Pipeline, before: int) -> bool:
    return pipeline.count_history() > before


def _send_some(pipeline: Pipeline, chance: random.Random, count: int) -> None:
    for _ in range(count):
        product = f"P{int(chance.paretovariate(0.7)) % PRODUCTS:03d}"
        if chance.random() < 0.01:
            pipeline.send("product-events", product, b"{not json")
        else:
            price = round(chance.uniform(0.01, 500), 2)
            pipeline.event(product, price, chance.choice(["view", "cart", "purchase"]))
    pipeline.flush()
