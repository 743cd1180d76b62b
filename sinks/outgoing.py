"""What every sink is handed: encoded rows of one shard, and how old they are."""

from typing import Generic, TypeVar

import msgspec

Row = TypeVar("Row")


class Outgoing(msgspec.Struct, Generic[Row], array_like=True, gc=False):
    """Rows in order, as bytes, since they may cross processes. `kafka_time_ms` is when the first message they
    come from entered Kafka, 0 where none did."""

    kafka_time_ms: int
    rows: list[Row]
