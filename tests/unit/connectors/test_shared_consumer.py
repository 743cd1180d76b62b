"""The consumer of a worker: errors of partitions, topics that were made again, the lag."""

import math
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition

import telemetry
from clients.kafka_watch import TopicFacts, TopicWatch
from connectors import shared_consumer
from connectors.shared_consumer import PartitionRead, SharedConsumer, read_resume_state

FORBIDDEN = KafkaError.TOPIC_AUTHORIZATION_FAILED


class FakeMessage:
    def __init__(self, offset: int, value: bytes = b"", error: int | None = None) -> None:
        self._offset, self._value, self._error = offset, value, error

    def error(self) -> KafkaError | None:
        return None if self._error is None else KafkaError(self._error)

    def topic(self) -> str:
        return "events"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes:
        return b"P"

    def value(self) -> bytes:
        return self._value

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_700_000_000_000


class FakeClient:
    """A consumer that gives the messages that it was given. assigned: the start of each assignment, in order."""

    def __init__(self) -> None:
        self.messages: list[FakeMessage] = []
        self.assigned: list[int] = []
        self.high = 10
        self._parts: list[TopicPartition] = []

    def incremental_assign(self, parts: list[TopicPartition]) -> None:
        self.assigned += [part.offset for part in parts]
        self._parts += parts

    def incremental_unassign(self, parts: list[TopicPartition]) -> None:
        for part in parts:
            self._parts.remove(part)

    def assignment(self) -> list[TopicPartition]:
        return self._parts

    def get_watermark_offsets(self, *_: object, **__: object) -> tuple[int, int]:
        return 0, self.high

    def commit(self, **_: object) -> None:
        return None

    def consume(self, *_: object) -> list[FakeMessage]:
        messages, self.messages = self.messages, []
        return messages


