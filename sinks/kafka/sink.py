"""The Kafka sinks: idempotent, confirmed by all replicas, flushed before an epoch is committed."""

import time
from typing import Generic

from bytewax.outputs import StatefulSinkPartition
from confluent_kafka import KafkaException

import telemetry
from clients.kafka_producer import Command, Fit, KafkaProducer, Record
from sinks.base.outgoing import Outgoing, Row, oldest_ms
from sinks.base.sink import PlacedSink


class KafkaSink(PlacedSink[Record, None]):
    """A sink that writes messages to one topic. name: of the sink, in metrics. fit: makes a message fit that is
    larger than Kafka takes."""

    def __init__(self, producer: KafkaProducer, topic: str, name: str, fit: Fit) -> None:
        producer.fit(topic, fit)
        self._producer = producer
        self._topic = topic
        self._name = name

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "KafkaSinkPartition":
        return KafkaSinkPartition(self._producer, self._topic, self._name)


class FlushedPartition(StatefulSinkPartition[Outgoing[Row], None], Generic[Row]):
    """The base of the partitions: a snapshot waits until Kafka has all messages. Belongs to the worker's thread;
    the producer is shared with all sinks. All methods raise KafkaException if Kafka has refused a message, so that
    the epoch is not committed."""

    def __init__(self, producer: KafkaProducer) -> None:
        self._producer = producer

    def snapshot(self) -> None:
        self._producer.flush()

    def close(self) -> None:
        self._producer.flush()


class KafkaSinkPartition(FlushedPartition[Record]):
    """A partition of a `KafkaSink`."""

    def __init__(self, producer: KafkaProducer, topic: str, name: str) -> None:
        super().__init__(producer)
        self._topic = topic
        self._errors = telemetry.SINK_ERRORS.labels(name)
        self._writes = telemetry.SINK_WRITES.labels(name)
        self._latency = telemetry.SINK_LATENCY.labels(name)

    def write_batch(self, values: list[Outgoing[Record]]) -> None:
        """Queue messages; does not wait for Kafka unless the queue is full."""
        records = [record for outgoing in values for record in outgoing.rows]
        if not records:
            return
        try:
            self._producer.send(self._topic, records)
        except KafkaException:
            self._errors.inc()
            raise
        self._writes.inc(len(records))
        # The client sends within its linger time. Only the flush of a snapshot waits.
        if oldest := oldest_ms(values):
            self._latency.observe(max(0.0, time.time() - oldest / 1000))


class CommandSink(PlacedSink[Command, None]):
    """A sink of messages with time stamps and headers, tombstones among them, on one topic. name: as in
    `KafkaSink`."""

    def __init__(self, producer: KafkaProducer, topic: str, name: str) -> None:
        self._producer = producer
        self._topic = topic
        self._name = name

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "CommandSinkPartition":
        return CommandSinkPartition(self._producer, self._topic, self._name)


class CommandSinkPartition(FlushedPartition[Command]):
    """A partition of a `CommandSink`."""

    def __init__(self, producer: KafkaProducer, topic: str, name: str) -> None:
        super().__init__(producer)
        self._topic = topic
        self._writes = telemetry.SINK_WRITES.labels(name)

    def write_batch(self, values: list[Outgoing[Command]]) -> None:
        """Queue messages; does not wait for Kafka unless the queue is full."""
        commands = [command for outgoing in values for command in outgoing.rows]
        self._producer.send_commands(self._topic, commands)
        self._writes.inc(len(commands))
