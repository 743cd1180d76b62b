"""The relay works with any topic whose messages have a key and a version."""

from typing import cast

import msgspec
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from structlog.testing import capture_logs

import telemetry
from api.live import relay as module
from api.live.frames import text_frame
from api.live.relay import Relay
from clients.kafka_watch import TopicFacts


class Tick(msgspec.Struct):
    """An update of a system that is not pricing."""

    key: str = msgspec.field(name="symbol")
    version: int
    withdrawn: bool = False


class FakeMessage:
    def __init__(self, value: bytes, offset: int) -> None:
        self._value, self._offset = value, offset

    def error(self) -> None:
        return None

    def value(self) -> bytes:
        return self._value

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset


def messages(*values: bytes, first_offset: int) -> list[Message]:
    return [cast(Message, FakeMessage(value, first_offset + index)) for index, value in enumerate(values)]


def relay_from(offset: int) -> Relay[Tick]:
    relay = Relay({}, "ticks", {}, msgspec.json.Decoder(Tick).decode)
    relay._live_from = {0: offset}
    return relay


def tick(symbol: str, version: int) -> bytes:
    return msgspec.json.encode({"symbol": symbol, "version": version})


def test_only_what_is_newer_is_handed_on_as_it_was_written() -> None:
    relay = relay_from(0)
    values = [tick("A", 1), tick("A", 1), tick("B", 7), tick("B", 6), tick("A", 2)]
    updates, decoded = relay._select(messages(*values, first_offset=0))
    newer = [("A", 1, values[0]), ("B", 7, values[2]), ("A", 2, values[4])]
    assert updates == [(key, version, text_frame(value)) for key, version, value in newer]
    assert [(each.key, each.version) for each in decoded] == [("A", 1), ("B", 7), ("A", 2)]


def test_messages_of_before_the_start_count_for_versions_and_are_not_published() -> None:
    relay = relay_from(2)
    updates, decoded = relay._select(messages(tick("A", 4), tick("B", 1), first_offset=0))
    assert (updates, [each.key for each in decoded]) == ([], ["A", "B"])
    updates, _ = relay._select(messages(tick("A", 4), tick("A", 5), first_offset=2))
    assert [version for _, version, _ in updates] == [5]


def test_a_message_that_is_unreadable_is_left_out() -> None:
    updates, _ = relay_from(0)._select(
        messages(b"", b"{}", b'{"symbol": "A", "version": 1, "x": "\xff"}', tick("A", 1), first_offset=0)
    )
    assert [key for key, _, _ in updates] == ["A"]


class NewTopic:
    """A consumer of a topic whose partitions have no leader for the first `refused` questions."""

    def __init__(self, refused: int, code: int) -> None:
        self._refused, self._code = refused, code

    def get_watermark_offsets(self, _partition: TopicPartition, timeout: float) -> tuple[int, int]:
        self._refused -= 1
        if self._refused >= 0:
            raise KafkaException(KafkaError(self._code, "no leader"))
        return 0, 0

    def assign(self, _partitions: list[TopicPartition]) -> None:
        """The relay reads from here on."""


