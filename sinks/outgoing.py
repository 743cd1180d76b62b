"""What every sink is handed: encoded rows of one shard, and how old they are."""

from typing import Generic, TypeVar

import msgspec

Row = TypeVar("Row")

SINK_PARTS = 4
"""Partitions of every sink, fixed at deployment like a topic's: what spreads sinks over processes."""


class Outgoing(msgspec.Struct, Generic[Row], array_like=True, gc=False):
    """Rows in order, as bytes, since they may cross processes. `kafka_time_ms` is when the first message they
    come from entered Kafka, 0 where none did."""

    kafka_time_ms: int
    rows: list[Row]


def part_names() -> list[str]:
    return [str(part) for part in range(SINK_PARTS)]


def part_of(shard: str) -> int:
    return int(shard)
