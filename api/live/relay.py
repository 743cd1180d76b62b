"""The relay: reads a topic of updates and hands on each that is newer than the last of its key, none twice."""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

import telemetry
from api.live.client import Update
from api.live.frames import text_frame
from api.live.recent_reads import RecentReads
from api.live.versions import Versioned, Versions
from clients.behind import KeysBehind
from clients.kafka import ClientOptions, Option, make_consumer, offset_is_gone
from clients.kafka_topics import ensure_topics
from clients.kafka_watch import TopicWatch
from clients.throttle import Throttle
from core.errors import StoppedError

POLL_MESSAGES_MAX = 2_000
POLL_S = 0.1
PROBE_EVERY_S = 2.0
TIMEOUT_S = 2.0
WARM_UP_MESSAGES = 20_000
"""Newest messages of each partition that are read at the start for their versions, and not published. After a
crash, the flow publishes its last second a second time; a relay without those versions would take that for new."""

WARM_UP_PAUSE_S = 10.0
"""Seconds without a message after which the warm-up ends early. A busy machine may need some for the first one."""

GROUP = "pricewax-relay"
"""Only a name: partitions are assigned by hand, so that every API process reads everything."""

OPTIONS: dict[str, Option] = {"enable.partition.eof": True}

Decoded = TypeVar("Decoded", bound=Versioned)

RETRY_S = 0.1
SETTLES_WITHIN_S = 10.0
"""Seconds in which the leaders of new topics are chosen. Errors that say so are not logged until then."""
_SETTLING = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,
)

log = telemetry.get_logger("relay")


