"""Offsets that a consumer group has committed. They show that a flow has read a topic before."""

import threading
from collections.abc import Mapping

from confluent_kafka import KafkaException, TopicPartition

import telemetry
from clients.kafka import ClientOptions, make_consumer
from clients.kafka_topics import METADATA_TIMEOUT_S, patiently

log = telemetry.get_logger("kafka")


def count_committed(
    client: ClientOptions, group: str, partitions: Mapping[str, int], stop: threading.Event
) -> dict[str, int]:
    """Messages of each topic that a group has read, by its committed offsets. partitions: topic to its number of
    partitions.

    Waits for Kafka without a time limit. Raises StoppedError if `stop` is set in the meantime. An error that
    waiting does not cure, such as a missing permission, is logged; the answer is then empty."""
    wanted = [TopicPartition(topic, index) for topic, count in partitions.items() for index in range(count)]
    consumer = make_consumer(client, group)

    def ask() -> dict[str, int]:
        counts: dict[str, int] = {}
        for found in consumer.committed(wanted, timeout=METADATA_TIMEOUT_S):
            if found.error is not None:
                raise KafkaException(found.error)
            # Without a committed offset, the number is negative.
            counts[found.topic] = counts.get(found.topic, 0) + max(0, found.offset)
        return counts

    try:
        return patiently(client, lambda _: ask(), stop)
    except KafkaException as error:
        log.warning("the offsets of the group are not known", group=group, error=error.args[0].str())
        return {}
    finally:
        consumer.close()
