"""The Kafka source: one source for all topics, one consumer for each worker, raw messages grouped by shard.

Offsets are resume state, and only the recovery snapshot restores them. They are also committed to a consumer group,
for common lag tools. The flow does not read these back."""

import os
import threading
from collections.abc import Callable, Collection, Iterator
from enum import Enum
from typing import Any

import msgspec
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from confluent_kafka import Message

from clients.kafka import ClientOptions
from clients.kafka_topics import count_partitions
from clients.kafka_watch import TopicWatch
from connectors.decode.wire import RawMessage, routing_key
from connectors.shared_consumer import PartitionRead, ResumeState, SharedConsumer, read_resume_state
from core.errors import StoppedError
from core.shards import shard_of

TERMINATED = 143


class RawBatch(msgspec.Struct, array_like=True, gc=False):
    """Messages of one topic partition whose keys belong to one shard, in order of offset. Each list has one entry
    for each message, with the meaning of the field in `RawMessage`. topic: as in positions."""

    shard: int
    topic: str
    partition: int
    offsets: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    kafka_times_ms: list[int]

    def __len__(self) -> int:
        return len(self.offsets)

    def messages(self) -> Iterator[RawMessage]:
        """The messages one by one."""
        return map(RawMessage, self.offsets, self.keys, self.values, self.kafka_times_ms)

    def __reduce__(self) -> tuple[Any, ...]:
        # With two processes, half of the batches go to the other one. As one bytes object, that costs a third.
        return _unpack_batch, (_pack_batch(self),)


_pack_batch = msgspec.msgpack.Encoder().encode
_decode_batch = msgspec.msgpack.Decoder(RawBatch).decode


def _unpack_batch(packed: bytes) -> RawBatch:
    return _decode_batch(packed)


class CaughtUp(msgspec.Struct, frozen=True, array_like=True):
    """A partition has handed on all messages from before the start. Every shard gets one from each partition.

    It comes in a later epoch than those messages, so Bytewax hands it on after them. partitions: number of
    partitions of the source. was_resumed: the partition continues from a snapshot."""

    partitions: int
    was_resumed: bool


class KafkaSource(FixedPartitionedSource[tuple[str, RawBatch | CaughtUp], ResumeState]):
    """A source of `(shard, RawBatch)`, and of one `CaughtUp` for each shard and partition. Resume state is the next
    offset to read, and the id of the topic that has it. A partition without resume state is read from its
    beginning, and so is a topic that was made again.

    Messages of `broadcast_topics` go to every shard. The source ends when `stop` is set, so that the flow closes
    its last epoch and a restart continues from there. If the next offset has left its topic, the process ends.
    on_build: called when Bytewax builds the flow, once for each worker."""

    def __init__(
        self,
        client: ClientOptions,
        topics: list[str],
        shards: int,
        stop: threading.Event,
        *,
        watch: TopicWatch,
        broadcast_topics: Collection[str] = (),
        on_build: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._topics = topics
        self._watch = watch
        self._broadcast_topics = broadcast_topics
        self._shards = shards
        self._stop = stop
        self._on_build = on_build
        self._partitions = 0
        self._consumers: dict[int, SharedConsumer] = {}

    def list_parts(self) -> list[str]:
        self._on_build()
        try:
            counts = count_partitions(self._client, self._topics, self._stop)
        except StoppedError:
            # Bytewax cannot run without a partition. No epoch has begun, so there is nothing to finish.
            os._exit(TERMINATED)
        self._watch.expect(counts)
        self._partitions = sum(counts[topic] for topic in self._topics)
        return [f"{topic}:{index}" for topic in self._topics for index in range(counts[topic])]

    def build_part(self, step_id: str, for_part: str, resume_state: ResumeState | int | None) -> "KafkaPartition":
        # A worker is a thread, and a consumer belongs to one thread.
        worker = threading.get_ident()
        consumer = self._consumers.get(worker)
        if consumer is None:
            consumer = self._consumers[worker] = SharedConsumer(self._client, self._watch, self._stop)
        topic, _, index = for_part.rpartition(":")
        state = read_resume_state(resume_state)
        return KafkaPartition(
            consumer,
            consumer.add(topic, int(index), state),
            shards=self._shards,
            broadcast=topic in self._broadcast_topics,
            caught_up=CaughtUp(self._partitions, state[0] is not None),
        )


class CatchingUp(Enum):
    """A partition reads messages from before the start, then says that it has read them, then is done."""

    READS = 1
    SAYS = 2
    DONE = 3


class KafkaPartition(StatefulSourcePartition[tuple[str, RawBatch | CaughtUp], ResumeState]):
    """One topic partition: reads the worker's shared consumer, groups messages by shard. Belongs to the worker's
    thread."""

    def __init__(
        self,
        consumer: SharedConsumer,
        read: PartitionRead,
        *,
        shards: int,
        broadcast: bool,
        caught_up: CaughtUp,
    ) -> None:
        self._consumer = consumer
        self._read = read
        self._caught_up = caught_up
        self._catching_up = CatchingUp.READS
        self._shards = shards
        self._broadcast = broadcast
        self._shard_names = [str(shard) for shard in range(shards)]

    def next_batch(self) -> list[tuple[str, RawBatch | CaughtUp]]:
        if self._catching_up is CatchingUp.SAYS:
            self._catching_up = CatchingUp.DONE
            return [(shard, self._caught_up) for shard in self._shard_names]
        messages = self._consumer.take(self._read)
        if not messages:
            return []
        groups: dict[int, list[Message]] = {}
        shards = self._shards
        if self._broadcast:
            groups = dict.fromkeys(range(shards), messages)
        else:
            for message in messages:
                shard = shard_of(message.key() or routing_key(None, message.value()), shards)
                group = groups.get(shard)
                if group is None:
                    groups[shard] = [message]
                else:
                    group.append(message)
        last = self._read.last_offset
        self._read.next_offset = last + 1
        return [(self._shard_names[shard], self._batch(shard, group)) for shard, group in groups.items()]

    def _batch(self, shard: int, messages: list[Message]) -> RawBatch:
        return RawBatch(
            shard,
            self._read.name,
            self._read.index,
            [message.offset() for message in messages],  # type: ignore[misc]  # set on every message read
            [message.key() for message in messages],
            [message.value() for message in messages],
            [message.timestamp()[1] for message in messages],
        )

    def snapshot(self) -> ResumeState:
        if self._catching_up is CatchingUp.READS and self._consumer.has_caught_up(self._read):
            self._catching_up = CatchingUp.SAYS
        self._consumer.note_progress(self._read)
        return self._read.resume_state()

    def close(self) -> None:
        self._consumer.remove(self._read)
