"""The consumer of a worker: one for all its topic partitions, with what is known of each."""

import math
import threading
import time

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message, TopicPartition

import telemetry
from clients.kafka import ClientOptions, Option, make_consumer, offset_is_gone
from clients.kafka_reasons import Reasons
from clients.kafka_watch import TopicWatch
from core.positions import name_remade

GROUP = "pricewax"
POLL_MESSAGES_MAX = 4096
COMMIT_EVERY_S = 1.0
METADATA_TIMEOUT_S = 5.0

EARLY_OFFSETS = 10_000
"""Offsets from the beginning of a partition whose messages are remembered between two checks of the watch. Only
there can a topic that was made again hold as many messages as the old one before a check notices it."""

OPTIONS: dict[str, Option] = {"queued.min.messages": 20000, "enable.partition.eof": True}

UNKNOWN = math.nan
"""The lag of a partition that cannot be read."""

ResumeState = tuple[int | None, str | None, bool]
"""Next offset (None for the beginning), id of the topic (None if the broker has none), and if the flow has seen the
topic deleted and made again."""

log = telemetry.get_logger("kafka")


def read_resume_state(state: ResumeState | int | None) -> ResumeState:
    """The resume state of a snapshot. Earlier snapshots hold the offset alone."""
    return state if isinstance(state, tuple) else (state, None, False)


class PartitionRead:
    """One topic partition as a worker reads it. Belongs to the worker's thread.

    name: the topic's name in positions. next_offset: of the next message to hand on, None for the beginning.
    end_at_start: the end of the messages that an earlier life may have read, None while it is not known. end: the
    offset at which the consumer last saw the end of the partition, which is behind the markers of transactions; -1
    if it has not. error: the last error of the consumer, empty if the partition can be read. ends_at_check: if the
    next offset has left the topic, the check of the watch at which the flow ends, unless the topic is another one;
    0 otherwise. is_absent: the topic was made again with fewer partitions."""

    def __init__(self, topic: str, index: int, state: ResumeState) -> None:
        self.topic = topic
        self.index = index
        self.next_offset, self.topic_id, self.remade = state
        self.buffer: list[Message] = []
        self.end = -1
        self.end_at_start: int | None = None
        self.error = ""
        self.ends_at_check = 0
        self.is_absent = False
        self._early: tuple[list[Message], list[Message]] = ([], [])
        self._applied: dict[int, Message] = {}
        self._set_name()

    def resume_state(self) -> ResumeState:
        """The resume state, as of the last messages that were taken."""
        return self.next_offset, self.topic_id, self.remade

    @property
    def position(self) -> int:
        """The offset before which everything was handed on, markers of transactions included."""
        return max(self.next_offset or 0, 0 if self.buffer else self.end)

    def confirm(self) -> None:
        """Forget messages that were read before the last check, which this one shows to be of the same topic."""
        _, recent = self._early
        self._early = (recent, [])

    def remember(self, messages: list[Message]) -> None:
        """Remember messages near the beginning, in case they are of a topic that was just made again."""
        self._early[1].extend(messages)

    def begin_again(self, topic_id: str) -> None:
        """Read a topic that was made again, from its beginning. Messages of it that were read at the old offsets
        before this was noticed are not handed on a second time."""
        before, recent = self._early
        self._applied = {message.offset() or 0: message for message in (*before, *recent)}
        self._early = ([], [])
        self.topic_id, self.remade, self.next_offset = topic_id, True, None
        self.end, self.end_at_start = -1, None
        self.buffer = []
        self.error, self.ends_at_check = "", 0
        self._set_name()

    def without_applied(self, messages: list[Message]) -> list[Message]:
        """The messages that were not handed on before the topic was known to be another one."""
        applied = self._applied
        if not applied:
            return messages
        fresh = [message for message in messages if not _is_same(message, applied.get(message.offset() or 0))]
        if (messages[-1].offset() or 0) >= max(applied):
            self._applied = {}
        return fresh

    def _set_name(self) -> None:
        self.name = name_remade(self.topic, self.topic_id or "") if self.remade else self.topic


def _is_same(message: Message, other: Message | None) -> bool:
    return (
        other is not None
        and message.timestamp() == other.timestamp()
        and message.key() == other.key()
        and message.value() == other.value()
    )


