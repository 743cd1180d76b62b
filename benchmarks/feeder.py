"""A process that sends events at a steady rate until SIGTERM, then prints their number. Run it with `python -m
benchmarks.feeder BROKERS TOPIC PRODUCTS RATE`."""

import random
import signal
import sys
import time

from confluent_kafka import Producer

TICK_S = 0.0005
LINGER_MS = 0.5


def main() -> None:
    """Print `ready`, send until SIGTERM, print the number of events."""
    brokers, topic, products, rate = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    running = True

    def stop(*_: object) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": LINGER_MS})
    producer.list_topics(topic, timeout=10)
    chance = random.Random(3)
    print("ready", flush=True)
    started = time.monotonic()
    sent = 0
    while running:
        due = int((time.monotonic() - started) * rate)
        for _ in range(due - sent):
            name = f"product-{chance.randrange(products):07d}"
            event = (
                f'{{"event_type": "view", "product_id": "{name}", "timestamp": {time.time_ns() // 1_000_000},'
                f' "price": {chance.randrange(100, 100_000) / 100}, "user_id": "user-000001", "quantity": 1}}'
            )
            producer.produce(topic, event, name)
        sent = max(sent, due)
        producer.poll(0)
        time.sleep(TICK_S)
    producer.flush()
    print(sent, flush=True)


if __name__ == "__main__":
    main()
