"""The producer that all sinks of a process share."""

import threading
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

import telemetry
from clients.kafka import ClientOptions, Option, make_producer
from clients.throttle import Throttle

QUEUED_MESSAGES_MAX = 200_000
FLUSH_ROUND_S = 1.0

OPTIONS: dict[str, Option] = {
    # No time limit. While Kafka is down, the flow has no input either, so its messages can wait.
    "message.timeout.ms": 0,
    "linger.ms": 0.5,
    "queue.buffering.max.messages": 2 * QUEUED_MESSAGES_MAX,
    "delivery.report.only.error": True,
}

PARTITION_BY_KEY = -1
"""The producer chooses the partition by the key."""

MESSAGE_BYTES_MAX = 1_000_000
"""librdkafka's default for `message.max.bytes` and `batch.size`."""

OVERHEAD_BYTES = 128
"""Bytes that Kafka adds, at most, to key and value of a message that is alone in its batch."""

SMALLER_BATCHES = (16_384, 1_024, 1)
"""Sizes of batches, in bytes, that are tried for a topic that does not take larger ones. With the last one, every
message is alone in its batch."""

KEY_BYTES_MAX = 512
"""No key of a sink is longer: a product's id, a source position, a number."""

Record = tuple[bytes, bytes]
"""Key and value of a message."""

Command = tuple[bytes, bytes | None, int, list[tuple[str, str | bytes | None]]]
"""Key, value (None for a tombstone), time stamp (UTC milliseconds, or NOW) and headers of a message."""

NOW = 0
"""The time stamp of the moment when a message is queued."""

Fit = Callable[[Record, int], list[Record]]
"""(record, bytes of key and value that Kafka takes) -> the records that are sent in its place. Empty if the record
cannot be made to fit."""


def fit_none(record: Record, size_max: int) -> list[Record]:
    """Nothing: these messages have a few hundred bytes, and no part of them can be left out."""
    return []


log = telemetry.get_logger("kafka_sink")


class _Refused(msgspec.Struct, frozen=True):
    """A message that Kafka found too large: itself, or the batch that it was in."""

    topic: str
    partition: int
    record: Record

    @property
    def size(self) -> int:
        return len(self.record[0]) + len(self.record[1])


