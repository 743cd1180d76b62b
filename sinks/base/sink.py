"""The base of all sinks: a fixed number of partitions, placed beside their shards."""

from typing import Generic, TypeVar

from bytewax.outputs import FixedPartitionedSink

from sinks.base.outgoing import Outgoing, Row
from sinks.base.placement import partition_names, sink_partition

State = TypeVar("State")


class PlacedSink(FixedPartitionedSink[Outgoing[Row], State], Generic[Row, State]):
    """A sink of `(shard, Outgoing[Row])`. A subclass makes its partitions in `build_part`.

    A partition's `snapshot()` is part of the commit of an epoch: when it returns, all earlier rows are durable or
    are in the snapshot. Bytewax 0.21.1 waits for no other kind of sink before it commits."""

    def list_parts(self) -> list[str]:
        return partition_names()

    def part_fn(self, item_key: str) -> int:
        return sink_partition(item_key)
