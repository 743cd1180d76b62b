"""The backlog: rows of history that wait in a Kafka topic while the database is down."""

from collections.abc import Callable, Iterator
from typing import NoReturn

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

import telemetry
from clients.kafka import ClientOptions, Option, make_consumer, offset_is_gone
from clients.kafka_producer import KafkaProducer, Record
from core.errors import BacklogError

GROUP = "pricewax-backlog"
RECORD_BYTES_MAX = 500_000
"""Bytes of a message's rows, at most; less if the topic takes less."""

READ_MESSAGES_MAX = 8
READ_ROWS = 4_000
"""Number of rows after which a read ends. The last message may take it above this."""

TIMEOUT_S = 5.0
READ_WITHIN_S = 0.2

OPTIONS: dict[str, Option] = {"fetch.wait.max.ms": 50}

log = telemetry.get_logger("history")


def split_rows(record: Record, size_max: int) -> list[Record]:
    """The rows of a message in several messages, each with at most `size_max` bytes of key and value. Empty if one
    row has more."""
    key, value = record
    values = list(_joined(value.split(b"\n"), size_max - len(key)))
    return [(key, each) for each in values] if all(len(key) + len(each) <= size_max for each in values) else []


def _joined(rows: list[bytes], size_max: int) -> Iterator[bytes]:
    """The rows, joined to values of at most `size_max` bytes; a longer row is a value of its own."""
    joined: list[bytes] = []
    size = 0
    for row in rows:
        if joined and size + len(row) > size_max:
            yield b"\n".join(joined)
            joined, size = [], 0
        joined.append(row)
        size += len(row) + 1
    if joined:
        yield b"\n".join(joined)


class Backlog:
    """One sink partition's share of the backlog topic: the messages whose key is the partition's name.

    partition: the topic partition that holds them; None if it is not known, and then it follows from the number of
    partitions. offset: the next message to drain, None for the beginning. topic_id: of the topic that has the
    offset, None if it is not known. current_id: gives the id that the topic has now; a topic that was made again is
    drained from its beginning. keeps_all: True if the topic keeps its messages until they are drained, without a
    time limit.

    `put` and `flush` belong to the flow's thread, the other methods to the writer's. These raise BacklogError if
    Kafka does not answer; the same call may succeed later. `put` and `flush` raise as `KafkaProducer` does."""

    def __init__(
        self,
        producer: KafkaProducer,
        client: ClientOptions,
        *,
        topic: str,
        partitions: int,
        sink_partition: str,
        offset: int | None,
        partition: int | None = None,
        topic_id: str | None = None,
        current_id: Callable[[], str | None] = lambda: None,
        keeps_all: bool = True,
    ) -> None:
        self._producer = producer
        self._client = client
        self._topic = topic
        self._key = sink_partition.encode()
        producer.fit(topic, split_rows)
        # A topic that another program made may have fewer partitions than a sink has. Sink partitions then share
        # them. If the topic gets more partitions later, rows stay in the old one, so the resume state names it.
        if partition is None or partition >= partitions:
            partition = int(sink_partition) % partitions
        self.partition = partition
        self.offset = offset
        self.topic_id = topic_id
        self._current_id = current_id
        self.keeps_all = keeps_all
        self._consumer: Consumer | None = None

    def put(self, rows: list[bytes]) -> None:
        """Queue rows, each one line of bytes. They are durable when `flush` has returned."""
        size_max = min(RECORD_BYTES_MAX, self._producer.limit(self._topic) - len(self._key))
        for value in _joined(rows, size_max):
            self._producer.send(self._topic, [(self._key, value)], partition=self.partition)

    def flush(self) -> None:
        """Wait until Kafka has confirmed all rows."""
        self._producer.flush()

    def waiting(self, offset: int | None) -> int:
        """Number of messages from `offset` (None for the beginning) to the end. It may flush the producer."""
        if count := self._count(offset):
            return count
        # Rows that were put may not have arrived yet. The flush comes only now, because it waits for prices too.
        self._producer.flush()
        return self._count(offset)

    def _count(self, offset: int | None) -> int:
        if self._was_remade():
            offset = None
        try:
            low, high = self._connect().get_watermark_offsets(
                TopicPartition(self._topic, self.partition), timeout=TIMEOUT_S
            )
        except KafkaException as error:
            raise BacklogError(error.args[0].str()) from None
        if offset is not None and offset > high:
            # Messages of a topic that was made again would seem to be drained.
            self._begin_again("the backlog topic ends before the next message to drain; it is read again")
            offset = None
        return max(0, high - max(low, offset or 0))

    def read(self) -> tuple[list[bytes], int | None]:
        """The next rows and the offset after them. `offset` does not change: the caller sets it once the rows are
        written."""
        rows: list[bytes] = []
        self._was_remade()
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

    def _was_remade(self) -> bool:
        """True if the topic was deleted and made again since the last call. `offset` is then its beginning."""
        found = self._current_id()
        before, self.topic_id = self.topic_id, found or self.topic_id
        if found is None or before is None or found == before:
            return False
        telemetry.TOPICS_REMADE.labels(self._topic).inc()
        self._begin_again("the backlog topic was deleted and made again; undrained rows of the old one are lost")
        return True

    def _begin_again(self, reason: str) -> None:
        log.error(reason, topic=self._topic, partition=self.partition, offset=self.offset)
        self.offset = None
        self.close()

    def _give_up(self, error: KafkaError) -> NoReturn:
        """Close the consumer and raise BacklogError. The next read begins at `offset` again."""
        if offset_is_gone(error):
            log.error("rows of history have left the backlog topic undrained", offset=self.offset)
            self.offset = None
        self.close()
        raise BacklogError(error.str())

    def close(self) -> None:
        """Close the consumer. The next read opens a new one at `offset`."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _connect(self) -> Consumer:
        if self._consumer is None:
            self._consumer = make_consumer(self._client, GROUP, OPTIONS)
            start = OFFSET_BEGINNING if self.offset is None else self.offset
            self._consumer.assign([TopicPartition(self._topic, self.partition, start)])
        return self._consumer


OpenBacklog = Callable[[str, int | None, int | None, str | None], Backlog]
"""(sink partition, offset, topic partition, topic id) -> backlog. The last three come from the resume state."""
