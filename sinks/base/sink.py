"""The base of all sinks: a fixed number of partitions."""

from typing import Generic, TypeVar

from bytewax.outputs import FixedPartitionedSink

from sinks.base.outgoing import Outgoing, Row

SINK_PARTITIONS = 4
"""Number of partitions of every sink. They spread a sink over processes. Fixed at deployment, like a topic's."""

State = TypeVar("State")


def partition_names() -> list[str]:
    """The names of a sink's partitions: their numbers, from 0."""
    return [str(partition) for partition in range(SINK_PARTITIONS)]


class PlacedSink(FixedPartitionedSink[Outgoing[Row], State], Generic[Row, State]):
    """A sink of `Outgoing[Row]`, to be used in a `FanOut`, which chooses the partition. A subclass makes its
    partitions in `build_part`.

    A partition's `snapshot()` is part of the commit of an epoch: when it returns, all earlier rows are durable or
    are in the snapshot. Bytewax 0.21.1 waits for no other kind of sink before it commits."""

    def list_parts(self) -> list[str]:
        return partition_names()
