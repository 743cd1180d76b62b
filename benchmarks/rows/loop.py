"""The reference of `make bench-cost`: no engine. One loop in one thread consumes, decodes, adds up demand in a
dict, encodes and produces."""

import os
import signal
from math import sqrt

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

WEIGHTS = {"view": 1.0, "cart": 3.0, "purchase": 5.0}


class Event(msgspec.Struct):
    """The fields of an event that the price needs."""

    event_type: str
    product_id: str
    timestamp: int
    price: float


class Update(msgspec.Struct, tag_field="type", tag="price_update"):
    """An update, with the fields that every row writes."""

    product_id: str
    new_price: float
    timestamp: int
    version: int
    previous_price: float | None
    demand: float


def main() -> None:
    """Run the loop until SIGTERM. Prints `ready` first."""
    brokers, source, target = os.environ["BROKERS"], os.environ["SOURCE"], os.environ["TARGET"]
    running = True

    def stop(*_: object) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    consumer = Consumer(
        {"bootstrap.servers": brokers, "group.id": "loop", "enable.auto.commit": False, "fetch.wait.max.ms": 10}
    )
    partitions = consumer.list_topics(source, timeout=10).topics[source].partitions
    consumer.assign([TopicPartition(source, index, 0) for index in partitions])
    options = {"enable.idempotence": True, "acks": "all", "linger.ms": 2, "queue.buffering.max.messages": 400_000}
    producer = Producer({"bootstrap.servers": brokers, **options})
    decode, encode = msgspec.json.Decoder(Event).decode, msgspec.json.Encoder().encode
    state: dict[str, tuple[float, int, float | None]] = {}
    print("ready", flush=True)
    while running:
        for message in consumer.consume(4096, 0.1):
            if message.error():
                continue
            event = decode(message.value() or b"")
            demand, version, previous = state.get(event.product_id, (0.0, 0, None))
            demand += WEIGHTS[event.event_type]
            price = round(event.price + 5 * sqrt(demand), 2)
            state[event.product_id] = (demand, version + 1, price)
            update = Update(event.product_id, price, event.timestamp, version + 1, previous, demand)
            producer.produce(target, encode(update), event.product_id)
        producer.poll(0)
    producer.flush()


if __name__ == "__main__":
    main()
