"""Kafka out: idempotent, acknowledged by all replicas, flushed before an epoch is committed."""

import threading
import time
from collections.abc import Mapping
from typing import Any

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from confluent_kafka import KafkaError, KafkaException, Message, Producer

import telemetry
from sinks.outgoing import Outgoing
from sinks.parts import part_names, part_of

QUEUED_MESSAGES_MAX = 200_000
FLUSH_ROUND_S = 1.0
SAY_AGAIN_S = 10.0

PRODUCER_OPTIONS: dict[str, str | int | bool] = {
    "enable.idempotence": True,
    "acks": "all",
    # Kafka down is waited for, however long: there is no input either.
    "message.timeout.ms": 0,
    "linger.ms": 2,
    "queue.buffering.max.messages": 2 * QUEUED_MESSAGES_MAX,
    "delivery.report.only.error": True,
}

PARTITION_BY_KEY = -1

Record = tuple[bytes, bytes]
"""Key and value of a message."""

log = telemetry.get_logger("kafka_sink")


class KafkaProducer:
    """A producer that the sinks of one process share. Thread-safe. A message that Kafka refuses raises at the
    next call, so that the epoch is not committed."""

    def __init__(self, client: Mapping[str, str | int]) -> None:
        self._options = {**client, **PRODUCER_OPTIONS}
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._failure: KafkaError | None = None

    def send(self, topic: str, records: list[Record], partition: int = PARTITION_BY_KEY) -> None:
        """Queue messages, in order. Waits where the queue is full. Raises KafkaException after a failure."""
        with self._lock:
            producer = self._connect()
            # Room first: a full queue in the middle of a batch would break its order.
            while len(producer) + len(records) > QUEUED_MESSAGES_MAX and len(producer):
                producer.poll(0.05)
                self._raise_failure()
            messages: list[dict[str, Any]] = [{"key": key, "value": value} for key, value in records]
            queued = producer.produce_batch(topic, messages, partition=partition, on_delivery=self._on_delivery)
            if queued != len(messages):
                # What librdkafka refuses to queue, it neither raises nor reports: it marks the message.
                errors = (message["_error"] for message in messages if "_error" in message)
                self._failure = self._failure or next(errors, KafkaError(KafkaError._FAIL))
            producer.poll(0)
            self._raise_failure()

    def flush(self) -> None:
        """Wait until Kafka has confirmed everything, however long. Raises KafkaException after a failure."""
        with self._lock:
            if self._producer is None:
                return
            next_word = time.monotonic() + SAY_AGAIN_S
            while waiting := self._producer.flush(FLUSH_ROUND_S):
                self._raise_failure()
                if time.monotonic() >= next_word:
                    log.warning("waiting for Kafka to confirm", messages=waiting)
                    next_word = time.monotonic() + SAY_AGAIN_S
            self._raise_failure()

    def _connect(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(self._options)
        return self._producer

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._failure is None:
            self._failure = error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise KafkaException(self._failure)


class KafkaSink(FixedPartitionedSink[Outgoing[Record], None]):
    """Items are `(shard, Outgoing[Record])`; `name` is the sink's in metrics."""

    def __init__(self, producer: KafkaProducer, topic: str, name: str) -> None:
        self._producer = producer
        self._topic = topic
        self._name = name

    def list_parts(self) -> list[str]:
        return part_names()

    def part_fn(self, item_key: str) -> int:
        return part_of(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "KafkaSinkPartition":
        return KafkaSinkPartition(self._producer, self._topic, self._name)


class KafkaSinkPartition(StatefulSinkPartition[Outgoing[Record], None]):
    def __init__(self, producer: KafkaProducer, topic: str, name: str) -> None:
        self._producer = producer
        self._topic = topic
        self._errors = telemetry.SINK_ERRORS.labels(name)
        self._writes = telemetry.SINK_WRITES.labels(name)
        self._latency = telemetry.SINK_LATENCY.labels(name)

    def write_batch(self, values: list[Outgoing[Record]]) -> None:
        records = [record for outgoing in values for record in outgoing.rows]
        if not records:
            return
        try:
            self._producer.send(self._topic, records)
        except KafkaException:
            self._errors.inc()
            raise
        self._writes.inc(len(records))
        # Handed to a client that sends within its linger time; the flush below is what waits.
        if oldest_ms := min((o.kafka_time_ms for o in values if o.kafka_time_ms), default=0):
            self._latency.observe(max(0.0, time.time() - oldest_ms / 1000))

    def snapshot(self) -> None:
        self._producer.flush()

    def close(self) -> None:
        self._producer.flush()
