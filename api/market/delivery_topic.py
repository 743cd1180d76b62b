"""The topic of deliveries: a thread that reads the partitions of this process, and writes results to them."""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

import telemetry
from api.market.pending_deliveries import Key, PendingDeliveries
from clients.kafka import ClientOptions, Option, make_consumer, make_producer, offset_is_gone
from clients.kafka_topics import ensure_topics
from clients.kafka_watch import TopicWatch
from clients.throttle import Throttle
from core.errors import StoppedError, describe_error

GROUP = "pricewax-webhooks"
"""Kafka gives each partition to one member of this group. Offsets are not committed: a partition is read from its
beginning by each new owner."""

POLL_MESSAGES_MAX = 2_000
POLL_S = 0.1
RETRY_S = 5.0
"""Seconds until a refused record is written again, and until a consumer that failed is made again."""

WRITING_MAX = 1_000
"""Records that Kafka has not confirmed yet."""

FLUSH_S = 1.0
"""Seconds for the results of partitions that are handed over, so that their next owner reads them."""

STOP_S = 2.0

CONSUMER_OPTIONS: dict[str, Option] = {
    "enable.partition.eof": True,
    # A member that comes or goes must not take all partitions of the others away: each is then read again.
    "partition.assignment.strategy": "cooperative-sticky",
    # After a crash of its owner, a partition waits for this time.
    "session.timeout.ms": 10_000,
    "heartbeat.interval.ms": 2_000,
    # How soon the group takes new partitions of the topic.
    "topic.metadata.refresh.interval.ms": 30_000,
}

PRODUCER_OPTIONS: dict[str, Option] = {
    # No time limit: results wait until Kafka is back.
    "message.timeout.ms": 0,
    "linger.ms": 5,
}

log = telemetry.get_logger("webhooks")


class _ReadAgainError(Exception):
    """The topic has to be read from its beginning by a new consumer."""


