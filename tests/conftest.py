"""Servers that tests run against: real ones, started once a session, stopped at its end."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from stack import kafka
from stack.broker import EmbeddedBroker
from stack.postgres import PostgresServer
from stack.redis import RedisServer
from tests.support.pipeline import Pipeline

# A busy machine is no failure of a property.
settings.register_profile("pricewax", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pricewax")

_broker_used: list[str] = []


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that the unprivileged account of Postgres can enter."""
    path = Path(tempfile.mkdtemp(prefix="pricewax-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def broker(folder: Path) -> Iterator[kafka.KafkaServer | EmbeddedBroker]:
    """A real Kafka where Java and Maven are there, else (or with TEST_BROKER=embedded) the embedded broker."""
    real = kafka.is_available() and os.environ.get("TEST_BROKER") != "embedded"
    server = kafka.KafkaServer(folder) if real else EmbeddedBroker()
    server.start()
    _broker_used.append(server.kind)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres(folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def pipeline(
    broker: kafka.KafkaServer | EmbeddedBroker, postgres: PostgresServer, redis_server: RedisServer, tmp_path: Path
) -> Iterator[Pipeline]:
    """Topics, a database and a Redis of its own; the flow and the API where the test starts them."""
    with contextlib.closing(Pipeline(broker.brokers, postgres, redis_server, tmp_path)) as made:
        yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    stats = terminalreporter.stats
    terminalreporter.write_line(f"broker: {_broker_used[0] if _broker_used else 'none was needed'}")
    terminalreporter.write_line(f"skipped: {len(stats.get('skipped', []))} (reasons above)")
