"""The reader of dead letters, which can also send their messages again.

After a message was sent again, a null value under the letter's key (its source position) marks the letter. Lists
show the mark, so that a message is not sent twice by mistake."""

import contextlib
import time
from collections.abc import Iterator

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from clients.kafka import ClientOptions, make_producer
from core.dead_letter import LetterMessage, format_position
from core.errors import LetterError, LetterNotFoundError, NotAnsweredError, NotConfirmedError
from core.positions import SourcePosition, topic_of
from core.shards import shard_of
from core.timestamps import LATEST_MS
from sinks.dead_letters.tail import GROWTH, TopicTail, read_message

SHOWN_BYTES = 4_000
"""Bytes of a message's value that a list holds for each letter, from the beginning."""

KEY_MAX_BYTES = 400
"""A longer key is no source position: the name of a topic has 249 characters at most."""

FIRST_WINDOW = 4
"""Messages of a partition that are read first, besides its share of the letters asked for."""

_SHOWN_BASE64 = 4 * (SHOWN_BYTES // 3 + 1)


class Letter(LetterMessage, kw_only=True):
    """A letter as read from the topic. replayed: its message was sent again."""

    replayed: bool = False


class LetterList(msgspec.Struct, frozen=True):
    """The newest letters, newest first, one for each position; `raw` has the first SHOWN_BYTES only.

    complete: false if the time was over before all letters that belong here were read: older ones may be
    missing."""

    letters: list[Letter]
    complete: bool


_decode = msgspec.json.Decoder(Letter).decode


class DeadLetterTopic:
    """The topic of dead letters. Each call reads it from its end. Memory is bounded by the number of letters asked
    for, and time by `within_s`.

    Methods raise NotAnsweredError if Kafka does not answer in time, LetterError, and KafkaException for other
    errors of Kafka. Any thread may call them. Used by the API and by `tools/dead_letters.py`."""

    def __init__(self, client: ClientOptions, topic: str) -> None:
        self._client = client
        self._topic = topic

    def newest(self, limit: int, code: str | None = None, *, within_s: float) -> LetterList:
        """The newest letters. code: only letters with this error code."""
        with self._tail(time.monotonic() + within_s) as tail:
            newest, replayed = _Newest(limit, code), set[str]()
            # By partition: the time of the oldest letter that was read.
            oldest_ms = dict.fromkeys(tail.partitions, LATEST_MS)
            size = limit // max(1, tail.count) + FIRST_WINDOW
            while partitions := [each for each in tail.partitions if oldest_ms[each] > newest.enough_from_ms()]:
                for partition in partitions:
                    for message in tail.window(partition, size):
                        if message.value() is None:
                            _note_mark(message, replayed)
                        elif letter := _read(message.value() or b""):
                            letter.raw = letter.raw[:_SHOWN_BASE64]
                            oldest_ms[partition] = min(oldest_ms[partition], letter.at)
                            newest.add(letter)
                size *= GROWTH
            if not tail.complete and not tail.messages:
                raise NotAnsweredError("Kafka does not answer in time")
            return LetterList([_marked(letter, replayed) for letter in newest.best()], tail.complete)

    def find(self, source: SourcePosition, *, within_s: float) -> Letter:
        """The letter of a position, with all of its `raw`. Raises LetterNotFoundError if it is not among the
        newest."""
        wanted = format_position(source)
        key = wanted.encode()
        replayed: set[str] = set()
        with self._tail(time.monotonic() + within_s) as tail:
            # Pricewax's own producer chooses the partition by this hash of the key, so it is read first.
            likely = shard_of(key, max(1, tail.count))
            letter: Letter | None = None
            size = FIRST_WINDOW
            while letter is None and tail.partitions:
                for partition in sorted(tail.partitions, key=lambda each: each != likely):
                    # The window is read to its end, because a mark comes after its letter.
                    for message in tail.window(partition, size):
                        if message.value() is None:
                            _note_mark(message, replayed)
                        elif message.key() in (None, key):
                            found = _read(message.value() or b"")
                            letter = found if found and format_position(found.source) == wanted else letter
                    if letter is not None:
                        break
                size *= GROWTH
            if letter is None and not tail.complete:
                raise NotAnsweredError("not all dead letters could be read in time")
        if letter is None:
            raise LetterNotFoundError("no such dead letter among the newest")
        return _marked(letter, replayed)

    def replay(
        self, source: SourcePosition, value: bytes | None = None, *, again: bool = False, within_s: float
    ) -> None:
        """Send the message of a letter to its topic again, then mark the letter. value: sent in place of the
        original value.

        The original value and key come from the topic if the message is still there, and the topic was not made
        again. Else the value comes from the letter, without a key. Raises LetterError if the letter was sent before
        (unless `again`), if it holds only the beginning of the value, or if Kafka refuses the message;
        NotConfirmedError if Kafka does not confirm the message in time: it may still arrive."""
        deadline_s = time.monotonic() + within_s
        # Half of the time for reading, so that the other half is left for the confirmations.
        letter = self.find(source, within_s=within_s / 2)
        if letter.replayed and not again:
            raise LetterError("this letter has been sent again before")
        topic = topic_of(source.topic)
        original = read_message(self._client, topic, source.partition, source.offset, deadline_s)
        if original is not None and not _is_of(letter, original.value() or b""):
            original = None
        key = original.key() if original else None
        if value is None:
            value = original.value() if original else letter.raw_bytes
            if original is None and letter.raw_size > len(letter.raw_bytes):
                raise LetterError("the message has left its topic, and the letter holds only its beginning")
        left_s = max(0.5, deadline_s - time.monotonic())
        producer = make_producer(self._client, {"message.timeout.ms": int(left_s * 1000), "linger.ms": 0})
        _send(producer, topic, key, value, left_s)
        try:
            _send(producer, self._topic, format_position(source).encode(), None, max(0.5, left_s / 2))
        except (LetterError, NotConfirmedError) as error:
            raise LetterError(f"the message was sent again, but its letter is not marked: {error}") from None

    @contextlib.contextmanager
    def _tail(self, deadline_s: float) -> Iterator[TopicTail]:
        with contextlib.closing(TopicTail(self._client, self._topic, deadline_s)) as tail:
            yield tail


class _Newest:
    """The newest letters by position, little more than `limit` of them."""

    def __init__(self, limit: int, code: str | None) -> None:
        self._limit = limit
        self._code = code
        self._letters: dict[str, Letter] = {}

    def add(self, letter: Letter) -> None:
        """Keep a letter if it is among the newest with the code."""
        if self._code is not None and letter.error_code != self._code:
            return
        name = format_position(letter.source)
        before = self._letters.get(name)
        # Letters are written at least once, so a position may come twice. The first was written first.
        if before is None or letter.at < before.at:
            self._letters[name] = letter
        if len(self._letters) > 2 * self._limit + FIRST_WINDOW:
            self._letters = {format_position(each.source): each for each in self.best()}

    def enough_from_ms(self) -> int:
        """The time of the last letter that belongs here, UTC milliseconds. -1 if there are too few letters yet."""
        return self.best()[-1].at if len(self._letters) >= self._limit else -1

    def best(self) -> list[Letter]:
        """The newest letters, newest first."""
        letters = self._letters.values()
        order = sorted(letters, key=lambda each: (each.at, format_position(each.source)), reverse=True)
        return order[: self._limit]


def _note_mark(message: Message, replayed: set[str]) -> None:
    key = message.key() or b""
    if len(key) <= KEY_MAX_BYTES:
        replayed.add(key.decode(errors="replace"))


def _read(value: bytes) -> Letter | None:
    """The letter in a message's value. None if the value is no letter: any program can write to the topic."""
    try:
        letter = _decode(value)
        _ = letter.raw_bytes
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
    source = letter.source
    usable = 0 <= letter.at < LATEST_MS and 0 <= source.partition < 2**31 and 0 <= source.offset < 2**63
    return letter if usable and len(source.topic) <= KEY_MAX_BYTES else None


def _is_of(letter: Letter, value: bytes) -> bool:
    """True if a value is the one that the letter is about, as far as the letter holds it."""
    return len(value) == letter.raw_size and value.startswith(letter.raw_bytes)


def _marked(letter: Letter, replayed: set[str]) -> Letter:
    return msgspec.structs.replace(letter, replayed=format_position(letter.source) in replayed)


def _send(producer: Producer, topic: str, key: bytes | None, value: bytes | None, within_s: float) -> None:
    problems: list[KafkaError | None] = []
    try:
        producer.produce(topic, value, key, on_delivery=lambda error, _: problems.append(error))
        producer.flush(within_s)
    except KafkaException as refusal:
        problems.append(refusal.args[0])
    if problems == [None]:
        return
    problem = problems[0] if problems else None
    if problem is None or problem.code() in (KafkaError._MSG_TIMED_OUT, KafkaError._TIMED_OUT):
        raise NotConfirmedError("Kafka has not confirmed the message; it may still arrive")
    if problem.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        size = len(value or b"") + len(key or b"")
        raise LetterError(f"the message has {size} bytes, more than Kafka takes for {topic}")
    raise LetterError(f"Kafka has refused the message: {problem.str()}")