class KafkaProducer:
    """A producer that all sinks of a process share. Thread-safe. It connects with the first message.

    limits: largest message of each topic (`max.message.bytes`) in bytes, as far as it is known. Kafka applies it to
    a batch, so a topic with a small limit has a client of its own, with smaller batches.

    If Kafka finds a message too large, it is sent again: in smaller batches and, if it is too large by itself, as
    the topic's `Fit` makes it. Only then may it arrive after later messages. A message that cannot be made to fit
    is dropped, with an alert.

    If Kafka refuses a message for another reason, the next call of any method raises KafkaException, so that the
    epoch is not committed. Used by `sinks/kafka/sink.py` and `sinks/history/backlog.py`."""

    def __init__(self, client: ClientOptions, limits: Mapping[str, int] | None = None) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._failure: KafkaError | None = None
        self._refused: list[_Refused] = []
        self._fits: dict[str, Fit] = {}
        self._message_bytes = int(client.get("message.max.bytes", MESSAGE_BYTES_MAX))
        self._usual_batch_bytes = min(int(client.get("batch.size", MESSAGE_BYTES_MAX)), self._message_bytes)
        # By topic: bytes of key and value that a message may have; bytes of a batch, if less than usual.
        self._limits = {
            topic: min(limit, self._message_bytes) - OVERHEAD_BYTES for topic, limit in (limits or {}).items()
        }
        self._batch_bytes = {
            topic: max(1, limit)
            for topic, limit in self._limits.items()
            if limit < self._usual_batch_bytes - OVERHEAD_BYTES
        }
        # By topic, for those in `_batch_bytes`; the client of all other topics is under "".
        self._producers: dict[str, Producer] = {}

    def fit(self, topic: str, fit: Fit) -> None:
        """Set the function that makes messages of a topic fit."""
        self._fits[topic] = fit

    def limit(self, topic: str) -> int:
        """Bytes of key and value that a message for this topic may have, as far as it is known."""
        return self._limits.get(topic, self._message_bytes - OVERHEAD_BYTES)

    def send(self, topic: str, records: list[Record], partition: int = PARTITION_BY_KEY) -> None:
        """Queue messages for a topic, in order. Blocks while the queue is full. Raises KafkaException after a
        failure."""
        with self._lock:
            if self._refused:
                self._send_refused()
            limit = self.limit(topic)
            if records and max(map(len, map(itemgetter(1), records))) > limit - KEY_BYTES_MAX:
                records = [each for record in records for each in self._fitting(topic, record, limit)]
            self._queue(topic, records, partition)
            self._raise_failure()

    def send_commands(self, topic: str, commands: list[Command]) -> None:
        """Queue messages with time stamps and headers for a topic, in order. Blocks while the queue is full. Raises
        KafkaException after a failure."""
        with self._lock:
            producer = self._producer_of(topic)
            for key, value, time_ms, headers in commands:
                while len(producer) >= QUEUED_MESSAGES_MAX:
                    producer.poll(0.05)
                    self._raise_failure()
                producer.produce(
                    topic, value, key, timestamp=time_ms, headers=headers, on_delivery=self._on_delivery
                )
            producer.poll(0)
            self._raise_failure()

    def flush(self) -> None:
        """Wait until Kafka has confirmed all queued messages, without a time limit. Raises KafkaException after a
        failure."""
        with self._lock:
            self._drain()
            while self._refused:
                self._send_refused()
                self._drain()

    def _queue(self, topic: str, records: list[Record], partition: int) -> None:
        producer = self._producer_of(topic)
        # Wait for room before queuing: a queue that fills up in the middle of a batch would break its order.
        while len(producer) + len(records) > QUEUED_MESSAGES_MAX and len(producer):
            producer.poll(0.05)
            self._raise_failure()
        messages: list[dict[str, Any]] = [{"key": key, "value": value} for key, value in records]
        queued = producer.produce_batch(topic, messages, partition=partition, on_delivery=self._on_delivery)
        if queued != len(messages):
            # `produce_batch` does not raise for a message that it cannot queue. It sets its `_error`.
            for message in messages:
                if "_error" in message:
                    self._note(message["_error"], topic, partition, (message["key"], message["value"]))
        producer.poll(0)

    def _drain(self) -> None:
        """Wait until no message is queued. Raises KafkaException after a failure."""
        throttle = Throttle()
        throttle.is_due()
        while waiting := sum(producer.flush(FLUSH_ROUND_S) for producer in self._producers.values()):
            self._raise_failure()
            if throttle.is_due():
                log.warning("waiting for Kafka to confirm", messages=waiting)
        self._raise_failure()

    def _send_refused(self) -> None:
        """Queue the messages that Kafka found too large again, smaller.

        A message that is not smaller than a batch may be was alone in its batch, so it is too large itself, and a
        quarter of it is tried. For all others the batch may have been too large, so batches get smaller."""
        # With all reports, so that all these messages were sent in batches of the same size.
        self._drain()
        refused, self._refused = self._refused, []
        before = {each.topic: self._batch_bytes.get(each.topic, self._usual_batch_bytes) for each in refused}
        for topic, batch_bytes in before.items():
            if any(each.topic == topic and each.size < batch_bytes for each in refused):
                self._batch_bytes[topic] = next(size for size in SMALLER_BATCHES if size < batch_bytes)
                self._producers.pop(topic, None)
                log.warning("Kafka takes smaller batches only", topic=topic, bytes=self._batch_bytes[topic])
        for each in refused:
            records = [each.record]
            if each.size >= before[each.topic]:
                self._limits[each.topic] = min(self.limit(each.topic), each.size // 4)
                records = self._fitting(each.topic, each.record, self._limits[each.topic])
            self._queue(each.topic, records, each.partition)

    def _fitting(self, topic: str, record: Record, limit: int) -> list[Record]:
        """The records that are sent in place of a record: itself, if it fits."""
        size = len(record[0]) + len(record[1])
        if size <= limit:
            return [record]
        fit = self._fits.get(topic)
        records = fit(record, limit) if fit else []
        if not records:
            log.error(
                "a message is dropped: Kafka does not take one of its size",
                topic=topic,
                key=record[0].decode(errors="replace"),
                bytes=size,
                limit=limit,
            )
            telemetry.set_alert("message_dropped", topic, holds=True)
        return records

    def _producer_of(self, topic: str) -> Producer:
        name = topic if topic in self._batch_bytes else ""
        if name not in self._producers:
            batch_bytes = self._batch_bytes.get(topic, self._usual_batch_bytes)
            self._producers[name] = make_producer(self._client, {**OPTIONS, "batch.size": batch_bytes})
        return self._producers[name]

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            record = (message.key() or b"", message.value() or b"")
            partition = message.partition()
            self._note(error, message.topic() or "", -1 if partition is None else partition, record)

    def _note(self, error: KafkaError, topic: str, partition: int, record: Record) -> None:
        """Note that a message was not taken."""
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            self._refused.append(_Refused(topic, partition, record))
        elif self._failure is None:
            self._failure = error
            log.error(
                "Kafka refused a message; the flow ends, and goes on from its last commit at its next start",
                topic=topic,
                reason=f"{error.name()}: {error.str()}",
            )

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise KafkaException(self._failure)
