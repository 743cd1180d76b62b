"""Reasons of Kafka, for the log."""

from confluent_kafka import KafkaError

from clients.kafka_reasons import Reasons


def test_a_reason_has_no_secret_and_stands_on_one_line() -> None:
    reasons = Reasons({"sasl.password": "geheim", "sasl.username": "user"})
    reasons(KafkaError(KafkaError._AUTHENTICATION, "user\nmay not come in with geheim"))
    assert reasons.last == "_AUTHENTICATION: user may not come in with **********"


def test_a_consequence_and_an_idle_connection_are_no_reasons() -> None:
    told: list[int] = []
    reasons = Reasons({}, "", lambda error: told.append(error.code()))
    reasons(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    reasons(KafkaError(KafkaError._TRANSPORT, "Disconnected (after 600000ms in state UP)"))
    assert reasons.last == ""
    assert told == [KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT]
