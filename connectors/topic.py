"""The source of one topic, read by one worker from given positions, for a flow whose output keeps them."""

import threading
import time
from collections.abc import Mapping
from datetime import datetime

import msgspec
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from clients.kafka import ClientOptions
from clients.kafka_watch import TopicWatch
from connectors.kafka import WAIT_S, RawBatch
from connectors.shared_consumer import PartitionRead, ResumeState, SharedConsumer

BEAT_S = 0.5
"""Time between two items of a source without messages."""


class TopicRead(msgspec.Struct, array_like=True, gc=False):
    """Messages that have arrived, and the positions of the topic's partitions behind them."""

    batches: list[RawBatch]
    positions: dict[int, ResumeState]


class TopicSource(FixedPartitionedSource[TopicRead, None]):
    """A source of `TopicRead`, with one partition for the whole topic. It ends when `stop` is set. A partition of
    the topic without a position is read from its beginning, also one that is added later."""

    def __init__(
        self,
        client: ClientOptions,
        topic: str,
        positions: Mapping[int, ResumeState],
        stop: threading.Event,
        *,
        watch: TopicWatch,
        group: str,
    ) -> None:
        self._client = client
        self._topic = topic
        self._positions = positions
        self._stop = stop
        self._watch = watch
        self._group = group

    def list_parts(self) -> list[str]:
        return [self._topic]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "_Partition":
        consumer = SharedConsumer(self._client, self._watch, self._stop, self._group)
        return _Partition(consumer, self._topic, self._positions, self._watch)


class _Partition(StatefulSourcePartition[TopicRead, None]):
    """The whole topic. Belongs to the worker's thread."""

    def __init__(
        self, consumer: SharedConsumer, topic: str, positions: Mapping[int, ResumeState], watch: TopicWatch
    ) -> None:
        self._consumer = consumer
        self._topic = topic
        self._watch = watch
        self._checks = watch.checks
        self._reads: dict[int, PartitionRead] = {}
        self._next_beat = 0.0
        for index, state in positions.items():
            self._reads[index] = consumer.add(topic, index, state)
        self._add_partitions()

    def _add_partitions(self) -> None:
        for index in range(self._watch.facts[self._topic].partitions):
            if index not in self._reads:
                self._reads[index] = self._consumer.add(self._topic, index, (None, None, False))

    def next_batch(self) -> list[TopicRead]:
        if self._consumer.is_stopped:
            raise StopIteration
        if self._checks != self._watch.checks:
            self._checks = self._watch.checks
            self._add_partitions()
        taken = self._consumer.take(WAIT_S)
        batches = [RawBatch.of(read.name, messages, 0) for read, messages in taken]
        now = time.monotonic()
        if not batches and now < self._next_beat:
            return []
        self._next_beat = now + BEAT_S
        for read in self._reads.values():
            self._consumer.note_progress(read)
        return [TopicRead(batches, {index: read.resume_state() for index, read in self._reads.items()})]

    def next_awake(self) -> datetime | None:
        return None

    def snapshot(self) -> None:
        return None

    def close(self) -> None:
        for read in self._reads.values():
            self._consumer.remove(read)
