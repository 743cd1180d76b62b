"""Shared parts of all benchmarks: the servers of a run, its topics and events, and the start of the flow."""

import json
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil
import psycopg
from confluent_kafka import Consumer, Producer, TopicPartition
from redis import Redis

from clients.kafka import client_options
from clients.kafka_topics import ensure_topics
from stack import kafka
from stack.postgres import PostgresServer
from stack.process import Program, answers, free_port
from stack.redis import RedisServer

ROOT = Path(__file__).parent.parent
REPORT = ROOT / "docs" / "benchmarks"
TOPICS = (
    "PRODUCT_EVENTS",
    "PRODUCT_CATALOGUE",
    "PRICE_OVERRIDES",
    "PRICE_FREEZES",
    "PRODUCT_CORRECTIONS",
    "WEB_CLICKS",
    "COMPETITOR_PRICES",
    "PURCHASES",
    "RESTOCKS",
    "DEMAND_FORECASTS",
    "SUPPLY",
    "EXTERNAL_EVENTS",
    "PRICE_UPDATES",
    "DEAD_LETTERS",
    "HISTORY_BACKLOG",
)

Message = dict[str, str]


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder that the account of Postgres can enter too. Raises SystemExit if there is no real Kafka."""
    if not kafka.is_available():
        raise SystemExit("bench: needs a real Kafka, and so Java and Maven")
    with tempfile.TemporaryDirectory(prefix="pricewax-bench-") as path:
        folder = Path(path)
        folder.chmod(0o755)
        yield folder


def make_event(chance: random.Random, product: int, timestamp: float) -> Message:
    """Make an event of about 150 bytes, with its product as the key. `timestamp`: seconds since the epoch."""
    name = f"product-{product:07d}"
    value = (
        f'{{"event_type": "{chance.choice(("view", "cart", "purchase"))}", "product_id": "{name}",'
        f' "timestamp": {int(timestamp * 1000)}, "price": {chance.randrange(100, 100_000) / 100},'
        f' "user_id": "user-{chance.randrange(10**6):06d}", "quantity": 1}}'
    )
    return {"key": name, "value": value}


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process so far, in seconds. Raises psutil.Error if it has ended."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


class Bench:
    """The servers, which all runs share. Each run has its own topics, its own database, and a Redis without
    keys."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        """`durable`: Postgres keeps every confirmed commit, even if it is killed."""
        self.folder = folder
        self.broker = kafka.KafkaServer(folder, heap=kafka.SERVER_HEAP)
        self.redis = RedisServer()
        self.postgres = PostgresServer(folder, durable=durable)
        self._runs = 0
        self._counter: Consumer | None = None
        self._partitions: dict[str, list[int]] = {}
        self._chance = random.Random(7)

    def __enter__(self) -> "Bench":
        for server in (self.broker, self.redis, self.postgres):
            server.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._counter is not None:
            self._counter.close()
        for server in (self.postgres, self.redis, self.broker):
            server.stop()

    def next_run(self) -> str:
        """Return a new name: `run1`, `run2` and so on."""
        self._runs += 1
        return f"run{self._runs}"

    def topics(self, name: str) -> dict[str, str]:
        """Make the topics of a run. Returns setting to topic."""
        topics = {f"{topic}_TOPIC": f"{name}-{topic.lower()}" for topic in TOPICS}
        ensure_topics(
            client_options(self.broker.brokers, {}), {topic: {} for topic in topics.values()}, threading.Event()
        )
        return topics

    def event(self, product: int, timestamp: float) -> Message:
        """Make an event as `make_event` does, from the same seed in every run."""
        return make_event(self._chance, product, timestamp)

    def producer(self, linger_ms: float = 20) -> Producer:
        """Make a producer with lz4, which waits `linger_ms` for more messages before it sends."""
        return Producer(
            {"bootstrap.servers": self.broker.brokers, "linger.ms": linger_ms, "compression.type": "lz4"}
        )

    def produce(self, topic: str, messages: Iterable[Message]) -> None:
        """Send messages as fast as Kafka takes them, so that the producer is not the limit of what is measured."""
        producer = self.producer()
        batch: list[Message] = []
        for message in messages:
            batch.append(message)
            if len(batch) == 10_000:
                _send(producer, topic, batch)
                batch = []
        _send(producer, topic, batch)
        producer.flush()

    def count(self, topic: str) -> int:
        """Return the number of messages in a topic."""
        # One consumer for all calls: making one costs more CPU time than the count.
        counter = self._counter = self._counter or Consumer(
            {"bootstrap.servers": self.broker.brokers, "group.id": "count"}
        )
        if topic not in self._partitions:
            self._partitions[topic] = list(counter.list_topics(topic, timeout=10).topics[topic].partitions)
        parts = (TopicPartition(topic, index) for index in self._partitions[topic])
        return sum(int(counter.get_watermark_offsets(part, timeout=10)[1]) for part in parts)

    def prepare_pricewax(self, *, history: bool = True, redis: bool = True) -> "PricewaxRun":
        """Prepare a run of the flow; it is not started yet."""
        return PricewaxRun(self, history=history, redis=redis)


def _send(producer: Producer, topic: str, messages: list[Message]) -> None:
    while len(producer) > 50_000:
        producer.poll(0.05)
    if messages:
        producer.produce_batch(topic, messages)


class PricewaxRun:
    """A run of the flow with its own recovery store, topics and database. `history` and `redis`: True if the flow
    writes there."""

    def __init__(self, bench: Bench, *, history: bool, redis: bool) -> None:
        self._bench = bench
        name = bench.next_run()
        self.topics = bench.topics(name)
        self.recovery = bench.folder / name
        self.recovery.mkdir()
        subprocess.run([sys.executable, "-m", "bytewax.recovery", str(self.recovery), "1"], check=True, cwd=ROOT)
        self.url = ""
        if redis:
            # A flow without state does not start on the prices of another run.
            with Redis(port=bench.redis.port) as store:
                store.flushall()
        if history:
            with psycopg.connect(bench.postgres.url, autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}"')
            self.url = bench.postgres.url.rsplit("/", 1)[0] + f"/{name}"
        self._metrics_port = free_port()
        self.environment = {
            **self.topics,
            "KAFKA_BROKERS": bench.broker.brokers,
            "REDIS_ADDR": bench.redis.address if redis else "",
            "HISTORY_URL": self.url,
            "METRICS_PORT": str(self._metrics_port),
        }

    def start(self, module: str = "dataflows.pricing", environment: Mapping[str, str] | None = None) -> Program:
        """Start the flow; returns when it is about to read. Raises StartError."""
        command = ["-m", "bytewax.run", module, "-r", str(self.recovery), "-s", "1", "-b", "0"]
        program = Program(
            "pricewax", [sys.executable, *command], env={**self.environment, **(environment or {})}, cwd=ROOT
        )
        program.wait_until(lambda: any("flow starts" in line for line in program.tail), 60)
        return program

    def start_api(self) -> tuple[Program, int]:
        """Start the API; returns it and its port when it is ready. Raises StartError."""
        port = free_port()
        environment = {**self.environment, "API_PORT": str(port), "ADMIN_API_KEY": "bench"}
        program = Program("api", [sys.executable, "-m", "api"], env=environment, cwd=ROOT)
        program.wait_until(lambda: answers(f"http://127.0.0.1:{port}/ready"), 60)
        return program, port

    def count_updates(self) -> int:
        """Return the number of messages on the topic of price updates."""
        return self._bench.count(self.topics["PRICE_UPDATES_TOPIC"])

    def count_rows(self) -> int:
        """Return the number of rows in `price_history`; 0 if the flow has not made the table yet."""
        try:
            with psycopg.connect(self.url) as connection:
                row = connection.execute("SELECT count(*) FROM price_history").fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
        return int(row[0]) if row else 0

    def metric(self, name: str) -> float:
        """Return the sum of all series of the flow whose line begins with `name`; -1 if there is none."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        found = [float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)]
        return sum(found) if found else -1.0


