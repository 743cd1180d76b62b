"""The watch over topics: what it takes from Kafka's answers, and which alerts it raises."""

from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError

import telemetry
from clients.kafka_watch import TopicFacts, TopicWatch

MISSING = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
FORBIDDEN = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
CODES = ("topic_missing", "topic_forbidden", "partitions_added")


@pytest.fixture
def watch() -> Iterator[TopicWatch]:
    yield TopicWatch({}, ["a"])
    for code in CODES:
        telemetry.set_alert(code, "a", holds=False)


def test_a_topic_is_missing_after_two_checks_and_there_again_after_one(watch: TopicWatch) -> None:
    watch.take({"a": TopicFacts(4, "first")})
    watch.take({"a": MISSING})
    assert (telemetry.alerts_in_force(), watch.facts["a"].problem) == ([], "")
    watch.take({"a": MISSING})
    assert telemetry.alerts_in_force() == [("topic_missing", "a")]
    assert watch.facts["a"] == TopicFacts(4, "first", "topic_missing")
    watch.take({"a": TopicFacts(4, "second")})
    assert telemetry.alerts_in_force() == []
    assert watch.facts["a"] == TopicFacts(4, "second")


def test_a_right_that_was_taken_away_is_an_alert_at_once(watch: TopicWatch) -> None:
    watch.take({"a": TopicFacts(4, "first")})
    watch.take({"a": FORBIDDEN})
    assert telemetry.alerts_in_force() == [("topic_forbidden", "a")]
    assert watch.facts["a"].problem == "topic_forbidden"


def test_a_broker_that_still_has_the_old_topic_is_not_believed(watch: TopicWatch) -> None:
    for topic_id in ("first", "second", "first"):
        watch.take({"a": TopicFacts(4, topic_id)})
    assert watch.facts["a"].topic_id == "second"


def test_more_partitions_than_are_read_are_an_alert_until_they_are_read(watch: TopicWatch) -> None:
    watch.expect({"a": 4})
    watch.take({"a": TopicFacts(8, "first")})
    assert telemetry.alerts_in_force() == [("partitions_added", "a")]
    watch.expect({"a": 8})
    watch.take({"a": TopicFacts(8, "first")})
    assert telemetry.alerts_in_force() == []
