"""The real topology of the market on test sources: one golden output for every kind of run."""

import json
from pathlib import Path
from typing import Any

import pytest
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSource, cluster_main, run_main

from core.work import RefillRequest
from dataflows.recovery.state_log import StateLog
from tests.support.market_flow import MarketOutputs, seeded_items
from tests.support.pricing_flow import EVERY_BATCH, SHARDS

GOLDEN = Path(__file__).parent / "golden" / "ticks.jsonl"


def golden() -> list[str]:
    return GOLDEN.read_text(encoding="utf-8").splitlines()


def test_a_full_run_gives_the_golden_output() -> None:
    outputs = MarketOutputs()
    run_main(outputs.flow(seeded_items()))
    assert outputs.lines() == golden()
    kinds = {json.loads(line)[0] for line in golden()}
    assert kinds == {"ticks", "alerts", "dead_letters", "bar", "history"}


def test_two_workers_give_what_one_gives() -> None:
    outputs = MarketOutputs()
    cluster_main(outputs.flow(seeded_items()), [], 0, worker_count_per_proc=2)
    assert outputs.lines() == golden()


@pytest.mark.parametrize("log", ["log, log", "whole, log", "log, whole"])
@pytest.mark.parametrize("crash_after", [1, 37, 150, 299])
def test_a_crash_and_a_resume_give_what_a_full_run_gives(tmp_path: Path, crash_after: int, log: str) -> None:
    init_db_dir(tmp_path, 2)
    recovery = RecoveryConfig(str(tmp_path))
    outputs = MarketOutputs()
    items: list[Any] = seeded_items()
    items.insert(crash_after, TestingSource.ABORT())
    for execution, kind in enumerate(log.split(", ")):
        state_log = StateLog(tmp_path / "state", writes=kind == "log")
        refills = [(str(shard), RefillRequest("start")) for shard in range(SHARDS)]
        # The source of a test goes on after a crash; each start asks all shards once more.
        flow = outputs.flow(items, refills * (execution + 1), state_log, execution)
        run_main(flow, epoch_interval=EVERY_BATCH, recovery_config=recovery)
    assert outputs.lines() == golden()


def test_a_refill_has_all_that_is_kept_of_each_symbol() -> None:
    outputs = MarketOutputs()
    refills = [(str(shard), RefillRequest("test")) for shard in range(SHARDS)]
    run_main(outputs.flow(seeded_items(), refills * 400))
    rows = [json.loads(row) for out in outputs.of_sink["latest"] for _, row in out.rows]
    whole = {row[0]: row for row in rows if row[7]}
    published = [text for row in rows for text in row[6]]
    assert all(row[6] == [] and len(row[5]) <= 5 for row in whole.values())
    assert len(whole) == 8
    ticks = [json.loads(value) for out in outputs.of_sink["ticks"] for _, value in out.rows]
    # A refill publishes nothing.
    assert len(published) == sum(not tick["is_late"] for tick in ticks)


if __name__ == "__main__":
    made = MarketOutputs()
    run_main(made.flow(seeded_items()))
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text("\n".join(made.lines()) + "\n", encoding="utf-8")
