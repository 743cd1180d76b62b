"""Servers and pipelines for the tests of the flow of tables."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.broker import EmbeddedBroker
from stack.kafka import KafkaServer
from stack.postgres import PostgresServer
from stack.redis import RedisServer
from tests.support.tables_pipeline import TablesPipeline


@pytest.fixture
def tables(
    broker: KafkaServer | EmbeddedBroker, postgres: PostgresServer, redis_server: RedisServer, tmp_path: Path
) -> Iterator[TablesPipeline]:
    """Tables in a database of their own, and the flow that reads them."""
    with contextlib.closing(TablesPipeline(broker.brokers, postgres, redis_server, tmp_path)) as made:
        yield made


@pytest.fixture
def own_postgres(folder: Path) -> Iterator[PostgresServer]:
    """A Postgres for this test only, which keeps every commit when it is killed."""
    server = PostgresServer(folder / uuid.uuid4().hex, durable=True)
    server.start()
    yield server
    server.stop()
