"""The prices that customers of a simulated shop see: the latest of `price-updates`."""

import threading

import msgspec
from confluent_kafka import OFFSET_END, TopicPartition

from clients.kafka import ClientOptions, make_consumer

POLL_S = 0.2
TIMEOUT_S = 5.0
GROUP = "pricewax-simulator"
"""Only a name: partitions are assigned by hand."""


class _Update(msgspec.Struct):
    product_id: str
    new_price: float | None = None


_decode = msgspec.json.Decoder(_Update).decode


class SeenPrices:
    """Reads the topic from its end, in a thread of its own, until `stop` is set. The thread writes, any thread
    reads."""

    def __init__(self, client: ClientOptions, topic: str, stop: threading.Event) -> None:
        self._client = client
        self._topic = topic
        self._stop = stop
        self._prices: dict[str, float | None] = {}

    def start(self) -> None:
        """Start the thread. The topic must exist. Raises KafkaException if Kafka does not answer."""
        consumer = make_consumer(self._client, GROUP, {})
        partitions = consumer.list_topics(self._topic, timeout=TIMEOUT_S).topics[self._topic].partitions
        consumer.assign([TopicPartition(self._topic, index, OFFSET_END) for index in partitions])

        def run() -> None:
            while not self._stop.is_set():
                message = consumer.poll(POLL_S)
                if message is not None and message.error() is None:
                    self._note(message.value())
            consumer.close()

        threading.Thread(target=run, name="seen-prices", daemon=True).start()

    def price_of(self, product_id: str) -> float | None:
        """The latest price of a product; None if none was seen."""
        return self._prices.get(product_id)

    def _note(self, value: bytes | None) -> None:
        try:
            update = _decode(value or b"")
        except msgspec.MsgspecError:
            return
        self._prices[update.product_id] = update.new_price
