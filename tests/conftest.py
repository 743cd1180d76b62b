"""The servers for tests. They are real ones. The broker and Postgres run for the whole session, a Redis for one
test."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import telemetry
from stack import kafka
from stack.broker import EmbeddedBroker
from stack.postgres import PostgresServer
from stack.redis import RedisServer
from tests.support.market_pipeline import MarketPipeline
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
    """A real Kafka if Java and Maven are installed; otherwise, or with TEST_BROKER=embedded, the embedded
    broker."""
    real = kafka.is_available() and os.environ.get("TEST_BROKER") != "embedded"
    server = kafka.KafkaServer(folder) if real else EmbeddedBroker()
    server.start()
    _broker_used.append(server.kind)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres(folder: Path) -> Iterator[PostgresServer]:
    """A Postgres for the whole session; each pipeline has a database in it."""
    server = PostgresServer(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _no_alerts_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Alerts are of the process. Those that a test leaves behind are none of the next one's. Ends before the kinds
    of alerts that a test has added are gone."""
    yield
    for code, subject in telemetry.alerts_in_force():
        telemetry.set_alert(code, subject, holds=False)


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """An empty Redis for one test."""
    server = RedisServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def pipeline(
    broker: kafka.KafkaServer | EmbeddedBroker, postgres: PostgresServer, redis_server: RedisServer, tmp_path: Path
) -> Iterator[Pipeline]:
    """A pipeline with its own topics, database and Redis. The test starts the flow and the API if it needs them."""
    with contextlib.closing(Pipeline(broker.brokers, postgres, redis_server, tmp_path)) as made:
        yield made


@pytest.fixture
def market(
    broker: kafka.KafkaServer | EmbeddedBroker, postgres: PostgresServer, redis_server: RedisServer, tmp_path: Path
) -> Iterator[MarketPipeline]:
    """A pipeline of the market, as `pipeline`."""
    with contextlib.closing(MarketPipeline(broker.brokers, postgres, redis_server, tmp_path)) as made:
        yield made


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a process of pytest-xdist, tell the main process which broker was used."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["brokers"] = _broker_used


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """In the main process, take what `pytest_sessionfinish` has told."""
    _broker_used.extend(getattr(node, "workeroutput", {}).get("brokers", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the broker that was used and the number of skipped tests."""
    stats = terminalreporter.stats
    terminalreporter.write_line(f"broker: {', '.join(sorted({*_broker_used})) or 'none was needed'}")
    terminalreporter.write_line(f"skipped: {len(stats.get('skipped', []))} (reasons above)")
