"""The producer of a test's inputs."""

from collections.abc import Mapping
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaError, Producer

from clients.kafka import PRODUCER_OPTIONS


def make_producer(brokers: str) -> Producer:
    """Return a producer whose messages arrive in the order in which they are sent: a retry of a producer that is
    not idempotent may come after later messages."""
    options: Mapping[str, Any] = {"linger.ms": 1, "message.max.bytes": 4_000_000, **PRODUCER_OPTIONS}
    return Producer({"bootstrap.servers": brokers, **options})


class Deliveries:
    """Reports on the messages of a test. refused: those that it has not taken, with the reason."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    def note(self, error: KafkaError | None, message: confluent_kafka.Message) -> None:
        """Take one report."""
        if error is not None:
            self.refused.append(f"{message.topic()} {message.key()!r}: {error.str()}")
