"""The producer of commands (overrides, freezes): each is confirmed by Kafka, or refused, within five seconds."""

import asyncio
import threading

from confluent_kafka import KafkaError, KafkaException, Message

from clients.kafka import ClientOptions, Option, make_producer
from core.errors import NotConfirmedError

CONFIRM_WITHIN_S = 5.0
POLL_S = 0.1

OPTIONS: dict[str, Option] = {
    "linger.ms": 0,
    # Shorter than CONFIRM_WITHIN_S: a command must not take effect hours after its caller was answered with 503.
    "message.timeout.ms": 4500,
}


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

    async def put(self, topic: str, key: str, value: bytes | None) -> None:
        """Publish a command (JSON), or with None its removal, and wait for the confirmation. Raises
        NotConfirmedError."""
        loop = asyncio.get_running_loop()
        confirmed: asyncio.Future[KafkaError | None] = loop.create_future()

        def settle(error: KafkaError | None) -> None:
            if not confirmed.done():
                confirmed.set_result(error)

        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            loop.call_soon_threadsafe(settle, error)

        try:
            self._producer.produce(topic, value, key.encode(), on_delivery=on_delivery)
            error = await asyncio.wait_for(confirmed, CONFIRM_WITHIN_S)
        except (KafkaException, BufferError, TimeoutError):
            raise NotConfirmedError from None
        if error is not None:
            raise NotConfirmedError

    def _poll(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(POLL_S)
