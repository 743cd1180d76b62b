"""The Kafka source: one source for all topics, one consumer for each worker, raw messages grouped by shard.

Offsets are resume state, and only the recovery snapshot restores them. They are also committed to a consumer group,
for common lag tools. The flow does not read these back."""

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from enum import Enum
from typing import Any

import msgspec
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message, TopicPartition

import telemetry
from clients.kafka import ClientOptions, Option, make_consumer, offset_is_gone
from clients.kafka_topics import count_partitions
from connectors.decode.wire import RawMessage, routing_key
from core.errors import StoppedError
from core.shards import shard_of

GROUP = "pricewax"
POLL_MESSAGES_MAX = 4096
IDLE_POLL_S = 0.001
COMMIT_EVERY_S = 1.0
METADATA_TIMEOUT_S = 5.0
TERMINATED = 143

OPTIONS: dict[str, Option] = {"queued.min.messages": 20000}

log = telemetry.get_logger("kafka")


class RawBatch(msgspec.Struct, array_like=True, gc=False):
    """Messages of one topic partition whose keys belong to one shard, in order of offset. Each list has one entry
    for each message, with the meaning of the field in `RawMessage`."""

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


class KafkaSource(FixedPartitionedSource[tuple[str, RawBatch | CaughtUp], int | None]):
    """A source of `(shard, RawBatch)`, and of one `CaughtUp` for each shard and partition. Resume state is the next
    offset to read. A partition without resume state is read from its beginning.

    Messages of `broadcast_topics` go to every shard. The source ends when `stop` is set, so that the flow closes
    its last epoch and a restart continues from there. If the next offset has left its topic, the process ends.
    on_build: called when Bytewax builds the flow, once for each worker."""

    def __init__(
        self,
        client: ClientOptions,
        topics: list[str],
        shards: int,
        stop: threading.Event,
        broadcast_topics: Collection[str] = (),
        *,
        on_build: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._topics = topics
        self._broadcast_topics = broadcast_topics
        self._shards = shards
        self._stop = stop
        self._on_build = on_build
        self._partitions = 0
        self._consumers: dict[int, _SharedConsumer] = {}

    def list_parts(self) -> list[str]:
        self._on_build()
        try:
            counts = count_partitions(self._client, self._topics, self._stop)
        except StoppedError:
            # Bytewax cannot run without a partition. No epoch has begun, so there is nothing to finish.
            os._exit(TERMINATED)
        self._partitions = sum(counts[topic] for topic in self._topics)
        return [f"{topic}:{index}" for topic in self._topics for index in range(counts[topic])]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "KafkaPartition":
        # A worker is a thread, and a consumer belongs to one thread.
        worker = threading.get_ident()
        consumer = self._consumers.get(worker)
        if consumer is None:
            consumer = self._consumers[worker] = _SharedConsumer(self._client, self._stop)
        topic, _, index = for_part.rpartition(":")
        return KafkaPartition(
            consumer,
            topic=topic,
            index=int(index),
            resume_state=resume_state,
            shards=self._shards,
            broadcast=topic in self._broadcast_topics,
            partitions=self._partitions,
        )


class CatchingUp(Enum):
    """A partition reads messages from before the start, then says that it has read them, then is done."""

    READS = 1
    SAYS = 2
    DONE = 3


class KafkaPartition(StatefulSourcePartition[tuple[str, RawBatch | CaughtUp], int | None]):
    """One topic partition: reads the worker's shared consumer, groups messages by shard. Belongs to the worker's
    thread."""

    def __init__(
        self,
        consumer: "_SharedConsumer",
        *,
        topic: str,
        index: int,
        resume_state: int | None,
        shards: int,
        broadcast: bool,
        partitions: int,
    ) -> None:
        self._consumer = consumer
        self._caught_up = CaughtUp(partitions, resume_state is not None)
        self._catching_up = CatchingUp.READS
        self._topic = topic
        self._index = index
        self._next_offset = resume_state
        self._shards = shards
        self._broadcast = broadcast
        self._shard_names = [str(shard) for shard in range(shards)]
        self._end_at_start = consumer.add(topic, index, resume_state)

    def next_batch(self) -> list[tuple[str, RawBatch | CaughtUp]]:
        if self._catching_up is CatchingUp.SAYS:
            self._catching_up = CatchingUp.DONE
            return [(shard, self._caught_up) for shard in self._shard_names]
        messages = self._consumer.take(self._topic, self._index)
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
        last: int = messages[-1].offset()  # type: ignore[assignment]  # set on every message read
        self._next_offset = last + 1
        return [(self._shard_names[shard], self._batch(shard, group)) for shard, group in groups.items()]

    def _batch(self, shard: int, messages: list[Message]) -> RawBatch:
        return RawBatch(
            shard,
            self._topic,
            self._index,
            [message.offset() for message in messages],  # type: ignore[misc]  # as above
            [message.key() for message in messages],
            [message.value() for message in messages],
            [message.timestamp()[1] for message in messages],
        )

    def snapshot(self) -> int | None:
        if self._catching_up is CatchingUp.READS and (self._next_offset or 0) >= self._end_at_start:
            self._catching_up = CatchingUp.SAYS
        if self._next_offset is not None:
            self._consumer.note_progress(self._topic, self._index, self._next_offset)
        return self._next_offset

    def close(self) -> None:
        self._consumer.remove(self._topic, self._index)


class _SharedConsumer:
    """One librdkafka consumer for all partitions of a worker, so that there is one connection and one fetch loop to
    a broker, for any number of topics. Belongs to the worker's thread."""

    def __init__(self, client: ClientOptions, stop: threading.Event) -> None:
        self._stop = stop
        self._consumer = make_consumer(client, GROUP, {**OPTIONS, "error_cb": self._on_error})
        self._buffers: dict[tuple[str, int], list[Message]] = {}
        self._progress: dict[tuple[str, int], int] = {}
        self._idle_until = 0.0
        self._next_commit = 0.0
        self._down = False

    def add(self, topic: str, index: int, next_offset: int | None) -> int:
        """Read a partition too. next_offset: the first to read, None for the beginning. Returns the end of the
        messages that an earlier life may have read: the partition's end, or 0 for the beginning."""
        end = 0
        if next_offset is not None:
            end = self._check_offset(topic, index, next_offset)
        self._buffers[topic, index] = []
        start = OFFSET_BEGINNING if next_offset is None else next_offset
        self._consumer.incremental_assign([TopicPartition(topic, index, start)])
        return end

    def remove(self, topic: str, index: int) -> None:
        """Stop reading a partition. The last one closes the consumer."""
        self._buffers.pop((topic, index), None)
        if not self._buffers:
            self._commit(asynchronous=False)
            self._consumer.close()

    def take(self, topic: str, index: int) -> list[Message]:
        """The messages of a partition that have arrived. Raises StopIteration once `stop` is set."""
        if self._stop.is_set():
            raise StopIteration
        buffer = self._buffers[topic, index]
        if not buffer:
            self._poll()
            buffer = self._buffers[topic, index]
        if buffer:
            self._buffers[topic, index] = []
        return buffer

    def note_progress(self, topic: str, index: int, next_offset: int) -> None:
        """Export the lag, and commit the offsets to the group at most once in `COMMIT_EVERY_S`. Both are for
        people; the flow uses neither."""
        self._progress[topic, index] = next_offset
        partition = TopicPartition(topic, index, next_offset)
        _, high = self._consumer.get_watermark_offsets(partition, cached=True)
        if high >= 0:
            telemetry.CONSUMER_LAG.labels(topic, str(index)).set(max(0, high - next_offset))
        if time.monotonic() >= self._next_commit:
            self._next_commit = time.monotonic() + COMMIT_EVERY_S
            self._commit(asynchronous=True)

    def _poll(self) -> None:
        now = time.monotonic()
        if now < self._idle_until:
            return
        messages = self._consumer.consume(POLL_MESSAGES_MAX, 0)
        if not messages:
            self._idle_until = now + IDLE_POLL_S
            return
        buffers = self._buffers
        for message in messages:
            if message.error() is not None:
                self._check_error(message)
            else:
                # message.topic() and message.partition() are always set on a message without error.
                buffers[message.topic(), message.partition()].append(message)  # type: ignore[index]
        if self._down:
            self._down = False
            log.info("Kafka is back")

    def _check_error(self, message: Message) -> None:
        error = message.error()
        assert error is not None
        if offset_is_gone(error) or error.code() == KafkaError._FATAL:
            telemetry.fatal(
                "the next offset to read is not in the topic any more; see docs/operations.md, lost offsets",
                topic=message.topic(),
                partition=message.partition(),
                error=error.str(),
            )
        self._on_error(error)

    def _check_offset(self, topic: str, index: int, next_offset: int) -> int:
        while not self._stop.is_set():
            try:
                low, high = self._consumer.get_watermark_offsets(
                    TopicPartition(topic, index), timeout=METADATA_TIMEOUT_S
                )
            except KafkaException as error:
                self._on_error(error.args[0])
                continue
            if low <= next_offset <= high:
                return high
            telemetry.fatal(
                "the next offset to read is not in the topic any more; see docs/operations.md, lost offsets",
                topic=topic,
                partition=index,
                offset=next_offset,
                first=low,
                end=high,
            )
        return next_offset

    def _commit(self, *, asynchronous: bool) -> None:
        offsets = [TopicPartition(*part, offset) for part, offset in self._progress.items()]
        if not offsets:
            return
        try:
            kwargs: dict[str, Any] = {"offsets": offsets, "asynchronous": asynchronous}
            self._consumer.commit(**kwargs)
        except KafkaException as error:
            log.debug("group offsets not committed", error=str(error))

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN and not self._down:
            self._down = True
            log.warning("Kafka is down; the flow waits", error=error.str())
