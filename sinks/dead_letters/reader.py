"""The reader of dead letters, which can also send their messages again.

After a message was sent again, a null value under the letter's key (its source position) marks the letter. Lists
show the mark, so that a message is not sent twice by mistake."""

import threading

import msgspec
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from clients.kafka import ClientOptions, make_consumer, make_producer
from clients.kafka_topics import count_partitions
from core.dead_letter import LetterMessage, format_position
from core.errors import LetterError
from core.positions import SourcePosition

GROUP = "pricewax-dead-letters"
TIMEOUT_S = 5.0
CONFIRM_WITHIN_S = 10.0
SCAN_MAX = 20_000
"""Largest number of messages that are read from a partition: the newest ones."""


class Letter(LetterMessage, kw_only=True):
    """A letter as read from the topic. replayed: its message was sent again."""

    replayed: bool = False


_decode = msgspec.json.Decoder(Letter).decode


class DeadLetterTopic:
    """The topic of dead letters. Each call reads it from its end, because letters are few and calls are rare.
    Methods raise LetterError, or KafkaException if Kafka does not answer."""

    def __init__(self, client: ClientOptions, topic: str) -> None:
        self._client = client
        self._topic = topic

    def newest(self, limit: int, code: str | None = None) -> list[Letter]:
        """The newest letters, newest first, one for each position. code: only letters with this error code."""
        letters, replayed = self._scan()
        found = [letter for letter in letters.values() if code is None or letter.error_code == code]
        found.sort(key=lambda letter: (letter.at, format_position(letter.source)), reverse=True)
        return [_marked(letter, replayed) for letter in found[:limit]]

    def find(self, source: SourcePosition) -> Letter:
        """The letter of a position. Raises LetterError if it is not among the newest."""
        letters, replayed = self._scan()
        letter = letters.get(format_position(source))
        if letter is None:
            raise LetterError("no such dead letter among the newest")
        return _marked(letter, replayed)

    def replay(self, source: SourcePosition, value: bytes | None = None, *, again: bool = False) -> None:
        """Send the message of a letter to its topic again, then mark the letter. value: sent in place of the
        original value.

        The original value and key come from the topic if the message is still there. Else the value comes from the
        letter, without a key. Raises LetterError if the letter was sent before (unless `again`), or if it holds
        only the beginning of the value."""
        letter = self.find(source)
        if letter.replayed and not again:
            raise LetterError("this letter has been sent again before")
        original = self._original(source)
        key = original[0] if original else None
        if value is None:
            value = original[1] if original else letter.raw_bytes
            if original is None and letter.raw_size > len(letter.raw_bytes):
                raise LetterError("the message has left its topic, and the letter holds only its beginning")
        producer = make_producer(self._client)
        _send(producer, source.topic, key, value)
        _send(producer, self._topic, format_position(source).encode(), None)

    def _scan(self) -> tuple[dict[str, Letter], set[str]]:
        letters: dict[str, Letter] = {}
        replayed: set[str] = set()
        count = count_partitions(self._client, [self._topic], threading.Event())[self._topic]
        consumer = self._consumer()
        try:
            for index in range(count):
                for key, value in _tail(consumer, TopicPartition(self._topic, index), SCAN_MAX):
                    if value is None:
                        replayed.add((key or b"").decode(errors="replace"))
                        continue
                    try:
                        letter = _decode(value)
                    except (msgspec.MsgspecError, RecursionError):
                        continue
                    # Letters are written at least once, so a position may come twice.
                    letters.setdefault(format_position(letter.source), letter)
        finally:
            consumer.close()
        return letters, replayed

    def _original(self, source: SourcePosition) -> tuple[bytes | None, bytes | None] | None:
        consumer = self._consumer()
        try:
            partition = TopicPartition(source.topic, source.partition)
            low, high = consumer.get_watermark_offsets(partition, timeout=TIMEOUT_S)
            if not low <= source.offset < high:
                return None
            partition.offset = source.offset
            consumer.assign([partition])
            message = consumer.poll(TIMEOUT_S)
            if message is None or message.error() is not None or message.offset() != source.offset:
                return None
            return message.key(), message.value()
        except KafkaException:
            return None
        finally:
            consumer.close()

    def _consumer(self) -> Consumer:
        return make_consumer(self._client, GROUP, {"auto.offset.reset": "earliest"})


def _tail(consumer: Consumer, partition: TopicPartition, most: int) -> list[tuple[bytes | None, bytes | None]]:
    """Key and value of a partition's newest messages, in order."""
    low, high = consumer.get_watermark_offsets(partition, timeout=TIMEOUT_S)
    partition.offset = max(low, high - most)
    if partition.offset >= high:
        return []
    consumer.assign([partition])
    found = []
    position = partition.offset
    while position < high:
        messages = consumer.consume(1, TIMEOUT_S)
        if not messages:
            raise LetterError("Kafka does not answer in time")
        # The messages that have arrived already, without waiting for more.
        messages += consumer.consume(1000, 0)
        for message in messages:
            if (error := message.error()) is not None:
                raise KafkaException(error)
            found.append((message.key(), message.value()))
            position = (message.offset() or 0) + 1
    return found


def _marked(letter: Letter, replayed: set[str]) -> Letter:
    return msgspec.structs.replace(letter, replayed=format_position(letter.source) in replayed)


def _send(producer: Producer, topic: str, key: bytes | None, value: bytes | None) -> None:
    problems: list[object] = []
    producer.produce(topic, value, key, on_delivery=lambda error, _: problems.append(error))
    producer.flush(CONFIRM_WITHIN_S)
    if problems != [None]:
        raise LetterError(f"Kafka has not confirmed the message: {problems[0] if problems else 'no answer'}")