class Relay(Generic[Decoded]):
    """Reads in a thread of its own and hands batches to the event loop's thread.

    client: options of every Kafka client. topics: every topic that must exist, with its configuration. decode: a
    message's value (JSON) to its key and version; raises MsgspecError for a value that is unreadable. The frame of
    an update is its message's value, unchanged. A withdrawal is decoded only: it has no frame for all clients.

    `ready` is true once the position after the newest message is fixed in every partition: from then on no message
    is missed, even if Kafka has an outage. `live` is false during an outage of Kafka, while the topic is missing,
    and while a partition cannot be read. New partitions are read from their beginning within a few seconds, and so
    is a topic that was deleted and made again. `reads` has the figures of the last seconds."""

    def __init__(
        self,
        client: ClientOptions,
        topic: str,
        topics: Mapping[str, Mapping[str, str]],
        decode: Callable[[bytes], Decoded],
        *,
        warm_up_messages: int = WARM_UP_MESSAGES,
    ) -> None:
        self._client = client
        self._topic = topic
        self._topics = topics
        self._decode = decode
        self._warm_up_messages = warm_up_messages
        self._versions = Versions()
        self._keys_behind = KeysBehind("relay", "updates_not_newer")
        # By partition: the first offset that is published. Partitions that have messages to read before it.
        self._live_from: dict[int, int] = {}
        self._behind: set[int] = set()
        self._watch = TopicWatch(client, [topic])
        self._checks = 0
        self._topic_id: str | None = None
        # Partitions that give an error in place of messages, with the offset at which they are tried again.
        self._failed: dict[int, int] = {}
        self._throttle = Throttle()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.ready = False
        self.live = False
        self.reads = RecentReads()

    def start(self, publish: Callable[[list[Update]], None], on_decoded: Callable[[Decoded], None]) -> None:
        """Start the thread. Called in the event loop, which then calls, for each batch, `on_decoded` with every
        update that is newer, including those of the warm-up, and after that `publish` with those to publish."""
        loop = asyncio.get_running_loop()

        def hand_over(updates: list[Update], decoded: list[Decoded]) -> None:
            for update in decoded:
                on_decoded(update)
            publish(updates)

        def deliver(updates: list[Update], decoded: list[Decoded]) -> None:
            loop.call_soon_threadsafe(hand_over, updates, decoded)

        self._thread = threading.Thread(target=self._run, args=(deliver,), name="relay", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._watch.stop()
        if self._thread is not None:
            self._thread.join(TIMEOUT_S + POLL_S)

    def _run(self, deliver: Callable[[list[Update], list[Decoded]], None]) -> None:
        try:
            consumer = self._connect()
        except StoppedError:
            return
        except KafkaException as error:
            telemetry.fatal("the relay cannot read Kafka", error=str(error))
        self._warm_up(consumer, deliver)
        self._look(consumer)
        self.ready = self.live = True
        log.info("relay is ready", topic=self._topic)
        probe = TopicPartition(self._topic, 0)
        next_probe = time.monotonic() + PROBE_EVERY_S
        while not self._stop.is_set():
            if self._checks != self._watch.checks:
                self._look(consumer)
            if messages := _poll(consumer, POLL_S):
                updates, decoded = self._select(messages)
                if decoded:
                    deliver(updates, decoded)
                if updates:
                    self.reads.note(len(updates), _written_ms(messages))
                    self._set_live(self._hears_all())
                    next_probe = time.monotonic() + PROBE_EVERY_S
            if time.monotonic() >= next_probe:
                next_probe = time.monotonic() + PROBE_EVERY_S
                self._set_live(_answers(consumer, probe) and self._hears_all())
        consumer.close()

    def _connect(self) -> Consumer:
        """A consumer that stands before the messages of the warm-up. Waits for Kafka. Raises StoppedError if the
        relay is stopped meanwhile."""
        counts = ensure_topics(self._client, self._topics, self._stop)
        self._watch.start(self._stop)
        self._topic_id = self._watch.facts[self._topic].topic_id
        partitions = [TopicPartition(self._topic, index) for index in range(counts[self._topic])]
        consumer = make_consumer(self._client, GROUP, OPTIONS)
        throttle, settled_at = Throttle(), time.monotonic() + SETTLES_WITHIN_S
        for partition in partitions:
            while True:
                try:
                    low, high = consumer.get_watermark_offsets(partition, timeout=TIMEOUT_S)
                    self._live_from[partition.partition] = high
                    partition.offset = max(low, high - self._warm_up_messages)
                    if partition.offset < high:
                        self._behind.add(partition.partition)
                    break
                except KafkaException as error:
                    if self._stop.is_set():
                        consumer.close()
                        raise StoppedError from None
                    settling = error.args[0].code() in _SETTLING and time.monotonic() < settled_at
                    if not settling and throttle.is_due():
                        log.warning("waiting for Kafka", error=error.args[0].str())
                    self._stop.wait(RETRY_S)
        consumer.assign(partitions)
        return consumer

    def _look(self, consumer: Consumer) -> None:
        """Take up what the watch has found: new partitions, or a topic that was made again."""
        self._checks = self._watch.checks
        facts = self._watch.facts[self._topic]
        if facts.problem:
            return
        if self._topic_id is not None and facts.topic_id not in (None, self._topic_id):
            log.error("the topic of updates was deleted and made again; it is read from its beginning")
            telemetry.TOPICS_REMADE.labels(self._topic).inc()
            consumer.unassign()
            self._live_from.clear()
            self._failed.clear()
        self._topic_id = facts.topic_id
        added = [index for index in range(facts.partitions) if index not in self._live_from]
        for index in added:
            self._live_from[index] = 0
        if added:
            log.info("partitions are read from their beginning", topic=self._topic, partitions=added)
        # A partition that gave an error is assigned again: the consumer then reports the error or the end.
        begun = {**dict.fromkeys(added, OFFSET_BEGINNING), **self._failed}
        if self._failed:
            consumer.incremental_unassign([TopicPartition(self._topic, index) for index in self._failed])
        if begun:
            consumer.incremental_assign([TopicPartition(self._topic, *each) for each in begun.items()])

    def _hears_all(self) -> bool:
        """True if every partition that the topic has is read."""
        facts = self._watch.facts[self._topic]
        return not (facts.problem or self._failed) and facts.partitions <= len(self._live_from)

    def _note_error(self, message: Message, error: KafkaError) -> None:
        """Keep the state of a partition. The watch leads to the next attempt to read it."""
        index = message.partition()
        if index is None or index < 0:
            return
        if error.code() == KafkaError._PARTITION_EOF:
            self._failed.pop(index, None)
            return
        gone, offset = offset_is_gone(error), message.offset()
        self._failed[index] = OFFSET_BEGINNING if gone or offset is None or offset < 0 else offset
        if gone:
            # Also where the topic was made again: all that is left in it is news.
            self._live_from[index] = 0
            log.error("updates have left the topic before they were relayed", error=error.str())
        elif self._throttle.is_due():
            log.warning("Kafka gives no updates", topic=self._topic, partition=index, reason=error.str())
        self._watch.check_soon()

    def _warm_up(self, consumer: Consumer, deliver: Callable[[list[Update], list[Decoded]], None]) -> None:
        """Read the messages of before the start, until the first pause of WARM_UP_PAUSE_S."""
        behind = set(self._behind)
        deadline_s = time.monotonic() + WARM_UP_PAUSE_S
        while behind and time.monotonic() < deadline_s and not self._stop.is_set():
            if not (messages := _poll(consumer, POLL_S)):
                continue
            deadline_s = time.monotonic() + WARM_UP_PAUSE_S
            deliver(*self._select(messages))
            # Markers of transactions are no messages: behind them is only the end.
            behind.difference_update(each.partition() for each in messages if _is_end(each))
            for position in consumer.position(consumer.assignment()):
                if position.offset >= self._live_from[position.partition]:
                    behind.discard(position.partition)

    def _select(self, messages: list[Message]) -> tuple[list[Update], list[Decoded]]:
        """The updates that are newer than the last of their key: those to publish, and all of them decoded."""
        updates: list[Update] = []
        decoded: list[Decoded] = []
        decode, is_newer = self._decode, self._versions.advance
        bad = old = 0
        failed = self._failed
        behind: dict[str, None] = {}
        for message in messages:
            if (error := message.error()) is not None:
                self._note_error(message, error)
                continue
            if failed:
                failed.pop(message.partition() or 0, None)
            try:
                value = message.value() or b""
                # msgspec does not check the text of fields that it skips, and a text frame must be UTF-8.
                if not value.isascii():
                    value.decode()
                update = decode(value)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                bad += 1
                continue
            if not is_newer(update.key, update.version):
                old += 1
                if update.version < self._versions[update.key]:
                    behind[update.key] = None
                else:
                    behind.pop(update.key, None)
                    self._keys_behind.catch_up((update.key,))
                continue
            if behind:
                behind.pop(update.key, None)
            decoded.append(update)
            if update.withdrawn:
                continue
            if (message.offset() or 0) >= self._live_from[message.partition() or 0]:
                updates.append((update.key, update.version, text_frame(value)))
        if self._keys_behind.since:
            self._keys_behind.catch_up([update.key for update in decoded])
        if old:
            self._keys_behind.refuse(behind)
            self._keys_behind.count(old - len(behind))
        for outcome, count in (("relayed", len(updates)), ("not_newer", old), ("unreadable", bad)):
            if count:
                telemetry.RELAY_UPDATES.labels(outcome).inc(count)
        return updates, decoded

    def _set_live(self, live: bool) -> None:
        if live != self.live:
            self.live = live
            (log.info if live else log.warning)("Kafka is back" if live else "Kafka is away; the relay waits")


def _is_end(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF


def _written_ms(messages: list[Message]) -> int:
    """Kafka's time stamp of the first message that is one. Ends of partitions and errors have none."""
    return next(message.timestamp()[1] for message in messages if message.error() is None)


def _poll(consumer: Consumer, timeout_s: float) -> list[Message]:
    """Wait for a message, then take all that have arrived with it."""
    messages = consumer.consume(1, timeout_s)
    if messages:
        messages += consumer.consume(POLL_MESSAGES_MAX, 0)
    return messages


def _answers(consumer: Consumer, partition: TopicPartition) -> bool:
    try:
        consumer.get_watermark_offsets(partition, timeout=TIMEOUT_S)
    except KafkaException:
        return False
    return True
