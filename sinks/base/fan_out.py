"""The fan-out: all sinks of a flow in one output step.

Each output step of Bytewax costs as much for one item as for many. With one step, a poll that finds one event pays
for one."""

from collections.abc import Mapping
from typing import Any

import msgspec
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from core.placement import Placement
from sinks.base.outgoing import Outgoing
from sinks.base.sink import SINK_PARTITIONS, partition_names

States = dict[str, Any]
"""Name of a sink to its resume state."""


class Rows(msgspec.Struct, array_like=True, gc=False):
    """Encoded rows for all sinks of a flow, made from one result. kafka_time_ms: as in `Outgoing`. of_sink: the
    rows of each sink, in the order of the sinks."""

    kafka_time_ms: int
    of_sink: list[list[Any]]


class FanOut(FixedPartitionedSink[Rows, States]):
    """A sink of `(shard or lane, Rows)`. Its partitions hold one partition of each sink. All rows of a worker go to
    one of them, in the order in which they were decided. With up to `SINK_PARTITIONS` workers, it is in the same
    worker.

    sinks: by name, in the order of `Rows.of_sink`. Resume state is the state of each sink that has one, by name.
    alone: the sink to which the state of an earlier version belongs, in which each sink had a step of its own."""

    def __init__(
        self, sinks: Mapping[str, FixedPartitionedSink[Any, Any]], *, placement: Placement, alone: str
    ) -> None:
        self._sinks = sinks
        self._placement = placement
        self._alone = alone

    def list_parts(self) -> list[str]:
        return partition_names()

    def part_fn(self, item_key: str) -> int:
        return self._placement.worker_of(item_key) % SINK_PARTITIONS

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> "FanOutPartition":
        states = resume_state if isinstance(resume_state, dict) else {self._alone: resume_state}
        parts = {name: sink.build_part(step_id, for_part, states.get(name)) for name, sink in self._sinks.items()}
        return FanOutPartition(parts)


class FanOutPartition(StatefulSinkPartition[Rows, States]):
    """A partition of the fan-out. Belongs to the worker's thread."""

    def __init__(self, parts: Mapping[str, StatefulSinkPartition[Any, Any]]) -> None:
        self._parts = parts

    def write_batch(self, values: list[Rows]) -> None:
        for index, part in enumerate(self._parts.values()):
            found = [Outgoing(value.kafka_time_ms, rows) for value in values if (rows := value.of_sink[index])]
            if found:
                part.write_batch(found)

    def snapshot(self) -> States:
        states = {name: part.snapshot() for name, part in self._parts.items()}
        return {name: state for name, state in states.items() if state is not None}

    def close(self) -> None:
        for part in self._parts.values():
            part.close()
