"""The Kafka source: one source for all topics, one consumer for each worker.

Offsets are resume state, and only the recovery snapshot restores them. They are also committed to a consumer group,
for common lag tools. The flow does not read these back."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from enum import Enum

import msgspec
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from confluent_kafka import Message

from clients.kafka import ClientOptions
from clients.kafka_topics import count_partitions
from clients.kafka_watch import TopicWatch
from connectors.decode.wire import RawMessage, lsn_of
from connectors.shared_consumer import GROUP, PartitionRead, ResumeState, SharedConsumer, read_resume_state
from core.errors import StoppedError

TERMINATED = 143

AT_ONCE = 256
"""If a poll finds this number of messages, more are likely there already."""

TICK = timedelta(milliseconds=1)
"""Time between two polls otherwise, if the worker must not wait in the poll."""

REST_S = 0.004
"""Time from a poll that has found messages to the next one, of a worker that is alone. Messages that come meanwhile
share the cost of a poll."""

WAIT_S = 0.05
"""The longest wait for a message in a poll of a worker that is alone. Timers may fire late by it."""

EPOCH_PASSES = 32
"""Polls after the end of an epoch that do not wait: Bytewax commits the epoch between them."""

IDLE_AFTER_S = 0.1
IDLE_TICK = timedelta(milliseconds=5)
"""Of several workers, time between two polls once nothing has come for `IDLE_AFTER_S`. The first message after a
pause waits for it."""

OTHERS_AWAKE = timedelta(milliseconds=200)
"""Time between two calls of a partition that is not the first of its worker."""


class RawBatch(msgspec.Struct, array_like=True, gc=False):
    """Messages of one topic, those of each partition in order of offset. Each list has one entry for each message,
    with the meaning of the field in `RawMessage`. topic: as in positions. epoch: differs from that of batches that
    the same reader hands on in other epochs. lsns: by place, for messages without a value."""

    topic: str
    partitions: list[int]
    offsets: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    kafka_times_ms: list[int]
    epoch: int = 0
    lsns: dict[int, int | None] = {}

    @classmethod
    def of(cls, topic: str, messages: list[Message], epoch: int) -> "RawBatch":
        """The columns of messages of one topic."""
        values = [message.value() for message in messages]
        lsns: dict[int, int | None] = {}
        if None in values:
            lsns = {
                place: lsn_of(messages[place].headers())  # type: ignore[arg-type]
                for place, value in enumerate(values)
                if value is None
            }
        return cls(
            topic,
            [message.partition() or 0 for message in messages],
            [message.offset() or 0 for message in messages],
            [message.key() for message in messages],
            values,
            [message.timestamp()[1] for message in messages],
            epoch,
            lsns,
        )

    def __len__(self) -> int:
        return len(self.offsets)

    def parts(self, size: int) -> Iterator["RawBatch"]:
        """Batches of at most `size` of these messages, in order."""
        for start in range(0, len(self), size):
            end = start + size
            yield RawBatch(
                self.topic,
                self.partitions[start:end],
                self.offsets[start:end],
                self.keys[start:end],
                self.values[start:end],
                self.kafka_times_ms[start:end],
                self.epoch,
                {place - start: lsn for place, lsn in self.lsns.items() if start <= place < end},
            )

    def messages(self) -> Iterator[RawMessage]:
        """The messages one by one."""
        if not self.lsns:
            return map(RawMessage, self.offsets, self.keys, self.values, self.kafka_times_ms)
        lsns = (self.lsns.get(place) for place in range(len(self)))
        return map(RawMessage, self.offsets, self.keys, self.values, self.kafka_times_ms, lsns)


class CaughtUp(msgspec.Struct, frozen=True, array_like=True):
    """A partition has handed on all messages from before the start. Every shard gets one from each partition.

    It comes in a later epoch than those messages, so Bytewax hands it on after them. partitions: number of
    partitions of the source. was_resumed: the partition continues from a snapshot."""

    partitions: int
    was_resumed: bool


Arrived = RawBatch | tuple[str, CaughtUp]
"""An item of the source: messages, or `(shard, CaughtUp)`."""


class KafkaSource(FixedPartitionedSource[Arrived, ResumeState]):
    """A source of `RawBatch`, and of one `CaughtUp` for each shard and partition. Resume state is the next offset
    to read, and the id of the topic that has it. A partition without resume state is read from its beginning, and
    so is a topic that was made again.

    The source ends when `stop` is set, so that the flow closes its last epoch and a restart continues from there.
    If the next offset has left its topic, the process ends. group: the consumer group to which offsets are
    committed. on_build: called when Bytewax builds the flow, once for each worker."""

    def __init__(
        self,
        client: ClientOptions,
        topics: list[str],
        shards: int,
        stop: threading.Event,
        *,
        watch: TopicWatch,
        group: str = GROUP,
        on_build: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._topics = topics
        self._watch = watch
        self._shards = shards
        self._stop = stop
        self._group = group
        self._on_build = on_build
        self._partitions = 0
        self._readers: dict[int, WorkerReader] = {}

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
        reader = self._readers.get(worker)
        if reader is None:
            consumer = SharedConsumer(self._client, self._watch, self._stop, self._group)
            reader = self._readers[worker] = WorkerReader(consumer, self._shards)
        topic, _, index = for_part.rpartition(":")
        state = read_resume_state(resume_state)
        return reader.add(topic, int(index), state, CaughtUp(self._partitions, state[0] is not None))


class CatchingUp(Enum):
    """A partition reads messages from before the start, then says that it has read them, then is done."""

    READS = 1
    SAYS = 2
    DONE = 3


class WorkerReader:
    """The partitions of one worker. The first one hands on the messages of all, so that Bytewax asks one partition
    for each poll, and not each of them. Belongs to the worker's thread.

    Bytewax cannot be woken by a message, and wakes in every millisecond of a pause of its own. So a worker that is
    alone rests and waits in the poll. What a poll has found has gone through all steps before the next poll. One of
    several workers must not wait, because the others send to it; it polls now and then.

    Bytewax takes the snapshots of all partitions one after the other at the end of an epoch. Messages that the
    first partition hands on in between would be in the state of this epoch, but not in the snapshots that were
    taken. So it hands on nothing until all partitions have given theirs."""

    def __init__(self, consumer: SharedConsumer, shards: int) -> None:
        self._consumer = consumer
        self._shard_names = [str(shard) for shard in range(shards)]
        self._parts: list[KafkaPartition] = []
        self._ends: set[KafkaPartition] = set()
        self._epoch = 0
        self._says = False
        self._last_count = 0
        self._polled_at = 0.0
        self._idle_from = 0.0
        self._passes = EPOCH_PASSES

    def add(self, topic: str, index: int, state: ResumeState, caught_up: CaughtUp) -> "KafkaPartition":
        """Read a partition too."""
        part = KafkaPartition(self, self._consumer.add(topic, index, state), caught_up)
        self._parts.append(part)
        return part

    def remove(self, part: "KafkaPartition") -> None:
        """Stop reading a partition."""
        self._parts.remove(part)
        self._ends.discard(part)
        self._consumer.remove(part.read)

    @property
    def _is_alone(self) -> bool:
        return len(self._parts) == self._parts[0].caught_up.partitions

    def next_batch(self, part: "KafkaPartition") -> list[Arrived]:
        """All that has arrived at any partition, if `part` is the first one. Raises StopIteration when the flow is
        asked to stop."""
        if self._consumer.is_stopped:
            raise StopIteration
        if part is not self._parts[0] or self._ends:
            return []
        self._passes = max(0, self._passes - 1)
        waits = self._is_alone and not self._passes
        if waits and 0 < self._last_count < AT_ONCE:
            time.sleep(max(0.0, self._polled_at + REST_S - time.monotonic()))
        taken = self._consumer.take(WAIT_S if waits else 0)
        self._polled_at = time.monotonic()
        self._last_count = sum(len(messages) for _, messages in taken)
        if taken:
            self._idle_from = self._polled_at + IDLE_AFTER_S
        of_topic: dict[str, list[Message]] = {}
        for read, messages in taken:
            of_topic.setdefault(read.name, []).extend(messages)
        arrived: list[Arrived] = [RawBatch.of(name, found, self._epoch) for name, found in of_topic.items()]
        if self._says:
            self._says = False
            for each in self._parts:
                if each.catching_up is CatchingUp.SAYS:
                    each.catching_up = CatchingUp.DONE
                    arrived += [(shard, each.caught_up) for shard in self._shard_names]
        return arrived

    def snapshot(self, part: "KafkaPartition") -> ResumeState:
        """The resume state of a partition at the end of an epoch."""
        if not self._ends or part not in self._ends:
            self._ends = set(self._parts)
            self._epoch += 1
            self._passes = EPOCH_PASSES
        self._ends.discard(part)
        if part.catching_up is CatchingUp.READS and self._consumer.has_caught_up(part.read):
            part.catching_up = CatchingUp.SAYS
            self._says = True
        self._consumer.note_progress(part.read)
        return part.read.resume_state()

    def pause(self, part: "KafkaPartition") -> timedelta | None:
        """The time until Bytewax is to ask a partition again; None for at once."""
        if part is not self._parts[0]:
            # It only has to notice the end of the flow.
            return OTHERS_AWAKE
        if self._last_count >= AT_ONCE:
            return None
        if self._is_alone:
            return TICK if self._passes else None
        return TICK if time.monotonic() < self._idle_from else IDLE_TICK


class KafkaPartition(StatefulSourcePartition[Arrived, ResumeState]):
    """One topic partition, for Bytewax. Belongs to the worker's thread."""

    def __init__(self, reader: WorkerReader, read: PartitionRead, caught_up: CaughtUp) -> None:
        self._reader = reader
        self.read = read
        self.caught_up = caught_up
        self.catching_up = CatchingUp.READS

    def next_batch(self) -> list[Arrived]:
        return self._reader.next_batch(self)

    def next_awake(self) -> datetime | None:
        pause = self._reader.pause(self)
        return None if pause is None else datetime.now(UTC) + pause

    def snapshot(self) -> ResumeState:
        return self._reader.snapshot(self)

    def close(self) -> None:
        self._reader.remove(self)
