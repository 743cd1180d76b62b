"""The tables of a shop to prices: through the flow of tables and the pricing flow, also over kills of both."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stack.broker import EmbeddedBroker
from stack.kafka import KafkaServer
from stack.postgres import PostgresServer
from stack.redis import RedisServer
from tests.support.pipeline import ROOT, Pipeline, wait_for
from tests.support.tables_pipeline import TablesPipeline

POLICY = str(ROOT / "policies" / "live-inventory.toml")


@pytest.fixture
def tables(
    broker: KafkaServer | EmbeddedBroker, postgres: PostgresServer, redis_server: RedisServer, tmp_path: Path
) -> Iterator[TablesPipeline]:
    with contextlib.closing(TablesPipeline(broker.brokers, postgres, redis_server, tmp_path / "of-tables")) as made:
        made.recovery.parent.mkdir()
        yield made


def test_rows_of_the_tables_become_prices(pipeline: Pipeline, tables: TablesPipeline) -> None:
    pipeline.environment["PRODUCT_CATALOGUE_TOPIC"] = tables.topics["product-catalogue"]

    def price(product_id: str) -> Any:
        return pipeline.redis.hget(f"price:{product_id}", "price")

    def restart() -> None:
        tables.kill_flow()
        pipeline.kill_flow()
        tables.start_flow()
        pipeline.start_flow(POLICY=POLICY)

    tables.make_tables()
    tables.stock("A", level=30)
    tables.stock("B", level=5)
    tables.start_flow()
    pipeline.start_flow(POLICY=POLICY)
    wait_for(lambda: [price(each) for each in "AB"] == ["10.00", "12.00"], what=pipeline.output)
    tables.stock("A", level=60)
    tables.stock("B", level=30, price="20.00")
    wait_for(lambda: [price(each) for each in "AB"] == ["9.00", "20.00"], what=pipeline.output)
    tables.wait_until_confirmed()
    restart()
    tables.execute("DELETE FROM product_inventory WHERE product_id = 'A'")
    tables.stock("C")
    wait_for(lambda: [price(each) for each in "ABC"] == [None, "20.00", "12.00"], what=pipeline.output)
    tables.execute("TRUNCATE product_inventory")
    tables.stock("B", level=60, price="30.00")
    wait_for(lambda: [price(each) for each in "ABC"] == [None, "27.00", None], what=pipeline.output)
    assert pipeline.read("dead-letters") == []
