"""Rows of a shard are written by the worker that owns the shard; otherwise processes would pickle and send them."""

import threading

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from bytewax.testing import TestingSource, cluster_main

from sinks.base.placement import SINK_PARTITIONS, partition_names, sink_partition

SHARDS = 64

Row = tuple[str, int]


class Here(StatefulBatchLogic[Row, int, None]):
    """A step that replaces each item by the id of the worker thread which has its shard."""

    def on_batch(self, values: list[Row]) -> tuple[list[int], bool]:
        return [threading.get_ident() for _ in values], StatefulBatchLogic.DISCARD

    def snapshot(self) -> None:
        return None


class Arrivals(FixedPartitionedSink[int, None]):
    """A sink that keeps, for each item, the worker that had its shard and the worker that writes it."""

    def __init__(self) -> None:
        self.workers: list[tuple[int, int]] = []

    def list_parts(self) -> list[str]:
        return partition_names()

    def part_fn(self, item_key: str) -> int:
        return sink_partition(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "ArrivalsPartition":
        return ArrivalsPartition(self.workers)


class ArrivalsPartition(StatefulSinkPartition[int, None]):
    def __init__(self, workers: list[tuple[int, int]]) -> None:
        self._workers = workers

    def write_batch(self, values: list[int]) -> None:
        self._workers += [(before, threading.get_ident()) for before in values]

    def snapshot(self) -> None:
        return None


@pytest.mark.parametrize(
    "workers", [workers for workers in range(1, SINK_PARTITIONS + 1) if SINK_PARTITIONS % workers == 0]
)
def test_rows_stay_in_their_worker(workers: int) -> None:
    arrivals = Arrivals()
    flow = Dataflow("parts")
    source = TestingSource([(str(shard), ("", 0)) for shard in range(SHARDS)])
    placed = op.stateful_batch("place", op.input("in", flow, source), lambda _: Here())
    op.output("out", placed, arrivals)
    cluster_main(flow, [], 0, worker_count_per_proc=workers)
    assert len(arrivals.workers) == SHARDS
    assert len({after for _, after in arrivals.workers}) == workers
    assert all(before == after for before, after in arrivals.workers)


def test_every_part_has_shards() -> None:
    counts = [sum(sink_partition(str(shard)) == part for shard in range(SHARDS)) for part in range(SINK_PARTITIONS)]
    assert min(counts) > SHARDS // SINK_PARTITIONS // 2
