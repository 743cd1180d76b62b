"""Work for a shard that is not a signal of its system."""

import msgspec

from core.dead_letter import DeadLetter


class Touched(msgspec.Struct, frozen=True, array_like=True):
    """Signals of a shard are on their way to its lane. kafka_time_ms: Kafka's time stamp of one of them."""

    shard: int
    kafka_time_ms: int


class Refused(msgspec.Struct, frozen=True, array_like=True):
    """Messages that are no signals."""

    letters: list[DeadLetter]


class RefillRequest(msgspec.Struct, frozen=True, array_like=True):
    """A request for the latest row of every key of a shard, sent by `connectors/redis_watch.py`. keys: those that
    it is for, such as products; empty for all."""

    reason: str
    keys: tuple[str, ...] = ()
