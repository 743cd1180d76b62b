"""`make bench`: CPU time per event of the whole job, as a multiple of the engine-free loop's, on a real Kafka.

Both read the same events from the same kind of topic and write one update for each. The loop does nothing
else; Pricewax has recovery on and writes Redis and Postgres as well. Start-up is not counted: CPU time is
read when the process is ready, and again when the last update is in Kafka and the last row in Postgres.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
from confluent_kafka import Consumer, Producer, TopicPartition
from rich.console import Console
from rich.table import Table

from connectors.topics import client_options, ensure_topics
from stack import kafka
from stack.postgres import PostgresServer
from stack.process import Program
from stack.redis import RedisServer

ROOT = Path(__file__).parent.parent
REPORT = ROOT / "docs" / "benchmarks"
WITHIN_S = 300.0
TARGET_RATIO = 2.0

console = Console(stderr=True)


class Bench:
    """Servers for all runs; a topic, a database and a Redis key space for each."""

    def __init__(self, folder: Path, events: int) -> None:
        self.folder = folder
        self.events = events
        self.broker = kafka.KafkaServer(folder)
        self.redis = RedisServer()
        self.postgres = PostgresServer(folder)
        self._runs = 0

    def start(self) -> None:
        for server in (self.broker, self.redis, self.postgres):
            server.start()

    def stop(self) -> None:
        for server in (self.postgres, self.redis, self.broker):
            server.stop()

    def topics(self) -> dict[str, str]:
        """Fresh topics, made."""
        self._runs += 1
        names = ("PRODUCT_EVENTS", "PRODUCT_CATALOGUE", "PRICE_OVERRIDES", "PRICE_UPDATES", "DEAD_LETTERS")
        topics = {f"{name}_TOPIC": f"run{self._runs}-{name.lower()}" for name in (*names, "HISTORY_BACKLOG")}
        ensure_topics(
            client_options(self.broker.brokers, {}), {topic: {} for topic in topics.values()}, threading.Event()
        )
        return topics

    def messages(self, products: int) -> list[dict[str, str]]:
        """Seeded events of about 150 bytes, keyed by product."""
        chance = random.Random(7)
        messages = []
        for index in range(self.events):
            product = f"product-{chance.randrange(products):06d}"
            event = {
                "event_type": chance.choice(("view", "cart", "purchase")),
                "product_id": product,
                "timestamp": 1_700_000_000 + index // 100,
                "price": chance.randrange(100, 100_000) / 100,
                "user_id": f"user-{chance.randrange(10**6):06d}",
                "quantity": 1,
            }
            messages.append({"key": product, "value": json.dumps(event)})
        return messages

    def produce(self, topic: str, messages: list[dict[str, str]]) -> None:
        """As fast as Kafka takes them, so that the engine, not the producer, is what limits."""
        producer = Producer({"bootstrap.servers": self.broker.brokers, "linger.ms": 20, "compression.type": "lz4"})
        for start in range(0, len(messages), 10_000):
            while len(producer) > 50_000:
                producer.poll(0.05)
            producer.produce_batch(topic, messages[start : start + 10_000])
        producer.flush()

    def count(self, topic: str) -> int:
        consumer = Consumer({"bootstrap.servers": self.broker.brokers, "group.id": "count"})
        parts = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        ends = [consumer.get_watermark_offsets(TopicPartition(topic, index), timeout=10)[1] for index in parts]
        consumer.close()
        return sum(ends)


def cpu_s(program: Program) -> float:
    times = psutil.Process(program.pid).cpu_times()
    return float(times.user + times.system)


def measure(
    bench: Bench, program: Program, events_topic: str, products: int, done: Callable[[], bool]
) -> dict[str, float]:
    """CPU microseconds per event from ready to done, events per wall second, peak memory in MB."""
    messages = bench.messages(products)
    before, started = cpu_s(program), time.monotonic()
    bench.produce(events_topic, messages)
    program.wait_until(done, WITHIN_S, "finish")
    wall, used = time.monotonic() - started, cpu_s(program) - before
    memory = psutil.Process(program.pid).memory_info().rss / 1e6
    return {"cpu_us": used / bench.events * 1e6, "events_per_s": bench.events / wall, "memory_mb": memory}


def run_loop(bench: Bench, products: int) -> dict[str, float]:
    topics = bench.topics()
    source, target = topics["PRODUCT_EVENTS_TOPIC"], topics["PRICE_UPDATES_TOPIC"]
    environment = {"BROKERS": bench.broker.brokers, "SOURCE": source, "TARGET": target}
    program = Program("loop", [sys.executable, "-m", "benchmarks.loop"], env=environment, cwd=ROOT)
    try:
        program.wait_until(lambda: "ready" in program.tail, 30)
        return measure(bench, program, source, products, lambda: bench.count(target) >= bench.events)
    finally:
        program.stop()


def run_pricewax(bench: Bench, products: int) -> dict[str, float]:
    topics = bench.topics()
    name = f"run{bench._runs}"
    with psycopg.connect(bench.postgres.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    url = bench.postgres.url.rsplit("/", 1)[0] + f"/{name}"
    recovery = bench.folder / name
    recovery.mkdir()
    subprocess.run([sys.executable, "-m", "bytewax.recovery", str(recovery), "1"], check=True, cwd=ROOT)
    environment = {
        **topics,
        "KAFKA_BROKERS": bench.broker.brokers,
        "REDIS_ADDR": bench.redis.address,
        "HISTORY_URL": url,
        "METRICS_PORT": "0",
    }
    command = ["-m", "bytewax.run", "dataflows.pricing", "-r", str(recovery), "-s", "1", "-b", "0"]
    program = Program("pricewax", [sys.executable, *command], env=environment, cwd=ROOT)
    updates = topics["PRICE_UPDATES_TOPIC"]
    try:
        program.wait_until(lambda: any("migration applied" in line for line in program.tail), 30)

        def done() -> bool:
            return bench.count(updates) >= bench.events and _rows(url) >= bench.events

        result = measure(bench, program, topics["PRODUCT_EVENTS_TOPIC"], products, done)
        if (found := (bench.count(updates), _rows(url))) != (bench.events, bench.events):
            raise SystemExit(f"bench: wrong output, {found} updates and rows for {bench.events} events")
        return result
    finally:
        program.stop()
        bench.redis.stop()
        bench.redis.start()


def _rows(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM price_history").fetchone()
    return int(row[0]) if row else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.split(": ")[1].split(".")[0])
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--products", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    if not kafka.is_available():
        console.print("bench: needs a real Kafka, and so Java and Maven")
        return 1
    results: dict[tuple[str, int], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="pricewax-bench-") as path:
        folder = Path(path)
        folder.chmod(0o755)
        bench = Bench(folder, options.events)
        bench.start()
        try:
            total = len(options.products) * options.repeat * 2
            for _ in range(options.repeat):
                for products in options.products:
                    for name, run in (("loop", run_loop), ("pricewax", run_pricewax)):
                        result = run(bench, products)
                        results.setdefault((name, products), []).append(result)
                        number = sum(map(len, results.values()))
                        console.print(f"{number}/{total}  {name:9} {products:>9,} products  {_line(result)}")
        finally:
            bench.stop()
    return report(results, options.events, options.repeat)


def _line(result: dict[str, float]) -> str:
    return f"{result['cpu_us']:.2f} us/event  {result['events_per_s']:,.0f} events/s  {result['memory_mb']:.0f} MB"


def report(results: dict[tuple[str, int], list[dict[str, float]]], events: int, repeat: int) -> int:
    """Write the tables; say what misses its target."""
    REPORT.mkdir(parents=True, exist_ok=True)
    header = ["job", "products", "CPU us/event (median)", "spread", "times the loop", "events/s", "memory MB"]
    rows, missed = [], []
    for (name, products), runs in sorted(results.items(), key=lambda item: (item[0][1], item[0][0])):
        cpu = [run["cpu_us"] for run in runs]
        ratios = [a["cpu_us"] / b["cpu_us"] for a, b in zip(runs, results["loop", products], strict=True)]
        ratio = statistics.median(ratios)
        if name == "pricewax" and ratio > TARGET_RATIO:
            missed.append(f"{products:,} products: {ratio:.2f} times the loop, target {TARGET_RATIO}")
        rows.append(
            [
                name,
                f"{products:,}",
                f"{statistics.median(cpu):.2f}",
                f"{min(cpu):.2f} to {max(cpu):.2f}",
                f"{ratio:.2f}",
                f"{statistics.median(run['events_per_s'] for run in runs):,.0f}",
                f"{statistics.median(run['memory_mb'] for run in runs):.0f}",
            ]
        )
    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    lines = [
        "# CPU per event",
        "",
        f"{events:,} events, median of {repeat} interleaved runs, Kafka {kafka.VERSION}; by `make bench`.",
        "`loop` consumes, decodes, adds up, encodes and produces, with no engine. `pricewax` is the whole job:",
        "recovery on, Redis, Postgres and Kafka out. CPU is that of the process, start-up not counted.",
        "",
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        "Slower than its target: " + ("; ".join(missed) if missed else "nothing") + ".",
        "",
    ]
    (REPORT / "cpu-per-event.md").write_text("\n".join(lines), encoding="utf-8")
    plain = [{"job": name, "products": products, "runs": runs} for (name, products), runs in results.items()]
    (REPORT / "cpu-per-event.json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    for line in missed:
        console.print(f"missed: {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
