"""The backlog: rows of history that wait in Kafka while the database is down."""

from collections.abc import Mapping
from typing import NoReturn

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

import telemetry
from sinks.kafka import KafkaProducer

RECORD_BYTES_MAX = 500_000
READ_MESSAGES_MAX = 8
READ_ROWS = 4_000
"""What one read is about, however few rows a message has."""

TIMEOUT_S = 5.0
READ_WITHIN_S = 0.2

CONSUMER_OPTIONS: dict[str, str | int | bool] = {
    "group.id": "pricewax-backlog",
    "enable.auto.commit": False,
    "auto.offset.reset": "error",
    "fetch.wait.max.ms": 50,
    "queued.max.messages.kbytes": 16384,
}


log = telemetry.get_logger("history")


class BacklogError(Exception):
    """Kafka did not answer; trying again later may work."""


class Backlog:
    """One sink partition's share of the backlog topic: the messages that have its name as their key.

    partition: where they are, if that is known; else it follows from the number of partitions. keeps_all: whether
    the topic keeps its messages until they are drained, however long that takes.

    `put` belongs to the flow's thread, the rest to the writer's.
    """

    def __init__(
        self,
        producer: KafkaProducer,
        client: Mapping[str, str | int],
        topic: str,
        partitions: int,
        part: str,
        offset: int | None,
        partition: int | None = None,
        *,
        keeps_all: bool = True,
    ) -> None:
        self._producer = producer
        self._client = client
        self._topic = topic
        self._key = part.encode()
        # A topic that somebody else made may have fewer partitions than there are parts; they then share. One that
        # gets more of them later still has what waits where it was put.
        if partition is None or partition >= partitions:
            partition = int(part) % partitions
        self.partition = partition
        self.offset = offset
        self.keeps_all = keeps_all
        self._consumer: Consumer | None = None

    def put(self, rows: list[bytes]) -> None:
        """Queue rows; durable once `flush` has returned."""
        record: list[bytes] = []
        size = 0
        for row in rows:
            record.append(row)
            size += len(row) + 1
            if size >= RECORD_BYTES_MAX:
                self._send(record)
                record, size = [], 0
        if record:
            self._send(record)

    def flush(self) -> None:
        self._producer.flush()

    def _send(self, rows: list[bytes]) -> None:
        self._producer.send(self._topic, [(self._key, b"\n".join(rows))], partition=self.partition)

    def waiting(self, offset: int | None) -> int:
        """Messages from `offset` (None: the beginning) to the end. Raises BacklogError."""
        if count := self._count(offset):
            return count
        # What was put may not have arrived. Not before it matters, as prices go the same way.
        self._producer.flush()
        return self._count(offset)

    def _count(self, offset: int | None) -> int:
        try:
            low, high = self._connect().get_watermark_offsets(
                TopicPartition(self._topic, self.partition), timeout=TIMEOUT_S
            )
        except KafkaException as error:
            raise BacklogError(error.args[0].str()) from None
        return max(0, high - max(low, offset or 0))

    def read(self) -> tuple[list[bytes], int | None]:
        """The next rows and the offset after them, without moving on. Raises BacklogError."""
        rows: list[bytes] = []
        next_offset = self.offset
        consumer, timeout_s = self._connect(), READ_WITHIN_S
        while len(rows) < READ_ROWS and (messages := consumer.consume(READ_MESSAGES_MAX, timeout_s)):
            timeout_s = 0.0
            for message in messages:
                if (error := message.error()) is not None:
                    self._give_up(error)
                offset, value = message.offset(), message.value()
                assert offset is not None
                next_offset = offset + 1
                if message.key() == self._key and value:
                    rows.extend(value.split(b"\n"))
        return rows, next_offset

    def _give_up(self, error: KafkaError) -> NoReturn:
        """What was read is read again, from `offset`."""
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            log.error("rows of history have left the backlog topic undrained", offset=self.offset)
            self.offset = None
        self.close()
        raise BacklogError(error.str())

    def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _connect(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer({**self._client, **CONSUMER_OPTIONS})
            start = OFFSET_BEGINNING if self.offset is None else self.offset
            self._consumer.assign([TopicPartition(self._topic, self.partition, start)])
        return self._consumer
