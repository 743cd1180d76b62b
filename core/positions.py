"""Positions of messages in Kafka.

A topic that was deleted and made again has the same offsets again. Its positions carry its id, so that they differ
from those of the topic before it: `product-events#AhWHptwBRAaIsd-97lNWEQ`. No topic name can hold a `#`."""

import msgspec


class SourcePosition(msgspec.Struct, frozen=True, gc=False):
    """Position of a message in Kafka. Every result carries the position of the message that caused it. topic: as
    `name_remade` gives it if the topic was made again."""

    topic: str
    partition: int
    offset: int


NO_POSITION = SourcePosition("", -1, -1)
"""Position of a result that no message caused, such as the refill of a store."""


def name_remade(topic: str, topic_id: str) -> str:
    """The name in positions of a topic that was deleted and made again. topic_id: of the new topic."""
    return f"{topic}#{topic_id}"


def topic_of(name: str) -> str:
    """The topic of a name in a position."""
    return name.partition("#")[0]
