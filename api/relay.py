"""The relay: every price update from Kafka to the hub, from the moment it is ready, none twice."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

import telemetry
from api.hub import Hub, Update
from api.pricing.board import Board, SeenUpdate
from api.ws_protocol import text_frame
from connectors.topics import StoppedError, ensure_topics

POLL_MESSAGES_MAX = 2_000
POLL_S = 0.1
PROBE_EVERY_S = 2.0
TIMEOUT_S = 2.0
WINDOW_S = 10.0
WARM_UP_MESSAGES = 20_000
"""Read of each partition at the start, and not passed on. After a crash the flow publishes its last second again:
whoever does not know what was published before would take that for news."""

RECENT_READS = 10_000

CONSUMER_OPTIONS: dict[str, str | int | bool] = {
    # Assigned by hand, so that every API process reads everything; the group is only a name.
    "group.id": "pricewax-relay",
    "enable.auto.commit": False,
    "auto.offset.reset": "latest",
    "fetch.wait.max.ms": 10,
    "fetch.error.backoff.ms": 50,
    "queued.max.messages.kbytes": 16384,
}

log = telemetry.get_logger("relay")


_decode = msgspec.json.Decoder(SeenUpdate).decode


class Relay:
    """Reads in a thread of its own and hands batches to the event loop; what was published before its start goes to
    the board alone.

    `ready` is true once the position after the newest message is fixed in every partition: whatever is
    produced from then on is read, be it after an outage of Kafka. `live` is false while Kafka is away.
    """

    def __init__(
        self, client: Mapping[str, str | int], topic: str, topics: Mapping[str, Mapping[str, str]]
    ) -> None:
        self._client = client
        self._topic = topic
        self._topics = topics
        self._versions: dict[str, int] = {}
        # By partition: the first offset that is passed on; those with something to read before that.
        self._live_from: dict[int, int] = {}
        self._behind: set[int] = set()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.ready = False
        self.live = False
        self.last_update_ms: int | None = None
        self._recent: deque[tuple[float, int, float]] = deque(maxlen=RECENT_READS)

    def start(self, hub: Hub, board: Board) -> None:
        loop = asyncio.get_running_loop()

        def hand_over(updates: list[Update], decoded: list[SeenUpdate]) -> None:
            for update in decoded:
                board.note(update)
            hub.publish(updates)

        def deliver(updates: list[Update], decoded: list[SeenUpdate]) -> None:
            loop.call_soon_threadsafe(hand_over, updates, decoded)

        self._thread = threading.Thread(target=self._run, args=(deliver,), name="relay", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(TIMEOUT_S + POLL_S)

    def _run(self, deliver: Callable[[list[Update], list[SeenUpdate]], None]) -> None:
        try:
            consumer = self._connect()
        except StoppedError:
            return
        except KafkaException as error:
            telemetry.fatal("the relay cannot read Kafka", error=str(error))
        self._warm_up(consumer, deliver)
        self.ready = self.live = True
        log.info("relay is ready", topic=self._topic)
        probe = TopicPartition(self._topic, 0)
        next_probe = time.monotonic() + PROBE_EVERY_S
        while not self._stop.is_set():
            messages = consumer.consume(1, POLL_S)
            if messages:
                # What else is here already, without waiting for more.
                messages += consumer.consume(POLL_MESSAGES_MAX, 0)
                updates, decoded = self._select(messages)
                if decoded:
                    deliver(updates, decoded)
                if updates:
                    self._note(len(updates), messages[0].timestamp()[1])
                    self._set_live(True)
                    next_probe = time.monotonic() + PROBE_EVERY_S
            if time.monotonic() >= next_probe:
                next_probe = time.monotonic() + PROBE_EVERY_S
                self._set_live(_answers(consumer, probe))
        consumer.close()

    def _connect(self) -> Consumer:
        counts = ensure_topics(self._client, self._topics, self._stop)
        partitions = [TopicPartition(self._topic, index) for index in range(counts[self._topic])]
        consumer = Consumer({**self._client, **CONSUMER_OPTIONS})
        for partition in partitions:
            while True:
                try:
                    low, high = consumer.get_watermark_offsets(partition, timeout=TIMEOUT_S)
                    self._live_from[partition.partition] = high
                    partition.offset = max(low, high - WARM_UP_MESSAGES)
                    if partition.offset < high:
                        self._behind.add(partition.partition)
                    break
                except KafkaException as error:
                    if self._stop.is_set():
                        consumer.close()
                        raise StoppedError from None
                    log.warning("waiting for Kafka", error=error.args[0].str())
        consumer.assign(partitions)
        return consumer

    def _warm_up(self, consumer: Consumer, deliver: Callable[[list[Update], list[SeenUpdate]], None]) -> None:
        """Read what was published before, as far as it comes without a pause."""
        behind = set(self._behind)
        while behind and not self._stop.is_set() and (messages := consumer.consume(1, TIMEOUT_S)):
            messages += consumer.consume(POLL_MESSAGES_MAX, 0)
            deliver(*self._select(messages))
            for place in consumer.position(consumer.assignment()):
                if place.offset >= self._live_from[place.partition]:
                    behind.discard(place.partition)

    def _select(self, messages: list[Message]) -> tuple[list[Update], list[SeenUpdate]]:
        """Frames of the updates that are newer than the last of their product."""
        updates: list[Update] = []
        decoded: list[SeenUpdate] = []
        versions = self._versions
        bad = old = 0
        for message in messages:
            if (error := message.error()) is not None:
                if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                    log.error("updates have left the topic before they were relayed", error=error.str())
                continue
            try:
                value = message.value() or b""
                # msgspec does not look into fields that it skips, and a frame of text must be UTF-8.
                if not value.isascii():
                    value.decode()
                update = _decode(value)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                bad += 1
                continue
            if versions.get(update.product_id, 0) >= update.version:
                old += 1
                continue
            versions[update.product_id] = update.version
            decoded.append(update)
            if (message.offset() or 0) >= self._live_from[message.partition() or 0]:
                updates.append((update.product_id, update.version, text_frame(value)))
        for outcome, count in (("relayed", len(updates)), ("not_newer", old), ("unreadable", bad)):
            if count:
                telemetry.RELAY_UPDATES.labels(outcome).inc(count)
        return updates, decoded

    def _note(self, updates: int, written_ms: int) -> None:
        """Keep what the status page asks for: how many, when, and how late the first of them was."""
        now_s = time.time()
        self.last_update_ms = int(now_s * 1000)
        late_s = max(0.0, now_s - written_ms / 1000)
        telemetry.RELAY_LATENCY.observe(late_s)
        self._recent.append((now_s, updates, late_s))

    def rate(self) -> float:
        """Updates a second over the last seconds."""
        since = time.time() - WINDOW_S
        return sum(updates for at_s, updates, _ in tuple(self._recent) if at_s >= since) / WINDOW_S

    def latency_ms(self) -> dict[str, float | None]:
        """p50 and p99 of how late updates were read after they were written, over the last seconds."""
        since = time.time() - WINDOW_S
        late = sorted(late_s * 1000 for at_s, _, late_s in tuple(self._recent) if at_s >= since)
        if not late:
            return {"p50": None, "p99": None}
        return {"p50": round(late[len(late) // 2], 1), "p99": round(late[int(len(late) * 0.99)], 1)}

    def _set_live(self, live: bool) -> None:
        if live != self.live:
            self.live = live
            (log.info if live else log.warning)("Kafka is back" if live else "Kafka is away; the relay waits")


def _answers(consumer: Consumer, partition: TopicPartition) -> bool:
    try:
        consumer.get_watermark_offsets(partition, timeout=TIMEOUT_S)
    except KafkaException:
        return False
    return True
