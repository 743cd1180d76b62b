"""kill -9 of the flow at seeded moments: nothing is lost, nothing is doubled."""

import random
import time

import pytest

from tests.compare import assert_matches_fold
from tests.pipeline import Pipeline

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
        _send_some(pipeline, chance, EVENTS // (KILLS + 1))
        # A moment within the next epoch or two: in the middle of pricing, writing, flushing or committing.
        time.sleep(chance.uniform(0.2, 2.5))
        pipeline.kill_flow()
        pipeline.start_flow(processes)
    _send_some(pipeline, chance, EVENTS // (KILLS + 1))
    pipeline.flush()
    expected = assert_matches_fold(pipeline)
    assert len(expected.history) > EVENTS * 0.9
    assert expected.bad
    pipeline.stop_flow()


def _send_some(pipeline: Pipeline, chance: random.Random, count: int) -> None:
    for _ in range(count):
        product = f"P{int(chance.paretovariate(0.7)) % PRODUCTS:03d}"
        if chance.random() < 0.01:
            pipeline.send("product-events", product, b"{not json")
        else:
            price = round(chance.uniform(0.01, 500), 2)
            pipeline.event(product, price, chance.choice(["view", "cart", "purchase"]))
    pipeline.flush()