class SharedConsumer:
    """One librdkafka consumer for all partitions of a worker, so that there is one connection and one fetch loop to
    a broker, for any number of topics. Belongs to the worker's thread.

    A partition that cannot be read raises the alert `topic_unreadable`, and is tried again with each check of the
    watch. If the next offset has left its topic and the topic is the same, the process ends. group: the consumer
    group to which offsets are committed."""

    def __init__(self, client: ClientOptions, watch: TopicWatch, stop: threading.Event, group: str = GROUP) -> None:
        self._stop = stop
        self._watch = watch
        self._reasons = Reasons(client, "consumer", self._on_error)
        self._consumer = make_consumer(client, group, {**OPTIONS, "error_cb": self._reasons})
        self._reads: dict[tuple[str | None, int | None], PartitionRead] = {}
        self._removed: list[PartitionRead] = []
        self._next_commit = 0.0
        self._checks = watch.checks
        self._down = False
        self._has_errors = False

    def add(self, topic: str, index: int, state: ResumeState) -> PartitionRead:
        """Read a partition too, from the state of its last snapshot."""
        read = self._reads[topic, index] = PartitionRead(topic, index, state)
        telemetry.CONSUMER_LAG.labels(topic, str(index)).set(UNKNOWN)
        facts = self._watch.facts.get(topic)
        if facts is not None and not facts.problem:
            self._compare_ids(read, facts.topic_id)
        if read.next_offset is not None:
            read.end_at_start = self._check_offset(read, read.next_offset)
        self._assign(read)
        return read

    def remove(self, read: PartitionRead) -> None:
        """Stop reading a partition. The last one closes the consumer."""
        if self._reads.pop((read.topic, read.index), None) is None:
            return
        self._removed.append(read)
        if not self._reads:
            self._commit(self._removed, asynchronous=False)
            self._consumer.close()

    @property
    def is_stopped(self) -> bool:
        """True once the flow is asked to stop."""
        return self._stop.is_set()

    def take(self, wait_s: float = 0) -> list[tuple[PartitionRead, list[Message]]]:
        """The messages that have arrived, by partition, in order of offset. Waits so long for the first one."""
        self._poll(wait_s)
        return [(read, fresh) for read in self._reads.values() if read.buffer and (fresh := self._take_from(read))]

    def _take_from(self, read: PartitionRead) -> list[Message]:
        messages, read.buffer = read.buffer, []
        read.next_offset = (messages[-1].offset() or 0) + 1
        fresh = read.without_applied(messages)
        if fresh and (fresh[0].offset() or 0) < EARLY_OFFSETS:
            read.remember(fresh)
        return fresh

    def has_caught_up(self, read: PartitionRead) -> bool:
        """True if all messages from before the start were handed on. An earlier life may also have read a partition
        that has no resume state: it ended before it committed any."""
        if read.is_absent or (read.end >= 0 and not read.buffer):
            return True
        if read.end_at_start is None and (end := self._newest_end(read)) >= 0:
            read.end_at_start = end
        return read.end_at_start is not None and read.position >= read.end_at_start

    def note_progress(self, read: PartitionRead) -> None:
        """Export the lag, and commit the offsets to the group at most once in `COMMIT_EVERY_S`. Both are for
        people; the flow uses neither."""
        telemetry.CONSUMER_LAG.labels(read.topic, str(read.index)).set(self._lag(read))
        if time.monotonic() >= self._next_commit:
            self._next_commit = time.monotonic() + COMMIT_EVERY_S
            self._commit(list(self._reads.values()), asynchronous=True)

    def _lag(self, read: PartitionRead) -> float:
        """Messages that were not read yet; UNKNOWN if Kafka or the partition cannot be read."""
        if read.is_absent:
            return 0
        facts = self._watch.facts.get(read.topic)
        if self._down or not self._watch.reachable or read.error or (facts is not None and facts.problem):
            return UNKNOWN
        high = self._newest_end(read)
        return UNKNOWN if high < 0 else max(0, high - read.position)

    def _newest_end(self, read: PartitionRead) -> int:
        """The end of a partition as of the last answer of the broker, negative before the first."""
        _, high = self._consumer.get_watermark_offsets(TopicPartition(read.topic, read.index), cached=True)
        return high

    def _poll(self, wait_s: float) -> None:
        if self._checks != self._watch.checks:
            self._look()
        messages = self._consumer.consume(POLL_MESSAGES_MAX, 0)
        if not messages and wait_s:
            # A call with a time limit waits until there are as many as it asks for.
            messages = self._consumer.consume(1, wait_s)
            if messages:
                messages += self._consumer.consume(POLL_MESSAGES_MAX, 0)
        if not messages:
            return
        reads = self._reads
        for message in messages:
            if message.error() is not None:
                self._take_error(message)
            else:
                reads[message.topic(), message.partition()].buffer.append(message)
        if self._has_errors:
            self._clear_errors()
        self._set_down(False)

    def _look(self) -> None:
        """Compare each topic with what the watch has found."""
        self._checks = self._watch.checks
        self._set_down(False)
        for read in self._reads.values():
            facts = self._watch.facts.get(read.topic)
            if facts is None or facts.problem:
                continue
            is_other = self._compare_ids(read, facts.topic_id)
            was_absent, read.is_absent = read.is_absent, read.index >= facts.partitions
            if read.is_absent:
                self._unassign(read)
                read.error, self._has_errors = "", self._has_errors or bool(read.error)
            elif is_other or was_absent:
                self._assign(read)
            elif read.ends_at_check:
                if self._checks >= read.ends_at_check:
                    self._end_for_lost_offset(read.topic, read.index, offset=read.next_offset, error=read.error)
            elif read.error:
                # The consumer reports an error once. Assigned again, it reports the error or the end again.
                self._assign(read)
            else:
                read.confirm()

    def _compare_ids(self, read: PartitionRead, topic_id: str | None) -> bool:
        """Set the id of a partition that has none. True if the topic was made again: the partition is then read
        from its beginning."""
        if topic_id is None or topic_id == read.topic_id:
            return False
        if read.topic_id is None:
            read.topic_id = topic_id
            return False
        log.error(
            "a topic was deleted and made again; it is read from its beginning, and unread messages of the old one"
            " are lost",
            topic=read.topic,
            partition=read.index,
            old_offset=read.next_offset,
            old_id=read.topic_id,
            new_id=topic_id,
            in_positions=name_remade(read.topic, topic_id),
        )
        telemetry.TOPICS_REMADE.labels(read.topic).inc()
        telemetry.set_alert("topic_remade", read.topic, holds=True)
        read.begin_again(topic_id)
        return True

    def _assign(self, read: PartitionRead) -> None:
        """Fetch from the next offset, also if the partition is fetched already."""
        self._unassign(read)
        read.buffer = []
        start = OFFSET_BEGINNING if read.next_offset is None else read.next_offset
        self._consumer.incremental_assign([TopicPartition(read.topic, read.index, start)])

    def _unassign(self, read: PartitionRead) -> None:
        partition = TopicPartition(read.topic, read.index)
        if partition in self._consumer.assignment():
            self._consumer.incremental_unassign([partition])

    def _take_error(self, message: Message) -> None:
        error = message.error()
        assert error is not None
        read = self._reads.get((message.topic(), message.partition()))
        if error.code() == KafkaError._FATAL:
            telemetry.fatal("the Kafka client cannot go on", error=self._reasons.text(error))
        if read is None:
            self._on_error(error)
        elif error.code() == KafkaError._PARTITION_EOF:
            read.end = message.offset() or 0
            read.error = ""
        elif not read.error or offset_is_gone(error):
            read.error = self._reasons.text(error)
            # The check that runs now may have begun too early to see another topic.
            read.ends_at_check = self._watch.checks + 2 if offset_is_gone(error) else 0
            self._has_errors = True
            log.warning("Kafka gives no messages", topic=read.topic, partition=read.index, reason=read.error)
            if not read.ends_at_check:
                telemetry.set_alert("topic_unreadable", read.topic, holds=True)
            # The topic may be another one, or it may be gone.
            self._watch.check_soon()

    def _clear_errors(self) -> None:
        """Clear the errors of partitions that are read again."""
        for read in self._reads.values():
            if read.buffer and not read.ends_at_check:
                read.error = ""
        failed = {read.topic for read in self._reads.values() if read.error}
        self._has_errors = bool(failed)
        for topic in {read.topic for read in self._reads.values()} - failed:
            telemetry.set_alert("topic_unreadable", topic, holds=False)

    def _check_offset(self, read: PartitionRead, next_offset: int) -> int:
        while not self._stop.is_set():
            try:
                low, high = self._consumer.get_watermark_offsets(
                    TopicPartition(read.topic, read.index), timeout=METADATA_TIMEOUT_S
                )
            except KafkaException as error:
                self._on_error(error.args[0])
                continue
            if low <= next_offset <= high:
                return high
            self._end_for_lost_offset(read.topic, read.index, offset=next_offset, first=low, end=high)
        return next_offset

    def _end_for_lost_offset(self, topic: str, index: int, **details: object) -> None:
        telemetry.fatal(
            "the next offset to read is not in the topic any more; see docs/operations.md, lost offsets",
            topic=topic,
            partition=index,
            **details,
        )

    def _commit(self, reads: list[PartitionRead], *, asynchronous: bool) -> None:
        offsets = [
            TopicPartition(read.topic, read.index, read.position) for read in reads if read.next_offset is not None
        ]
        if not offsets:
            return
        try:
            if asynchronous:
                self._consumer.commit(offsets=offsets, asynchronous=True)
            else:
                self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            log.debug("group offsets not committed", error=str(error))

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN and not self._down:
            self._down = True
            log.warning("Kafka is down; the flow waits", error=error.str())

    def _set_down(self, down: bool) -> None:
        if self._down and not down:
            log.info("Kafka is back")
        self._down = down
