"""Encoded rows between the flow and a sink."""

from typing import Generic, TypeVar

import msgspec

Row = TypeVar("Row")


class Outgoing(msgspec.Struct, Generic[Row], array_like=True, gc=False):
    """Encoded rows of one shard, in order. They are bytes, because they may be sent to another process.

    kafka_time_ms: Kafka's time stamp of the first message behind the rows, UTC milliseconds; 0 if there is none."""

    kafka_time_ms: int
    rows: list[Row]


def oldest_ms(values: list[Outgoing[Row]]) -> int:
    """The earliest time stamp of these rows, UTC milliseconds; 0 if there is none."""
    return min((outgoing.kafka_time_ms for outgoing in values if outgoing.kafka_time_ms), default=0)