class Updates:
    """A reader of `price-updates`, from the end of the topic on, in a thread of its own. It measures the time from
    each event's time stamp to the reading of its update."""

    def __init__(self, bench: Bench, topics: Mapping[str, str]) -> None:
        self.latencies_ms: list[float] = []
        self.count = 0
        topic = topics["PRICE_UPDATES_TOPIC"]
        options = {"group.id": "updates", "fetch.wait.max.ms": 5, "enable.auto.commit": False}
        self._consumer = Consumer({"bootstrap.servers": bench.broker.brokers, **options})
        partitions = []
        for index in self._consumer.list_topics(topic, timeout=10).topics[topic].partitions:
            _, end = self._consumer.get_watermark_offsets(TopicPartition(topic, index), timeout=10)
            partitions.append(TopicPartition(topic, index, end))
        self._consumer.assign(partitions)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        decode = msgspec.json.Decoder(_Timed).decode
        while not self._stopped.is_set():
            for message in self._consumer.consume(1, 0.1) + self._consumer.consume(1000, 0):
                now_ms = time.time() * 1000
                if not message.error():
                    self.count += 1
                    self.latencies_ms.append(now_ms - decode(message.value() or b"").event_time_ms)

    def take(self) -> list[float]:
        """Return the latencies since the last call, in milliseconds."""
        taken, self.latencies_ms = self.latencies_ms, []
        return taken

    def stop(self) -> list[float]:
        """Stop reading; returns the latencies that were not taken, in milliseconds."""
        self._stopped.set()
        self._thread.join(5)
        self._consumer.close()
        return self.latencies_ms


