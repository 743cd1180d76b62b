"""The steps of the pricing flow in a plain loop: our source, our producer, no Bytewax and no recovery.

The difference to "Kafka only" is the cost of the engine and of recovery. BROKERS, SOURCE and TARGET as in the other
rows.
"""

import os
import signal
import threading

from clients.kafka import client_options
from clients.kafka_producer import KafkaProducer
from clients.kafka_topics import count_partitions
from clients.kafka_watch import TopicWatch
from connectors.decode.pricing import SignalKind
from connectors.kafka import KafkaSource
from pricing.policy import default_policy
from tests.support.plain_runner import PlainRunner

SHARDS = 64


def main() -> None:
    """Price until SIGTERM."""
    source, target = os.environ["SOURCE"], os.environ["TARGET"]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    client = client_options(os.environ["BROKERS"], {})
    count = count_partitions(client, [source], stop)[source]
    watch = TopicWatch(client, [source])
    watch.start(stop)
    kafka = KafkaSource(client, [source], SHARDS, stop, watch=watch)
    partitions = [kafka.build_part("messages", f"{source}:{index}", None) for index in range(count)]
    producer = KafkaProducer(client)
    runner = PlainRunner(default_policy(), {source: SignalKind.PRODUCT_EVENTS}, SHARDS, updates_only=True)
    print("ready", flush=True)
    while not stop.is_set():
        try:
            items = [item for partition in partitions for item in partition.next_batch()]
        except StopIteration:
            break
        for item in items:
            runner.feed(item)
        if runner.updates:
            producer.send(target, [record for outgoing in runner.updates for record in outgoing.rows])
            runner.updates.clear()
        if not items:
            stop.wait(0.001)
    producer.flush()


if __name__ == "__main__":
    main()
