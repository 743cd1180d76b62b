"""The producer of commands (overrides, freezes). Kafka confirms or refuses each within five seconds, or nothing is
known about it: docs/decisions/0032."""

import asyncio
import threading

from confluent_kafka import KafkaError, KafkaException, Message

import telemetry
from clients.kafka import ClientOptions, Option, make_producer, was_refused
from core.errors import CommandRefusedError, MessageTooLargeError, NotConfirmedError

CONFIRM_WITHIN_S = 5.0
POLL_S = 0.1

OPTIONS: dict[str, Option] = {
    "linger.ms": 0,
    # Kafka applies a topic's limit to a batch. Many commands at once must not be refused for their size together.
    "batch.num.messages": 1,
    # Shorter than CONFIRM_WITHIN_S: after that time the producer sends a command no more. A request that is in a
    # socket by then may still reach Kafka.
    "message.timeout.ms": 4500,
}

log = telemetry.get_logger("commands")


class Commands:
    """Publishes commands to Kafka. `put` runs in the event loop; a thread of its own polls for confirmations.

    client: options of every Kafka client. Used by the routes of overrides and freezes."""

    def __init__(self, client: ClientOptions) -> None:
        self._producer = make_producer(client, OPTIONS)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="command-producer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread. Commands that are not confirmed stay so."""
        self._stop.set()
        self._thread.join(2 * POLL_S)

    async def put(self, topic: str, key: str, value: bytes | None, *, at_ms: int) -> None:
        """Publish a command (JSON), or with None its removal, and wait for the confirmation.

        at_ms: the time of the command, UTC milliseconds; it becomes Kafka's time stamp. Raises CommandRefusedError
        if Kafka has not taken it, NotConfirmedError if that is not known after CONFIRM_WITHIN_S,
        MessageTooLargeError if it is larger than Kafka takes."""
        loop = asyncio.get_running_loop()
        confirmed: asyncio.Future[KafkaError | None] = loop.create_future()

        def settle(error: KafkaError | None) -> None:
            if not confirmed.done():
                confirmed.set_result(error)

        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            loop.call_soon_threadsafe(settle, error)

        try:
            self._producer.produce(topic, value, key.encode(), timestamp=at_ms, on_delivery=on_delivery)
        except KafkaException as refusal:
            raise _refusal(refusal.args[0], key, value) from None
        except BufferError:
            raise CommandRefusedError("too many commands wait for Kafka") from None
        try:
            error = await asyncio.wait_for(confirmed, CONFIRM_WITHIN_S)
        except TimeoutError:
            error = KafkaError(KafkaError._TIMED_OUT)
        if error is None:
            return
        if was_refused(error):
            raise _refusal(error, key, value)
        log.warning("Kafka has not confirmed a command; it may still take effect", key=key, error=error.str())
        raise NotConfirmedError

    def _poll(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(POLL_S)


def _refusal(error: KafkaError, key: str, value: bytes | None) -> CommandRefusedError | MessageTooLargeError:
    """The error of a command that Kafka has not taken."""
    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        size = len(key.encode()) + len(value or b"")
        return MessageTooLargeError(f"the command of {size} bytes is larger than Kafka takes; shorten its texts")
    return CommandRefusedError(error.str())
