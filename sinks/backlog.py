"""The backlog: rows of history that wait in Kafka while the database is down."""

from collections.abc import Mapping

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

import telemetry
from sinks.kafka import KafkaProducer

RECORD_BYTES_MAX = 500_000
READ_MESSAGES_MAX = 8
TIMEOUT_S = 5.0

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
    ) -> None:
        self._producer = producer
        self._client = client
        self._topic = topic
        self._key = part.encode()
        # A topic that somebody else made may have fewer partitions than there are parts; they then share.
        self._part = int(part) % partitions
        self.offset = offset
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
        self._producer.send(self._topic, [(self._key, b"\n".join(rows))], partition=self._part)

    def waiting(self, offset: int | None) -> int:
        """Messages from `offset` (None: the beginning) to the end. Raises BacklogError."""
        self._producer.flush()
        try:
            low, high = self._connect().get_watermark_offsets(
                TopicPartition(self._topic, self._part), timeout=TIMEOUT_S
            )
        except KafkaException as error:
            raise BacklogError(error.args[0].str()) from None
        return max(0, high - max(low, offset or 0))

    def read(self) -> tuple[list[bytes], int | None]:
        """The next rows and the offset after them, without moving on. Raises BacklogError."""
        rows: list[bytes] = []
        next_offset = self.offset
        for message in self._connect().consume(READ_MESSAGES_MAX, 0.2):
            if (error := message.error()) is not None:
                if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                    log.error("rows of history have left the backlog topic undrained", offset=self.offset)
                    self.offset = None
                # To be read again from `offset`.
                self.close()
                raise BacklogError(error.str())
            offset, value = message.offset(), message.value()
            assert offset is not None
            next_offset = offset + 1
            if message.key() == self._key and value:
                rows.extend(value.split(b"\n"))
        return rows, next_offset

    def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _connect(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer({**self._client, **CONSUMER_OPTIONS})
            start = OFFSET_BEGINNING if self.offset is None else self.offset
            self._consumer.assign([TopicPartition(self._topic, self._part, start)])
        return self._consumer
