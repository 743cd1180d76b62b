"""Signals and rows of a shard stay in the worker that owns the shard; otherwise processes would pickle and send
them."""

import threading
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import StatefulSinkPartition
from bytewax.testing import TestingSource, cluster_main

from connectors.workers import WorkerCount
from core.placement import Placement
from sinks.base.fan_out import FanOut, Rows
from sinks.base.outgoing import Outgoing
from sinks.base.sink import SINK_PARTITIONS, PlacedSink

SHARDS = 64


class Here(StatefulBatchLogic[str, Rows, None]):
    """A step that makes a row of each key: the key, and the worker thread that has it."""

    def on_batch(self, values: list[str]) -> tuple[list[Rows], bool]:
        return [Rows(0, [[(key, threading.get_ident())]]) for key in values], StatefulBatchLogic.DISCARD

    def snapshot(self) -> None:
        return None


class Arrivals(PlacedSink[Any, None]):
    """A sink that keeps, for each key, the worker that had it and the worker that writes its row."""

    def __init__(self) -> None:
        self.workers: dict[str, tuple[int, int]] = {}

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "ArrivalsPartition":
        return ArrivalsPartition(self.workers)


class ArrivalsPartition(StatefulSinkPartition[Outgoing[tuple[str, int]], None]):
    def __init__(self, workers: dict[str, tuple[int, int]]) -> None:
        self._workers = workers

    def write_batch(self, values: list[Outgoing[tuple[str, int]]]) -> None:
        self._workers |= {key: (had, threading.get_ident()) for each in values for key, had in each.rows}

    def snapshot(self) -> None:
        return None


@pytest.mark.parametrize("workers", range(1, SINK_PARTITIONS + 1))
def test_a_shard_its_lane_and_their_rows_have_the_same_worker(workers: int) -> None:
    arrivals, placement = Arrivals(), Placement()
    placement.workers = workers
    lanes = placement.lanes_of(SHARDS)
    assert len(set(lanes)) == workers
    told = Placement()
    flow = Dataflow("parts")
    op.input("workers", flow, WorkerCount(told))
    keys = [*map(str, range(SHARDS)), *set(lanes)]
    arrived = op.input("in", flow, TestingSource([(key, key) for key in keys]))
    placed = op.stateful_batch("place", arrived, lambda _: Here())
    op.output("out", placed, FanOut({"arrivals": arrivals}, placement=told, alone=""))
    cluster_main(flow, [], 0, worker_count_per_proc=workers)
    assert told.workers == workers
    assert arrivals.workers.keys() == set(keys)
    assert len({wrote for _, wrote in arrivals.workers.values()}) == workers
    for shard, lane in enumerate(lanes):
        had, wrote = arrivals.workers[lane]
        assert had == wrote
        assert arrivals.workers[str(shard)] == (had, wrote)


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 7, 64])
def test_lanes_sort_behind_shards_and_follow_them(workers: int) -> None:
    placement = Placement()
    placement.workers = workers
    lanes = placement.lanes_of(SHARDS)
    assert min(lanes) > max(map(str, range(SHARDS)))
    assert [placement.worker_of(lane) for lane in lanes] == [placement.worker_of(str(s)) for s in range(SHARDS)]