@pytest.mark.parametrize(
    ("code", "settles_within_s", "lines"),
    [
        # The leaders of a new topic are chosen within seconds.
        (KafkaError.NOT_LEADER_FOR_PARTITION, 60.0, 0),
        # If they are not, it is said once and not with each question.
        (KafkaError.NOT_LEADER_FOR_PARTITION, 0.0, 1),
        (KafkaError._TRANSPORT, 60.0, 1),
    ],
)
def test_a_new_topic_is_waited_for_in_silence_and_an_outage_is_not(
    code: int, settles_within_s: float, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLES_WITHIN_S", settles_within_s)
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    monkeypatch.setattr(module, "ensure_topics", lambda *_: {"ticks": 4})
    monkeypatch.setattr(module, "make_consumer", lambda *_: NewTopic(15, code))
    relay = relay_from(0)
    monkeypatch.setattr(relay._watch, "start", lambda _: None)
    relay._watch.facts = {"ticks": TopicFacts(4, None)}
    with capture_logs() as logged:
        relay._connect()
    assert [line["event"] for line in logged] == ["waiting for Kafka"] * lines


def test_the_end_of_a_partition_has_no_time_of_writing() -> None:
    class Stamped(FakeMessage):
        def timestamp(self) -> tuple[int, int]:
            return 1, 1_700_000_000_000

    class End(Stamped):
        def error(self) -> KafkaError:  # type: ignore[override]
            return KafkaError(KafkaError._PARTITION_EOF)

        def timestamp(self) -> tuple[int, int]:
            return 0, 0

    read = [cast(Message, End(b"", 4)), cast(Message, Stamped(tick("A", 1), 3))]
    assert module._written_ms(read) == 1_700_000_000_000


class Assigning:
    """A consumer that keeps what it is told to read: partition to its start."""

    def __init__(self) -> None:
        self.reads: dict[int, int] = {}

    def unassign(self) -> None:
        self.reads.clear()

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            del self.reads[each.partition]

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        self.reads.update({each.partition: each.offset for each in partitions})


def look(relay: Relay[Tick], consumer: Assigning, facts: TopicFacts | KafkaError) -> None:
    relay._watch.take({"ticks": facts})
    relay._look(cast(Consumer, consumer))


def test_new_partitions_are_read_from_their_beginning() -> None:
    relay, consumer = relay_from(7), Assigning()
    relay._topic_id = "first"
    look(relay, consumer, TopicFacts(1, "first"))
    assert (consumer.reads, relay._hears_all()) == ({}, True)
    relay._watch.take({"ticks": TopicFacts(3, "first")})
    assert not relay._hears_all()
    relay._look(cast(Consumer, consumer))
    assert consumer.reads == {1: OFFSET_BEGINNING, 2: OFFSET_BEGINNING}
    assert (relay._live_from, relay._hears_all()) == ({0: 7, 1: 0, 2: 0}, True)


def test_a_topic_made_again_is_read_from_its_beginning_and_all_of_it_is_news() -> None:
    relay, consumer = relay_from(7), Assigning()
    relay._topic_id = "first"
    consumer.reads = {0: 9}
    look(relay, consumer, TopicFacts(1, "second"))
    assert consumer.reads == {0: OFFSET_BEGINNING}
    assert relay._live_from == {0: 0}
    updates, _ = relay._select(messages(tick("A", 1), first_offset=0))
    assert len(updates) == 1


def test_a_relay_does_not_hear_all_while_the_topic_is_missing_or_forbidden() -> None:
    relay, consumer = relay_from(0), Assigning()
    consumer.reads = {0: 3}
    look(relay, consumer, TopicFacts(1, "first"))
    try:
        look(relay, consumer, KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
        assert not relay._hears_all()
    finally:
        look(relay, consumer, TopicFacts(1, "first"))
    assert relay._hears_all()


def test_a_partition_that_gives_an_error_is_read_on_where_it_was() -> None:
    relay, consumer = relay_from(0), Assigning()
    consumer.reads = {0: 3}
    look(relay, consumer, TopicFacts(1, "first"))
    for code, start in (
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, 3),
        (KafkaError._AUTO_OFFSET_RESET, OFFSET_BEGINNING),
    ):
        relay._note_error(messages(b"", first_offset=3)[0], KafkaError(code))
        assert not relay._hears_all()
        look(relay, consumer, TopicFacts(1, "first"))
        assert consumer.reads == {0: start}
        relay._note_error(messages(b"", first_offset=3)[0], KafkaError(KafkaError._PARTITION_EOF))
        assert relay._hears_all()


def test_a_key_whose_versions_fall_back_is_behind_and_one_that_is_replayed_is_not() -> None:
    relay = relay_from(0)
    refused = telemetry.NOT_NEWER.labels("relay")._value
    before = refused.get()
    relay._select(messages(*(tick(symbol, 5) for symbol in ("A", "B", "C", "D")), first_offset=0))
    relay._select(messages(tick("A", 1), tick("B", 4), tick("B", 5), tick("C", 4), first_offset=4))
    assert (refused.get() - before, sorted(relay._keys_behind.since)) == (4, ["A", "C"])
    relay._select(messages(tick("C", 5), tick("D", 1), tick("D", 6), tick("A", 2), first_offset=8))
    assert (refused.get() - before, sorted(relay._keys_behind.since)) == (7, ["A"])
    relay._select(messages(tick("A", 6), first_offset=12))
    assert sorted(relay._keys_behind.since) == []
