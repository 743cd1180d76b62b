"""The end of a topic, read backwards in windows, with a bound on time and memory."""

import time
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from clients.kafka import ClientOptions, Option, make_consumer
from core.errors import NotAnsweredError

GROUP = "pricewax-dead-letters"
SCAN_MAX = 20_000
"""Largest number of messages that are read from a partition: the newest ones."""

HELD_MESSAGES = 8
"""Messages in memory at once. A letter has up to 700 kB."""

GROWTH = 4
"""A window has this many times the messages of the window that was read before it."""

AGAIN_AFTER_S = 0.1
"""Pause before a partition without a leader is asked for its end again."""

_SILENT = frozenset(
    {KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE}
)
_WITHOUT_LEADER = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})

OPTIONS: dict[str, Option] = {
    "auto.offset.reset": "earliest",
    "enable.partition.eof": True,
    "queued.max.messages.kbytes": 8192,
    "max.partition.fetch.bytes": 4_194_304,
    "fetch.queue.backoff.ms": 10,
}


class TopicTail:
    """The newest messages of a topic. Belongs to one thread. Used by `DeadLetterTopic`.

    deadline_s: the end of all reading, on the monotonic clock. scan_max: messages of a partition that are read at
    most, the newest ones. count: number of partitions. messages: number of
    messages read. complete: false if the deadline came before a window was read to its end.

    The constructor and all methods raise NotAnsweredError if Kafka does not answer until the deadline, and
    KafkaException for any other error of Kafka."""

    def __init__(self, client: ClientOptions, topic: str, deadline_s: float, scan_max: int = SCAN_MAX) -> None:
        self.topic = topic
        self.complete = True
        self.messages = 0
        self._deadline_s = deadline_s
        self._consumer = make_consumer(client, GROUP, OPTIONS)
        # By partition: the part that is left to read, from the first offset up to the end (exclusive).
        self._left: dict[int, tuple[int, int]] = {}
        self.count = 0
        try:
            for index in self._count():
                self.count += 1
                low, high = _watermarks(self._consumer, TopicPartition(topic, index), deadline_s)
                self._left[index] = (max(low, high - scan_max), high)
        except BaseException:
            self.close()
            raise

    @property
    def partitions(self) -> list[int]:
        """The partitions that have messages left to read."""
        return [index for index, (first, end) in self._left.items() if first < end]

    def remaining_s(self) -> float:
        """Seconds until the deadline; 0 after it."""
        return max(0.0, self._deadline_s - time.monotonic())

    def window(self, partition: int, size: int) -> Iterator[Message]:
        """The newest `size` messages of a partition that are left to read, in order of offset. If the deadline
        comes before its end, `complete` is false, and nothing is left to read."""
        first, end = self._left[partition]
        start = max(first, end - size)
        self._left[partition] = (first, start)
        self._consumer.assign([TopicPartition(self.topic, partition, start)])
        while True:
            for message in self._arrived():
                error = message.error()
                if error is None and (message.offset() or 0) < end:
                    self.messages += 1
                    yield message
                elif error is None or error.code() == KafkaError._PARTITION_EOF:
                    return
                else:
                    raise KafkaException(error)
                if (message.offset() or 0) >= end - 1:
                    return
            if not self.remaining_s():
                self.complete = False
                self._left = dict.fromkeys(self._left, (0, 0))
                return

    def _arrived(self) -> list[Message]:
        """The messages that have arrived. Waits for the first one, until the deadline at most."""
        messages = self._consumer.consume(1, min(0.5, self.remaining_s()))
        # A call with a time limit would wait until there are as many as it asks for.
        return messages + self._consumer.consume(HELD_MESSAGES, 0) if messages else messages

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    def _count(self) -> list[int]:
        try:
            metadata = self._consumer.list_topics(self.topic, timeout=_timeout_s(self._deadline_s))
        except KafkaException as error:
            raise _told_apart(error) from None
        return sorted(metadata.topics[self.topic].partitions)


def read_message(
    client: ClientOptions, topic: str, partition: int, offset: int, deadline_s: float
) -> Message | None:
    """The message at an offset; None if it has left its topic. deadline_s, errors: as for `TopicTail`."""
    consumer = make_consumer(client, GROUP, OPTIONS)
    try:
        place = TopicPartition(topic, partition, offset)
        low, high = _watermarks(consumer, place, deadline_s)
        if not low <= offset < high:
            return None
        consumer.assign([place])
        message = consumer.poll(_timeout_s(deadline_s))
        if message is None:
            raise NotAnsweredError("Kafka does not answer in time")
        there = message.error() is None and message.offset() == offset
        return message if there else None
    except KafkaException as error:
        told = _told_apart(error)
        if isinstance(told, NotAnsweredError):
            raise told from None
        return None
    finally:
        consumer.close()


def _watermarks(consumer: Consumer, partition: TopicPartition, deadline_s: float) -> tuple[int, int]:
    """The first offset of a partition and its end. Waits for a leader while the partition has none."""
    while True:
        try:
            return consumer.get_watermark_offsets(partition, timeout=_timeout_s(deadline_s))
        except KafkaException as error:
            if error.args[0].code() not in _WITHOUT_LEADER or time.monotonic() >= deadline_s:
                raise _told_apart(error) from None
        time.sleep(AGAIN_AFTER_S)


def _timeout_s(deadline_s: float) -> float:
    # librdkafka takes 0 for "at once", and -1 for "without an end".
    return max(0.01, deadline_s - time.monotonic())


def _told_apart(error: KafkaException) -> Exception:
    if error.args[0].code() in _SILENT | _WITHOUT_LEADER:
        return NotAnsweredError("Kafka does not answer in time")
    return error
