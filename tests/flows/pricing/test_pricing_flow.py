"""The real topology on test sources: one golden output for every kind of run."""

from pathlib import Path
from typing import Any

import pytest
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSource, cluster_main, run_main

from core.work import RefillRequest
from dataflows.recovery.state_log import StateLog
from pricing.policy import default_policy
from tests.support.plain_runner import PlainRunner
from tests.support.pricing_flow import CLOCK_MS, EVERY_BATCH, SHARDS, TOPICS, Outputs, seeded_items

GOLDEN = Path(__file__).parent / "golden" / "pricing.jsonl"


def golden() -> list[str]:
    return GOLDEN.read_text(encoding="utf-8").splitlines()


def test_a_full_run_gives_the_golden_output() -> None:
    outputs = Outputs()
    run_main(outputs.flow(seeded_items()))
    lines = outputs.lines()
    assert lines == golden()
    count = sum(len(out.rows) for out in outputs.updates)
    assert count == sum(line.startswith('["update"') for line in lines), "an update came twice"


def test_the_same_steps_without_an_engine_give_what_the_flow_gives() -> None:
    full, plain = Outputs(), Outputs()
    run_main(full.flow(seeded_items()))
    runner = PlainRunner(default_policy(), TOPICS, SHARDS, clock=lambda: CLOCK_MS)
    for item in seeded_items():
        runner.feed(item)
    plain.updates, plain.latest = runner.updates, runner.latest
    plain.history, plain.letters = runner.history, runner.letters
    assert plain.lines() == full.lines()
    assert plain.newest() == full.newest()


def test_the_steps_without_an_engine_go_on_from_their_snapshots() -> None:
    items = seeded_items(any_order=False)
    whole = PlainRunner(default_policy(), TOPICS, SHARDS, clock=lambda: CLOCK_MS)
    for item in items:
        whole.feed(item)
    first = PlainRunner(default_policy(), TOPICS, SHARDS, clock=lambda: CLOCK_MS)
    for item in items[:150]:
        first.feed(item)
    second = PlainRunner(default_policy(), TOPICS, SHARDS, clock=lambda: CLOCK_MS, resume=first.snapshot())
    for item in items[150:]:
        second.feed(item)
    assert [*first.updates, *second.updates] == whole.updates
    assert [*first.history, *second.history] == whole.history


def test_two_workers_give_what_one_gives() -> None:
    # No foreign keys and no timers. With foreign keys, messages of one product take several ways, and then their
    # order is that of arrival, as with timers.
    one, two = Outputs(), Outputs()
    run_main(one.flow(seeded_items(any_order=False)))
    cluster_main(two.flow(seeded_items(any_order=False)), [], 0, worker_count_per_proc=2)
    assert two.lines() == one.lines()
    assert two.newest() == one.newest()


@pytest.mark.parametrize("log", ["log, log", "whole, whole", "whole, log", "log, whole"])
@pytest.mark.parametrize("crash_after", [1, 37, 150, 299])
def test_a_crash_and_a_resume_give_what_a_full_run_gives(tmp_path: Path, crash_after: int, log: str) -> None:
    full = Outputs()
    run_main(full.flow(seeded_items(any_order=False)))
    init_db_dir(tmp_path, 2)
    recovery = RecoveryConfig(str(tmp_path))
    outputs = Outputs()
    items: list[Any] = seeded_items(any_order=False)
    items.insert(crash_after, TestingSource.ABORT())
    before_crash, after_crash = (StateLog(tmp_path / "state", writes=kind == "log") for kind in log.split(", "))
    flow = outputs.flow(items, state_log=before_crash)
    run_main(flow, epoch_interval=EVERY_BATCH, recovery_config=recovery)
    before = sum(len(out.rows) for out in outputs.updates)
    flow = outputs.flow(items, state_log=after_crash)
    run_main(flow, epoch_interval=EVERY_BATCH, recovery_config=recovery)
    assert outputs.lines() == full.lines()
    assert outputs.newest() == full.newest()
    # The second run resumed from the crash, and did not start from the beginning.
    again = sum(len(out.rows) for out in outputs.updates) - before
    total = sum(line.startswith('["update"') for line in full.lines())
    assert total - before <= again <= total - before + 5


def test_a_refill_repeats_the_latest_rows_and_nothing_else() -> None:
    plain = Outputs()
    run_main(plain.flow(seeded_items()))
    outputs = Outputs()
    refills = [(str(shard), RefillRequest("test")) for shard in range(SHARDS)]
    flow = outputs.flow(seeded_items(), refills * 400)
    run_main(flow)
    assert outputs.lines() == plain.lines()
    assert outputs.newest() == plain.newest()
    assert sum(len(o.rows) for o in outputs.latest) > sum(len(o.rows) for o in plain.latest)


if __name__ == "__main__":
    made = Outputs()
    run_main(made.flow(seeded_items()))
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text("\n".join(made.lines()) + "\n", encoding="utf-8")
