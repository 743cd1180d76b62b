"""A recovery store from a flow with one input step for each source: a flow with one step for all sources reads
it."""

from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, run_main

from connectors.epochs import AlignedSources

Item = tuple[str, int]


def add_up(total: int | None, amount: int) -> tuple[int, int]:
    return (total or 0) + amount, (total or 0) + amount


def finish(flow: Dataflow, items: op.KeyedStream[int], recovery: Path) -> list[int]:
    found: list[Item] = []
    op.output("sums", op.stateful_map("price", items, add_up), TestingSink(found))
    run_main(flow, epoch_interval=timedelta(0), recovery_config=RecoveryConfig(recovery))
    return [total for _, total in found]


def two_steps(messages: list[Item], recovery: Path) -> list[int]:
    flow = Dataflow("pricing")
    first = op.input("messages", flow, TestingSource(messages))
    return finish(flow, op.merge("work", first, op.input("refills", flow, TestingSource([("a", 1)]))), recovery)


def one_step(messages: list[Item], recovery: Path) -> list[int]:
    flow = Dataflow("pricing")
    both = AlignedSources(TestingSource(messages), refills=TestingSource([("a", 1)]))
    return finish(flow, op.input("messages", flow, both), recovery)


def test_a_store_of_a_flow_with_two_input_steps_is_read_on(tmp_path: Path) -> None:
    init_db_dir(tmp_path, 2)
    assert two_steps([("a", 10)] * 3, tmp_path)[-1] == 31
    # The first source resumes after its old items. The other begins again; a source without resume state may do so.
    assert one_step([*[("a", 10)] * 3, ("a", 100)], tmp_path)[-1] == 132
    assert one_step([*[("a", 10)] * 3, ("a", 100), ("a", 1_000)], tmp_path) == [1_132]
