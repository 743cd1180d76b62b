"""The tail of a topic whose partition has no leader for a while."""

import time

import pytest
from confluent_kafka import KafkaError, KafkaException

from clients.kafka import client_options
from core.errors import NotAnsweredError
from sinks.dead_letters import tail
from sinks.dead_letters.tail import TopicTail, read_message

CLIENT = client_options("127.0.0.1:1", {})


class FakeConsumer:
    """A consumer of a topic with one empty partition that refuses `refusals` questions for its end."""

    def __init__(self, error: int, refusals: int) -> None:
        self.topics = {"letters": self}
        self.partitions = [0]
        self._error, self._refusals = error, refusals
        self.closed = False

    def list_topics(self, topic: str, timeout: float) -> "FakeConsumer":
        return self

    def get_watermark_offsets(self, partition: object, timeout: float) -> tuple[int, int]:
        self._refusals -= 1
        if self._refusals >= 0:
            raise KafkaException(KafkaError(self._error))
        return 3, 3

    def close(self) -> None:
        self.closed = True


LEADERLESS = [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE]


@pytest.mark.parametrize("error", LEADERLESS)
def test_a_partition_without_a_leader_is_asked_again(monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    monkeypatch.setattr(tail, "make_consumer", lambda *_: FakeConsumer(error, refusals=2))
    assert TopicTail(CLIENT, "letters", time.monotonic() + 20).partitions == []
    assert read_message(CLIENT, "letters", 0, 1, time.monotonic() + 20) is None


@pytest.mark.parametrize("error", [*LEADERLESS, KafkaError._TIMED_OUT])
def test_one_that_gets_no_leader_has_not_answered(monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    consumer = FakeConsumer(error, refusals=1_000)
    monkeypatch.setattr(tail, "make_consumer", lambda *_: consumer)
    with pytest.raises(NotAnsweredError):
        TopicTail(CLIENT, "letters", time.monotonic())
    assert consumer.closed
    # A message that cannot be looked up is not one that is gone.
    with pytest.raises(NotAnsweredError):
        read_message(CLIENT, "letters", 0, 1, time.monotonic())


def test_any_other_error_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = FakeConsumer(KafkaError.TOPIC_AUTHORIZATION_FAILED, refusals=1)
    monkeypatch.setattr(tail, "make_consumer", lambda *_: consumer)
    with pytest.raises(KafkaException):
        TopicTail(CLIENT, "letters", time.monotonic() + 20)
