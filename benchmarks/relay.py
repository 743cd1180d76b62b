"""A part of `make bench-latency`: the smallest application that sends each event to a second topic. Run it with
`python -m benchmarks.relay BROKERS TOPIC SECOND`. `benchmarks/bare.py` reads the second topic. That is the way of
an event through Pricewax, without Pricewax."""

import sys

from confluent_kafka import Consumer, Producer

from benchmarks.bare import assign_from_end


def main() -> None:
    """Relay events until the process is ended."""
    brokers, topic, second = sys.argv[1:]
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "relay", "enable.auto.commit": False})
    producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True, "linger.ms": 0.5})
    assign_from_end(consumer, topic)
    print("ready", flush=True)
    while True:
        messages = consumer.consume(1, 1.0)
        messages += consumer.consume(4096, 0) if messages else []
        found = [message for message in messages if message.error() is None]
        producer.produce_batch(second, [{"key": message.key(), "value": message.value()} for message in found])
        producer.poll(0)


if __name__ == "__main__":
    main()