class DeliveryTopic:
    """The consumer and the producer of the topic of deliveries, in a thread of their own. Used by `Deliveries`.

    client: options of every Kafka client. config: the configuration with which the topic is made if it is missing.
    on_records: called in the thread after records were read, and after partitions were given away. group: the name
    of the consumer group. now_ms: the clock, UTC milliseconds.

    All failures end in one way: a new consumer reads from the beginning, and what is in memory stays there."""

    def __init__(
        self,
        client: ClientOptions,
        topic: str,
        config: Mapping[str, str],
        pending: PendingDeliveries,
        on_records: Callable[[], None],
        *,
        group: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._client = client
        self._topic = topic
        self._config = config
        self._pending = pending
        self._on_records = on_records
        self._group = group
        self._now_ms = now_ms
        self._stop = threading.Event()
        self._watch = TopicWatch(client, [topic])
        self._thread = threading.Thread(target=self._run, name="webhook-deliveries", daemon=True)
        self._throttle = Throttle()
        self._full_throttle = Throttle()
        self._write_at = 0.0
        # Set while partitions are not given to another process, though the consumer gives them up.
        self._keeps = False

    def start(self) -> None:
        """Start the thread. It waits for Kafka."""
        self._thread.start()

    def stop(self) -> None:
        """Write the results, leave the group and end the thread, within STOP_S. It blocks."""
        self._stop.set()
        self._watch.stop()
        self._thread.join(STOP_S)

    def _run(self) -> None:
        watched = False
        while not self._stop.is_set():
            try:
                ensure_topics(self._client, {self._topic: self._config}, self._stop)
                if not watched:
                    self._watch.start(self._stop)
                    watched = True
                self._read()
            except StoppedError:
                return
            except _ReadAgainError as error:
                log.error("deliveries are read from the beginning of their topic", reason=str(error))
            except Exception as error:
                log.exception("deliveries cannot be read; they are tried again", error=describe_error(error))
                self._stop.wait(RETRY_S)

    def _read(self) -> None:
        """Read and write until the stop. Raises _ReadAgainError, KafkaException."""
        topic_id = self._watch.facts[self._topic].topic_id
        consumer = make_consumer(self._client, self._group, CONSUMER_OPTIONS)
        producer = make_producer(self._client, PRODUCER_OPTIONS)
        self._keeps = False

        def on_assign(_: Consumer, assigned: list[TopicPartition]) -> None:
            self._pending.assign(each.partition for each in assigned)
            begun = [TopicPartition(self._topic, each.partition, OFFSET_BEGINNING) for each in assigned]
            consumer.incremental_assign(begun)
            log.info("deliveries of partitions are taken", partitions=[each.partition for each in assigned])

        def on_revoke(_: Consumer, revoked: list[TopicPartition]) -> None:
            if self._keeps:
                return
            if not self._stop.is_set():
                self._flush(producer)
            self._pending.revoke(each.partition for each in revoked)
            self._on_records()

        def on_lost(_: Consumer, _lost: list[TopicPartition]) -> None:
            self._pending.lose()

        consumer.subscribe([self._topic], on_assign=on_assign, on_revoke=on_revoke, on_lost=on_lost)
        try:
            while not self._stop.is_set():
                self._take(consumer)
                self._write(producer)
                producer.poll(0)
                self._read_again(consumer)
                facts = self._watch.facts[self._topic]
                if topic_id is not None and facts.topic_id not in (None, topic_id):
                    telemetry.TOPICS_REMADE.labels(self._topic).inc()
                    raise _ReadAgainError("the topic was deleted and made again")
            self._flush(producer)
        except BaseException:
            self._keeps = True
            self._pending.lose()
            raise
        finally:
            consumer.close()
            self._pending.write_all_again()

    def _take(self, consumer: Consumer) -> None:
        """Wait for a message, then take all that have arrived with it."""
        messages = consumer.consume(1, POLL_S)
        if not messages:
            return
        messages += consumer.consume(POLL_MESSAGES_MAX, 0)
        now_ms = self._now_ms()
        for message in messages:
            self._take_message(message, now_ms)
        if (skipped := self._pending.skipped()) and self._full_throttle.is_due():
            log.warning("memory is full; further deliveries wait in the topic", partitions=skipped)
        telemetry.WEBHOOK_PARTITIONS_WAITING.set(skipped)
        self._on_records()

    def _take_message(self, message: Message, now_ms: int) -> None:
        partition, offset, error = message.partition(), message.offset(), message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF and partition is not None:
                self._pending.reached_end(partition, now_ms)
            elif offset_is_gone(error):
                raise _ReadAgainError(error.str())
            elif self._throttle.is_due():
                log.warning("Kafka gives no deliveries", topic=self._topic, reason=error.str())
            return
        key = message.key()
        if key is None or partition is None or offset is None:
            # A record without a key cannot be removed, so it would be delivered at each start.
            telemetry.WEBHOOK_DELIVERIES.labels("unreadable").inc()
            return
        self._pending.take((partition, key), offset, message.value(), now_ms)

    def _read_again(self, consumer: Consumer) -> None:
        for index, offset in self._pending.to_read_again().items():
            try:
                consumer.seek(TopicPartition(self._topic, index, offset))
            except KafkaException:
                self._pending.not_read_again(index, offset)

    def _write(self, producer: Producer) -> None:
        """Queue results for Kafka."""
        if time.monotonic() < self._write_at or len(producer) >= WRITING_MAX:
            return
        for key, value in self._pending.writes(WRITING_MAX - len(producer)):
            try:
                producer.produce(
                    self._topic, value, key[1], partition=key[0], on_delivery=partial(self._on_delivery, key)
                )
            except (KafkaException, BufferError) as error:
                self._note_refused(key, str(error))

    def _on_delivery(self, key: Key, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self._pending.written(key, is_confirmed=True)
        elif error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            # Its first record fits, and stays: after a restart, the attempts are counted from the beginning.
            log.warning("Kafka does not take the schedule of a delivery", key=key[1].decode(errors="replace"))
            self._pending.written(key, is_confirmed=True)
        else:
            self._note_refused(key, error.str())
            if error.fatal():
                raise KafkaException(error)

    def _note_refused(self, key: Key, reason: str) -> None:
        self._write_at = time.monotonic() + RETRY_S
        self._pending.written(key, is_confirmed=False)
        if self._throttle.is_due():
            log.warning("Kafka refuses results of deliveries", topic=self._topic, reason=reason)

    def _flush(self, producer: Producer) -> None:
        """Write all results, as far as Kafka takes them within FLUSH_S."""
        deadline_s = time.monotonic() + FLUSH_S
        while True:
            self._write(producer)
            left_s = deadline_s - time.monotonic()
            if not len(producer) or left_s <= 0:
                return
            producer.flush(left_s)