class Reader:
    """A partition with the resume state `state`, of a topic with an id that the test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, state: Any, topic_id: str | None = "first") -> None:
        self.client = FakeClient()
        monkeypatch.setattr(shared_consumer, "make_consumer", lambda *_: self.client)
        self.watch = TopicWatch({}, ["events"])
        self.watch.take({"events": TopicFacts(1, topic_id)})
        self.consumer = SharedConsumer({}, self.watch, threading.Event())
        self.read = self.consumer.add("events", 0, read_resume_state(state))

    def take(self, *messages: FakeMessage) -> list[int]:
        """The offsets that are handed on of these messages."""
        self.client.messages += messages
        return [message.offset() or 0 for _, taken in self.consumer.take() for message in taken]

    def check(self, topic_id: str | None) -> list[int]:
        self.watch.take({"events": TopicFacts(1, topic_id)})
        return self.take()

    def lag(self) -> float:
        self.consumer.note_progress(self.read)
        return float(telemetry.CONSUMER_LAG.labels("events", "0")._value.get())


@pytest.fixture(autouse=True)
def alerts() -> Iterator[None]:
    yield
    for code, subject in telemetry.alerts_in_force():
        telemetry.set_alert(code, subject, holds=False)


def views(first: int, end: int, value: bytes = b"old") -> list[FakeMessage]:
    return [FakeMessage(offset, value) for offset in range(first, end)]


def test_a_topic_made_again_while_nothing_read_it_begins_again_under_another_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remade = telemetry.TOPICS_REMADE.labels("events")._value
    before = remade.get()
    reader = Reader(monkeypatch, (10, "first", False), "second")
    assert remade.get() - before == 1
    assert reader.client.assigned == [OFFSET_BEGINNING]
    assert reader.read.name == "events#second"
    assert reader.take(*views(0, 25)) == list(range(25))
    assert reader.read.resume_state() == (25, "second", True)
    assert telemetry.alerts_in_force() == [("topic_remade", "events")]


def test_the_same_topic_goes_on_and_an_offset_without_an_id_takes_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch, 10)
    assert reader.client.assigned == [10]
    assert reader.read.resume_state() == (10, "first", False)
    assert Reader(monkeypatch, (10, "first", False)).client.assigned == [10]
    assert Reader(monkeypatch, (10, "first", False), None).client.assigned == [10]


def test_messages_of_the_new_topic_that_were_read_at_old_offsets_are_not_read_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = Reader(monkeypatch, (10, "first", False))
    assert reader.check("first") == []
    assert reader.take(*views(10, 20, b"new")) == list(range(10, 20))
    assert reader.check("second") == []
    assert reader.client.assigned == [10, OFFSET_BEGINNING]
    assert reader.take(*views(0, 15, b"new")) == list(range(10))
    assert reader.read.resume_state() == (15, "second", True)
    assert reader.take(*views(15, 25, b"new")) == list(range(20, 25))
    assert reader.read.resume_state() == (25, "second", True)


def test_other_messages_at_the_same_offsets_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch, (10, "first", False))
    assert reader.take(*views(10, 20)) == list(range(10, 20))
    reader.check("second")
    assert reader.take(*views(0, 25, b"new")) == list(range(25))


def test_an_offset_that_is_gone_ends_the_flow_only_if_the_topic_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fatal(*_: object, **__: object) -> None:
        raise SystemExit

    monkeypatch.setattr(telemetry, "fatal", fatal)
    reader = Reader(monkeypatch, (10, "first", False))
    reader.take(FakeMessage(10, error=KafkaError._AUTO_OFFSET_RESET))
    assert reader.check("second") == []
    assert reader.take(*views(0, 5)) == list(range(5))
    reader = Reader(monkeypatch, (10, "first", False))
    reader.take(FakeMessage(10, error=KafkaError._AUTO_OFFSET_RESET))
    assert reader.check("first") == []
    with pytest.raises(SystemExit):
        reader.check("first")


def test_a_right_that_was_taken_away_is_an_alert_and_no_lag_of_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch, (10, "first", False))
    assert reader.lag() == 0
    reader.take(FakeMessage(10, error=FORBIDDEN))
    assert telemetry.alerts_in_force() == [("topic_unreadable", "events")]
    assert math.isnan(reader.lag())
    # Assigned again with each check, because the consumer reports an error once.
    reader.check("first")
    assert reader.client.assigned == [10, 10]
    reader.take(FakeMessage(10, error=KafkaError._PARTITION_EOF))
    assert telemetry.alerts_in_force() == []
    assert reader.lag() == 0


def test_the_marker_of_a_transaction_is_no_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch, (10, "first", False))
    reader.client.high = 13
    assert reader.take(*views(10, 12)) == [10, 11]
    assert reader.lag() == 1
    reader.take(FakeMessage(13, error=KafkaError._PARTITION_EOF))
    assert reader.lag() == 0
    assert reader.read.position == 13
    reader.client.high = 20
    assert reader.lag() == 7


def test_the_lag_is_not_known_while_kafka_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch, (10, "first", False))
    reader.watch.reachable = False
    assert math.isnan(reader.lag())


def test_a_partition_that_the_new_topic_does_not_have_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch, (10, "first", False))
    reader.watch.take({"events": TopicFacts(0, "second")})
    reader.take()
    assert reader.client.assignment() == []
    assert reader.lag() == 0
    assert isinstance(reader.read, PartitionRead)


def test_a_partition_that_comes_back_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch, (10, "first", False))
    reader.watch.take({"events": TopicFacts(0, "second")})
    reader.take()
    assert reader.check("second") == []
    assert [part.partition for part in reader.client.assignment()] == [0]
    assert reader.check("second") == []
    assert len(reader.client.assignment()) == 1


@pytest.mark.parametrize("state", [None, (None, "first", False), (None, "before", True), (4, "first", False)])
def test_messages_from_before_the_start_are_waited_for_also_without_a_resume_state(
    monkeypatch: pytest.MonkeyPatch, state: Any
) -> None:
    reader = Reader(monkeypatch, state)
    first = reader.read.next_offset or 0
    assert not reader.consumer.has_caught_up(reader.read)
    reader.take(*views(first, 9))
    assert not reader.consumer.has_caught_up(reader.read)
    # Messages that came after the start are not waited for.
    reader.client.high = 1_000
    reader.take(*views(9, 10))
    assert reader.consumer.has_caught_up(reader.read)


def test_before_an_answer_of_the_broker_nothing_is_caught_up(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch, None)
    reader.client.high = -1001
    assert not reader.consumer.has_caught_up(reader.read)
    # The end is behind the marker of a transaction.
    reader.take(FakeMessage(0, error=KafkaError._PARTITION_EOF))
    assert reader.consumer.has_caught_up(reader.read)
