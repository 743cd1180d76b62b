"""The producer that all sinks of a process share."""

import threading
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

import telemetry
from clients.kafka import ClientOptions, Option, make_producer
from clients.throttle import Throttle

QUEUED_MESSAGES_MAX = 200_000
FLUSH_ROUND_S = 1.0

OPTIONS: dict[str, Option] = {
    # No time limit. While Kafka is down, the flow has no input either, so its messages can wait.
    "message.timeout.ms": 0,
    "linger.ms": 2,
    "queue.buffering.max.messages": 2 * QUEUED_MESSAGES_MAX,
    "delivery.report.only.error": True,
}

PARTITION_BY_KEY = -1
"""The producer chooses the partition by the key."""

Record = tuple[bytes, bytes]
"""Key and value of a message."""

log = telemetry.get_logger("kafka_sink")


class KafkaProducer:
    """A producer that all sinks of a process share. Thread-safe. It connects with the first message.

    If Kafka refuses a message, the next call of any method raises KafkaException, so that the epoch is not
    committed. Used by `sinks/kafka/sink.py` and `sinks/history/backlog.py`."""

    def __init__(self, client: ClientOptions) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._failure: KafkaError | None = None

    def send(self, topic: str, records: list[Record], partition: int = PARTITION_BY_KEY) -> None:
        """Queue messages for a topic, in order. Blocks while the queue is full. Raises KafkaException after a
        failure."""
        with self._lock:
            producer = self._connect()
            # Wait for room before queuing: a queue that fills up in the middle of a batch would break its order.
            while len(producer) + len(records) > QUEUED_MESSAGES_MAX and len(producer):
                producer.poll(0.05)
                self._raise_failure()
            messages: list[dict[str, Any]] = [{"key": key, "value": value} for key, value in records]
            queued = producer.produce_batch(topic, messages, partition=partition, on_delivery=self._on_delivery)
            if queued != len(messages):
                # `produce_batch` does not raise for a message that it cannot queue. It sets its `_error`.
                errors = (message["_error"] for message in messages if "_error" in message)
                self._failure = self._failure or next(errors, KafkaError(KafkaError._FAIL))
            producer.poll(0)
            self._raise_failure()

    def flush(self) -> None:
        """Wait until Kafka has confirmed all queued messages, without a time limit. Raises KafkaException after a
        failure."""
        with self._lock:
            if self._producer is None:
                return
            throttle = Throttle()
            throttle.is_due()
            while waiting := self._producer.flush(FLUSH_ROUND_S):
                self._raise_failure()
                if throttle.is_due():
                    log.warning("waiting for Kafka to confirm", messages=waiting)
            self._raise_failure()

    def _connect(self) -> Producer:
        if self._producer is None:
            self._producer = make_producer(self._client, OPTIONS)
        return self._producer

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._failure is None:
            self._failure = error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise KafkaException(self._failure)