class _Timed(msgspec.Struct):
    event_time_ms: int


class Feeder:
    """A process that sends events of random products at a steady rate. It is a process of its own, because a Python
    process that also reads would measure itself. `sent` is the number of events, known after the end."""

    def __init__(self, bench: Bench, topic: str, products: int, rate_per_s: float) -> None:
        self.sent = 0
        command = [sys.executable, "-m", "benchmarks.feeder", bench.broker.brokers, topic]
        self._program = Program("feeder", [*command, str(products), str(rate_per_s)], cwd=ROOT)

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._program.pid

    def __enter__(self) -> "Feeder":
        self._program.wait_until(lambda: "ready" in self._program.tail, 20)
        return self

    def __exit__(self, *_: object) -> None:
        self._program.stop()
        self.sent = int(self._program.tail[-1])


def describe(latencies_ms: list[float]) -> dict[str, float]:
    """Return percentiles and the maximum of latencies, in milliseconds. The list must not be empty."""
    found = sorted(latencies_ms)
    shares = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
    return {
        **{name: found[min(len(found) - 1, int(len(found) * share))] for name, share in shares.items()},
        "max": found[-1],
    }


def write_report(name: str, lines: list[str], content: object, missed: Sequence[str] | None = None) -> None:
    """Write `docs/benchmarks/NAME.md` for people and `NAME.json` for programs. `missed`: the results that were
    slower than their targets, or None if there are no targets. They are added to the report and printed to standard
    error."""
    REPORT.mkdir(parents=True, exist_ok=True)
    if missed is not None:
        lines = [*lines, "", "Missed: " + ("; ".join(missed) or "nothing") + "."]
        say_missed(missed)
    (REPORT / f"{name}.md").write_text("\n".join([*lines, ""]), encoding="utf-8")
    (REPORT / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def say_missed(missed: Sequence[str]) -> None:
    """Print one line for each missed target to standard error. `make bench` reads these lines, so they are never
    wrapped."""
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
