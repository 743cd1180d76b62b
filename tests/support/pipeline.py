"""A whole pipeline for one test: its own topics, database and Redis, and the processes that it starts."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import confluent_kafka
import httpx
import psycopg
import redis
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from clients.kafka import client_options
from clients.kafka_topics import ensure_topics
from stack.postgres import PostgresServer
from stack.process import Program, free_port
from tests.support.producer import Deliveries, make_producer

ROOT = Path(__file__).parent.parent.parent
KEY = "test-admin-key"
TOPICS = (
    "product-events",
    "product-catalogue",
    "price-overrides",
    "price-freezes",
    "product-corrections",
    "web-clicks",
    "competitor-prices",
    "purchases",
    "restocks",
    "demand-forecasts",
    "supply",
    "external-events",
    "price-updates",
    "dead-letters",
    "history-backlog",
)
WITHIN_S = 40.0
STOP_CODES = (0, 143)


def wait_for(condition: Callable[[], Any], within_s: float = WITHIN_S, what: str | Callable[[], str] = "") -> Any:
    """Call `condition` again and again, and return its first true value. Raises AssertionError after `within_s`
    seconds; `what`, or what it returns, is in the error text."""
    deadline = time.monotonic() + within_s
    while True:
        if value := condition():
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {within_s:.0f} s: {what() if callable(what) else what or condition}")
        time.sleep(0.02)


def _watermarks(consumer: Consumer, partition: TopicPartition) -> tuple[int, int] | None:
    """Return low and high watermark, or None while a new partition has no leader yet."""
    try:
        return consumer.get_watermark_offsets(partition, timeout=10)
    except KafkaException:
        return None


def _wait_for_handlers(program: Program) -> None:
    """Wait for the first line of a program. Before it, Python has no signal handlers, and a signal ends the
    process."""
    program.wait_until(lambda: bool(program.tail), WITHIN_S, "start")


class Message:
    """A message as it stands in a topic. `topic` is its name in `TOPICS`. time_ms: Kafka's time stamp."""

    def __init__(self, topic: str, sent: confluent_kafka.Message):
        self.topic, self.key, self.value, self.time_ms = topic, sent.key(), sent.value(), sent.timestamp()[1]
        self.partition, self.offset = sent.partition() or 0, sent.offset() or 0
        self.headers: dict[str, Any] = dict(sent.headers() or ())

    def json(self) -> Any:
        """Return the decoded value; None for a tombstone."""
        return json.loads(self.value or b"null")


class RedisAddress(Protocol):
    """A Redis server, or what leads to one, on a port of loopback."""

    port: int
    address: str


