"""A short storm with a fixed seed; `make chaos` runs longer ones."""

import pytest

from stack import kafka
from tests.chaos.faults import run_storm
from tests.chaos.market_storm import MarketStorm
from tests.chaos.storm import Storm

STEPS = 10


@pytest.mark.skipif(not kafka.is_available(), reason="a storm needs a real Kafka, and so Java and Maven")
@pytest.mark.parametrize("kind", [Storm, MarketStorm])
def test_nothing_is_lost_or_doubled_in_a_storm(kind: type[Storm] | type[MarketStorm]) -> None:
    run = run_storm(kind, 7, STEPS, None, lambda _: None)
    assert len(run.log) == STEPS
    assert run.kills > 0


def test_the_same_seed_gives_the_same_actions(tmp_path_factory: pytest.TempPathFactory) -> None:
    def names(seed: int) -> list[str]:
        run = Storm(tmp_path_factory.mktemp("storm"), seed, lambda _: None)
        weights = [weight for weight, _ in run._actions.values()]
        return [run._chance.choices(list(run._actions), weights)[0] for _ in range(50)]

    assert names(3) == names(3) != names(4)
