"""Positions of messages in Kafka."""

import msgspec


class SourcePosition(msgspec.Struct, frozen=True, gc=False):
    """Position of a message in Kafka. Every result carries the position of the message that caused it."""

    topic: str
    partition: int
    offset: int


NO_POSITION = SourcePosition("", -1, -1)
"""Position of a result that no message caused, such as the refill of a store."""