class Pipeline:
    """The topics, database and Redis of one test, and the flow and the API on them. `close` ends the processes and
    removes the database.

    module, group: of the flow, and of its consumer group."""

    module = "dataflows.pricing"
    group = "pricewax"
    topic_names: tuple[str, ...] = TOPICS
    compacted = frozenset({"product-catalogue", "price-overrides", "price-freezes"})

    def __init__(
        self,
        brokers: str,
        postgres: PostgresServer,
        redis_server: RedisAddress,
        folder: Path,
        *,
        name: str | None = None,
    ) -> None:
        self.name = name or f"t{uuid.uuid4().hex[:10]}"
        self.topics = {topic: f"{self.name}-{topic}" for topic in self.topic_names}
        self.redis_server = redis_server
        self.redis: redis.Redis = redis.Redis(port=redis_server.port, decode_responses=True)
        self.brokers = brokers
        self.recovery = folder / "recovery"
        self.logs: list[str] = []
        self.flow: list[Program] = []
        self.api: Program | None = None
        self._maintenance = postgres.url
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{self.name}"')
        self.history_url = postgres.url.rsplit("/", 1)[0] + f"/{self.name}"
        self.producer = make_producer(brokers)
        self._deliveries = Deliveries()
        wanted = {
            name: {"cleanup.policy": "compact"} if topic in self.compacted else {}
            for topic, name in self.topics.items()
        }
        ensure_topics(client_options(brokers, {}), wanted, threading.Event())
        self.environment = {
            **{f"{topic.upper().replace('-', '_')}_TOPIC": name for topic, name in self.topics.items()},
            "KAFKA_BROKERS": brokers,
            "REDIS_ADDR": redis_server.address,
            "HISTORY_URL": self.history_url,
            "ADMIN_API_KEY": KEY,
            "METRICS_PORT": (port := str(free_port())),
            "FLOW_METRICS": f"127.0.0.1:{port}",
            "PYTHONWARNINGS": "ignore",
            "PYTHONFAULTHANDLER": "1",
        }

    # Processes

    def start_flow(
        self, processes: int = 1, workers: int = 1, *, commit_every_s: int = 1, **environment: str
    ) -> None:
        """Start the flow, with further environment variables. The first call makes the recovery folder. It does not
        wait until the flow reads."""
        if not self.recovery.exists():
            self.recovery.mkdir()
            subprocess.run(
                [sys.executable, "-m", "bytewax.recovery", str(self.recovery), "3"], check=True, cwd=ROOT
            )
        command = [sys.executable, "-m", "bytewax.run", self.module]
        command += ["-r", str(self.recovery), "-s", str(commit_every_s), "-b", "0"]
        command += ["-w", str(workers)]
        addresses = ";".join(f"127.0.0.1:{free_port()}" for _ in range(processes))
        for index in range(processes):
            cluster = ["-i", str(index), "-a", addresses] if processes > 1 else []
            self.flow.append(self._launch(f"flow{index}", [*command, *cluster], environment))

    def kill_flow(self) -> None:
        """Send SIGKILL to every process of the flow, and assert that it ended them."""
        for program in self.flow:
            assert program.running, self.output()
            program.kill()
            assert program.process.returncode == -signal.SIGKILL
        self.flow.clear()

    def stop_flow(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send SIGTERM, or another signal, to every process of the flow, and assert that each ends within 10 s with
        a code of `STOP_CODES`."""
        for program in self.flow:
            _wait_for_handlers(program)
            program.send(number)
        for program in self.flow:
            started = time.monotonic()
            try:
                program.process.wait(9.5)
            except subprocess.TimeoutExpired:
                # At SIGABRT, Python prints the stack of each thread before it ends.
                program.send(signal.SIGABRT)
            code = program.stop()
            assert code in STOP_CODES, f"{code}\n{self.output()}"
            assert time.monotonic() - started < 10
        self.flow.clear()

    def start_api(self, port: int | None = None, **environment: str) -> None:
        """Start the API on `port` (default: a free one), with further environment variables. It does not wait for
        `/ready`."""
        port = port or free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.api = self._launch("api", [sys.executable, "-m", "api"], {"API_PORT": str(port), **environment})
        self.http = httpx.Client(base_url=self.url, timeout=15)

    def api_ready(self) -> bool:
        """Return True if `/ready` answers 200. Raises AssertionError if the API has ended."""
        try:
            return self.http.get("/ready").status_code == 200
        except httpx.TransportError:
            assert self.api is not None
            assert self.api.running, self.output()
            return False

    def stop_api(self) -> None:
        """Stop the API, and assert that its exit code is in `STOP_CODES`."""
        if self.api is not None:
            self.http.close()
            _wait_for_handlers(self.api)
            assert self.api.stop() in STOP_CODES, self.output()
            self.api = None

    def _launch(self, name: str, command: list[str], environment: dict[str, str]) -> Program:
        inherited = {"HISTORY_URL", "ORACLE_DSN", "POLICY"} - self.environment.keys()
        cleared = dict.fromkeys(inherited & os.environ.keys(), "")
        return Program(
            name,
            command,
            env={**cleared, **self.environment, **environment},
            cwd=ROOT,
            on_line=lambda line: self.logs.append(f"{name} | {line}"),
        )

    def output(self) -> str:
        """Return the last 60 lines of all processes."""
        return "\n".join(self.logs[-60:])

    def close(self) -> None:
        """Kill all processes and drop the database."""
        for program in self.flow:
            program.kill()
        if self.api is not None:
            self.http.close()
            self.api.kill()
        self.redis.close()
        with psycopg.connect(self._maintenance, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{self.name}" WITH (FORCE)')

    # Inputs

    def send(
        self, topic: str, key: str | bytes | None, value: Any, partition: int = -1, *, kafka_time_ms: int = 0
    ) -> None:
        """Queue a message. Bytes are sent as they are, None is a tombstone, and every other value becomes JSON.
        partition: -1 for the one of the key's hash. kafka_time_ms: Kafka's time stamp; 0 for now."""
        raw = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
        while True:
            try:
                where: dict[str, Any] = {"partition": partition, "timestamp": kafka_time_ms}
                self.producer.produce(self.topics[topic], raw, key, on_delivery=self._deliveries.note, **where)
                break
            except BufferError:
                self.producer.poll(0.05)
        self.producer.poll(0)

    def event(self, product_id: Any, price: float, event_type: str = "view", **fields: Any) -> None:
        """Queue a product event. `fields` adds fields; `timestamp`, `key`, `partition` and `kafka_time_ms` replace
        the defaults."""
        timestamp = fields.pop("timestamp", 1_700_000_000)
        partition = fields.pop("partition", -1)
        key = fields.pop("key", str(product_id))
        kafka_time_ms = fields.pop("kafka_time_ms", 0)
        event = {
            "event_type": event_type,
            "product_id": product_id,
            "timestamp": timestamp,
            "price": price,
            **fields,
        }
        self.send("product-events", key, event, partition, kafka_time_ms=kafka_time_ms)

    def add_partitions(self, topic: str, count: int) -> None:
        """Give a topic this number of partitions. It returns when the broker shows them."""
        admin = AdminClient({"bootstrap.servers": self.brokers})
        name = self.topics[topic]
        admin.create_partitions([NewPartitions(name, count)])[name].result(30)
        # Asked by the producer, so that it knows them too.
        wait_for(
            lambda: len(self.producer.list_topics(name, timeout=10).topics[name].partitions) == count, what=name
        )

    def flush(self) -> None:
        """Wait until Kafka has all queued messages. Raises AssertionError after 30 s, or if Kafka refused one."""
        assert self.producer.flush(30) == 0, self.output()
        assert self._deliveries.refused == []

    # Outputs

    def read(self, topic: str) -> list[Message]:
        """Return all messages that are in a topic now, each partition in order."""
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": "test", "fetch.wait.max.ms": 5})
        try:
            metadata = consumer.list_topics(self.topics[topic], timeout=10).topics[self.topics[topic]]
            found: list[Message] = []
            for index in metadata.partitions:
                partition = TopicPartition(self.topics[topic], index)
                low, high = wait_for(partial(_watermarks, consumer, partition), 20)
                partition.offset = low
                consumer.assign([partition])
                position = low
                while position < high:
                    for message in consumer.consume(1000, 0.05):
                        assert message.error() is None, message.error()
                        offset = message.offset()
                        assert offset is not None
                        position = offset + 1
                        found.append(Message(topic, message))
            return found
        finally:
            consumer.close()

    def wait_for_commit(self, topic: str) -> None:
        """Wait until a committed recovery snapshot covers all messages that are in a topic now. The offsets of the
        consumer group move with each snapshot. A second snapshot shows that the first is on disk."""
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": self.group})

        def committed(name: str) -> bool:
            count = len(consumer.list_topics(self.topics[name], timeout=10).topics[self.topics[name]].partitions)
            for index in range(count):
                partition = TopicPartition(self.topics[name], index)
                try:
                    _, high = consumer.get_watermark_offsets(partition, timeout=10)
                    if high and consumer.committed([partition], timeout=10)[0].offset < high:
                        return False
                except KafkaException:
                    # A new topic, or a new group, has no leader yet.
                    return False
            return True

        try:
            wait_for(lambda: committed(topic), what=f"offsets of {topic}")
            later = self.send_later()
            self.flush()
            wait_for(lambda: committed(later), what="offsets of a later epoch")
        finally:
            consumer.close()

    def send_later(self) -> str:
        """Queue a message that changes nothing that tests look at, and return its topic."""
        # On one partition, also if more are added, so that the order of these events is known.
        self.event("of-a-later-epoch", 1.0, partition=0)
        return "product-events"

    def updates(self) -> list[dict[str, Any]]:
        """Return the price updates as a careful reader sees them, which drops an update whose version is not
        newer."""
        versions: dict[str, int] = {}
        updates = []
        for message in self.read("price-updates"):
            update = message.json()
            if update["version"] > versions.get(update["product_id"], 0):
                versions[update["product_id"]] = update["version"]
                updates.append(update)
        return updates

    def history(self, columns: str = "*") -> list[tuple[Any, ...]]:
        """Return the rows of `price_history`, by product and version."""
        with psycopg.connect(self.history_url) as connection:
            query = f"SELECT {columns} FROM price_history ORDER BY product_id, version"
            return connection.execute(query).fetchall()

    def overrides(self, columns: str = "*") -> list[tuple[Any, ...]]:
        """Return the rows of `price_overrides`, by product and set time."""
        with psycopg.connect(self.history_url) as connection:
            return connection.execute(
                f"SELECT {columns} FROM price_overrides ORDER BY product_id, set_time"
            ).fetchall()

    def count_history(self) -> int:
        """Return the number of rows in `price_history`; 0 if the flow has not made the table yet."""
        try:
            with psycopg.connect(self.history_url) as connection:
                row = connection.execute("SELECT count(*) FROM price_history").fetchone()
                return int(row[0]) if row else 0
        except psycopg.errors.UndefinedTable:
            return 0

    def wait_for_history(self, rows: int, within_s: float = WITHIN_S) -> None:
        """Wait until `price_history` has at least `rows` rows."""
        wait_for(lambda: self.count_history() >= rows, within_s, lambda: f"{rows} rows, not {self.count_history()}")

    def wait_for_version(self, product_id: str, version: int, within_s: float = WITHIN_S) -> dict[str, str]:
        """Wait until the product's hash in Redis has at least this version, and return the hash."""
        key = f"price:{product_id}"

        def read() -> dict[str, str] | None:
            stored: dict[str, str] = self.redis.hgetall(key)  # type: ignore[assignment]
            return stored if int(stored.get("version", -1)) >= version else None

        found: dict[str, str] = wait_for(read, within_s, lambda: f"{key} at version {version}\n{self.output()}")
        return found
