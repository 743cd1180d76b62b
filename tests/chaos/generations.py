"""The events topic of a storm, which is deleted and made again: its messages of all times, with positions that are
unique over all of them."""

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from clients.kafka_watch import TopicFacts, describe_topics
from core.positions import name_remade
from tests.support.pipeline import Message, Pipeline, wait_for
from tests.support.producer import make_producer

APART = 1_000
"""Partition p of the topic as it was made for the g-th time has the number `g * APART + p`, counted from 0."""


class Generations:
    """The topic `product-events`."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._admin = AdminClient({"bootstrap.servers": pipeline.brokers})
        self._names = [pipeline.topics["product-events"]]
        self._past: list[Message] = []
        self._since: dict[int, int] = {}

    def messages(self) -> list[Message]:
        """Return all messages that were ever in the topic, with the partitions of `partition_of`."""
        present = self._pipeline.read("product-events")
        for message in present:
            message.partition += (len(self._names) - 1) * APART
        return self._past + present

    def partition_of(self, source_topic: str, partition: int) -> int:
        """Return the number of a partition. source_topic: the topic's name in positions, which has an id if the
        flow has seen that the partition was made again."""
        if source_topic not in self._names:
            return partition
        made = self._names.index(source_topic) or self._since.get(partition, len(self._names) - 1)
        return made * APART + partition

    def has(self, source_topic: str) -> bool:
        """Return True if a name in positions is that of the topic, at any time."""
        return source_topic in self._names

    def make_again(self, partitions: int) -> None:
        """Delete the topic and make it with this number of partitions. Nothing else may read or write it then."""
        self._past = self.messages()
        for partition in range(partitions):
            self._since.setdefault(partition, len(self._names) - 1)
        name = self._names[0]
        before = self._topic_id()
        self._admin.delete_topics([name])[name].result(30)
        wait_for(lambda: name not in self._admin.list_topics(timeout=10).topics, what="the topic to be gone")
        self._admin.create_topics([NewTopic(name, partitions, 1)])[name].result(30)
        wait_for(lambda: self._topic_id() not in (None, before), what="the new topic")
        self._names.append(name_remade(name, str(self._topic_id())))
        # A producer that was there before knows the old topic.
        self._pipeline.producer = make_producer(self._pipeline.brokers)

    def _topic_id(self) -> str | None:
        name = self._names[0]
        facts = describe_topics(self._admin, [name])[name]
        return facts.topic_id if isinstance(facts, TopicFacts) else None
