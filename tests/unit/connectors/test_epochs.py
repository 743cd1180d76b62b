"""The sources in one input step, and a model of workers whose epochs come together again."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from bytewax.testing import TestingSource

from connectors.epochs import AlignedSources, EpochPhase
from dataflows.pricing import Sinks, build
from pricing.policy import default_policy
from tests.support.pricing_flow import Keeping

EPOCH_S = 1.0
COMMIT_S = 0.03
TICK_S = 0.001


def test_parts_have_names_of_their_own_and_the_first_source_keeps_its() -> None:
    together = AlignedSources(TestingSource([1]), others=TestingSource([2, 3]))
    assert together.list_parts() == ["iterable", "others/iterable"]
    first = together.build_part("step", "iterable", None)
    other = together.build_part("step", "others/iterable", 1)
    assert (first.next_batch(), first.snapshot()) == ([1], 1)
    assert (other.next_batch(), other.snapshot()) == ([3], 2)


def test_the_flow_has_one_input_step() -> None:
    """Two steps would drift apart, until they read only for a moment in each second. The one that counts the
    workers ends at once."""
    sinks = Sinks(Keeping([]), Keeping([]))
    flow = build(TestingSource([]), TestingSource([]), sinks, policy=default_policy(), kinds={}, shards=4)
    assert [step.step_id for step in flow.substeps if type(step).__name__ == "input"] == [
        *("pricing.workers", "pricing.messages")
    ]


class Worker:
    """A model of a Bytewax worker in a cluster. Its epoch ends when it wakes after the interval. Then it waits for
    the other workers."""

    def __init__(self, started_s: float, tick_s: float) -> None:
        self.now_s = started_s
        self.tick_s = tick_s
        self.phase = EpochPhase(lambda: self.now_s)
        self.started_s = started_s

    def end_epoch(self) -> None:
        while self.now_s - self.started_s < EPOCH_S:
            before = datetime.now(UTC)
            wake = self.phase.next_awake(None) if self.phase.shift_s else None
            self.now_s += max(self.tick_s, (wake - before).total_seconds() if wake else 0.0)
        self.started_s = self.now_s
        self.phase.end()

    def go_on(self, at_s: float) -> float:
        waited_s = at_s - self.now_s
        self.now_s = at_s
        self.phase.read()
        return waited_s


def run(workers: Sequence[Worker], epochs: int, commit_s: float = COMMIT_S) -> list[float]:
    """Run the workers for some epochs; returns the longest wait of each epoch, in seconds."""
    waits = []
    for _ in range(epochs):
        for worker in workers:
            worker.end_epoch()
        at_s = max(worker.now_s for worker in workers) + commit_s
        waits.append(max([worker.go_on(at_s) for worker in workers]))
    return waits


@pytest.mark.parametrize("lag_s", [0.1, 0.5, 0.9])
def test_workers_that_are_apart_come_together(lag_s: float) -> None:
    waits = run([Worker(0.0, TICK_S), Worker(lag_s, TICK_S)], 12)
    assert waits[0] > lag_s
    assert max(waits[4:]) < 0.1


def test_workers_that_drift_stay_together() -> None:
    waits = run([Worker(0.0, TICK_S), Worker(0.0, 0.0037), Worker(0.0, 0.0021)], 600)
    assert max(waits) < 0.15
    # Without the correction they drift apart.
    alone = [Worker(0.0, TICK_S), Worker(0.0, 0.0037)]
    for worker in alone:
        worker.phase.alone = True
    assert max(run(alone, 600)) > 0.5


def test_slow_commits_are_not_taken_for_others() -> None:
    workers = [Worker(0.0, TICK_S), Worker(0.0, TICK_S)]
    run(workers, 6, commit_s=0.4)
    assert all(worker.phase.shift_s == 0.0 for worker in workers)


def test_a_wake_up_in_the_time_of_a_shift_is_put_off_and_no_other() -> None:
    now = [0.0]
    phase = EpochPhase(lambda: now[0])
    for at_s, waited_s in ((0.0, 0.0), (1.0, 0.0), (2.0, 0.4)):
        now[0] = at_s
        phase.end()
        now[0] = at_s + waited_s
        phase.read()
    assert phase.shift_s == pytest.approx(0.4)
    at = datetime.now(UTC)
    soon, within, after = (at + timedelta(seconds=each) for each in (0.1, 0.8, 1.2))
    assert phase.next_awake(None) is None
    assert phase.next_awake(soon) == soon
    assert phase.next_awake(after) == after
    put_off = phase.next_awake(within)
    assert put_off is not None
    assert (put_off - at).total_seconds() == pytest.approx(1.0, abs=0.1)
