"""A producer on a topic that is just being made: the broker refuses its first messages and takes later ones."""

import threading
import uuid

import confluent_kafka
from confluent_kafka import KafkaError, TopicPartition

from clients.kafka import client_options, make_consumer, make_producer
from clients.kafka_topics import ensure_topics
from stack.broker import EmbeddedBroker
from stack.kafka import KafkaServer

ROUNDS = 10
MESSAGES = 24
VALUE = b"x" * 600_000
"""Two of them do not fit into a batch, so that more than one batch may be under way."""


def test_messages_that_are_confirmed_are_in_the_topic(broker: KafkaServer | EmbeddedBroker) -> None:
    """Kafka takes any first batch of a producer that a partition does not know. If one was refused as the partition
    had no leader yet, and a later one that was under way was taken, Kafka calls the first one a repetition when it
    is sent again, and librdkafka reports it as delivered."""
    client = client_options(broker.brokers, {})
    consumer = make_consumer(client, "test")
    errors: list[KafkaError | None] = []

    def note(error: KafkaError | None, _: confluent_kafka.Message) -> None:
        errors.append(error)

    for number in range(1, ROUNDS + 1):
        topic = f"t{uuid.uuid4().hex[:10]}"
        producer = make_producer(client, {"linger.ms": 1})
        partitions = ensure_topics(client, {topic: {}}, threading.Event())[topic]
        for index in range(MESSAGES):
            producer.produce(topic, VALUE, str(index).encode(), on_delivery=note)
        assert producer.flush(30) == 0
        assert errors == [None] * MESSAGES * number
        ends = [consumer.get_watermark_offsets(TopicPartition(topic, index), 10)[1] for index in range(partitions)]
        assert sum(ends) == MESSAGES, f"round {number}: {ends}"
    consumer.close()
