"""The flow of the lake on a real Kafka and Postgres: rows equal the topic, over kills, outages and restarts."""

import contextlib
import csv
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path

import psycopg
import pytest

from stack.broker import EmbeddedBroker
from stack.kafka import KafkaServer
from stack.postgres import PostgresServer
from stack.redis import RedisServer
from tests.support.lake_pipeline import LakePipeline
from tests.support.lake_servers import BUCKET, JARS, ObjectStore, RestCatalogue
from tests.support.pipeline import wait_for

T0 = 1_700_000_000_000
DAY_MS = 86_400_000


@pytest.fixture
def lake(
    broker: KafkaServer | EmbeddedBroker, postgres: PostgresServer, redis_server: RedisServer, tmp_path: Path
) -> Iterator[LakePipeline]:
    with contextlib.closing(LakePipeline(broker.brokers, postgres, redis_server, tmp_path)) as made:
        yield made


def test_each_version_is_one_row_with_all_that_the_update_says(lake: LakePipeline) -> None:
    lake.start_lake()
    lake.update("A", 1, 10.99, T0)
    lake.update("A", 2, 11.5, T0 + 1_001, previous_price=10.99, price_source="override", adjustments=[])
    lake.update("A", 1, 10.99, T0)
    lake.update("A", 3, None, T0 + 2_000)
    lake.send("price-updates", "B", b"no JSON")
    lake.send("price-updates", "B", {"product_id": "B", "version": 1})
    lake.update("B", 1, 3.0, T0 + DAY_MS)
    lake.flush()
    wait_for(lambda: len(lake.rows()) == 3, what=lake.output)
    lake.stop_flow()
    first, second, other = sorted(lake.rows(), key=lambda row: (row["product_id"], row["version"]))
    assert str(first["price"]) == "10.9900"
    assert first["previous_price"] is None
    assert first["adjustments"] == [{"rule": "base", "amount": 10.99, "reason": "the base price"}]
    assert (first["demand"], first["policy"], first["price_source"]) == (1.5, "p1", "dynamic")
    assert (second["price_source"], second["adjustments"]) == ("override", [])
    assert second["event_time"].timestamp() * 1000 == T0 + 1_001
    assert (other["product_id"], other["source_topic"]) == ("B", lake.topics["price-updates"])
    places = {(message.partition, message.offset): message for message in lake.read("price-updates")}
    assert places[first["source_partition"], first["source_offset"]].json()["version"] == 1
    codes = [message.json()["error_code"] for message in lake.read("dead-letters")]
    assert sorted(codes) == ["missing_field", "not_json"]


def test_rows_that_wait_are_committed_when_the_flow_is_asked_to_stop(lake: LakePipeline) -> None:
    lake.start_lake(LAKE_COMMIT_S="3600")
    for index in range(100):
        lake.update(f"P{index % 7}", index + 1, float(index), T0 + index)
    # A letter for the last message of each partition shows that all before it was read.
    for partition in range(4):
        lake.send("price-updates", "P", b"no JSON", partition)
    lake.flush()
    wait_for(lambda: len(lake.read("dead-letters")) == 4, what=lake.output)
    assert lake.prices() == []
    lake.stop_flow()
    expected = [(f"P{index % 7}", index + 1, Decimal(index)) for index in range(100)]
    assert lake.prices() == sorted(expected)
    with contextlib.closing(lake.catalogue()) as catalogue:
        assert len(catalogue.load_table("pricewax.price_history").snapshots()) == 1


def test_a_number_of_rows_is_committed_at_once(lake: LakePipeline) -> None:
    lake.start_lake(LAKE_COMMIT_S="3600", LAKE_COMMIT_ROWS="50")
    for index in range(100):
        lake.update("P", index + 1, float(index), T0 + index)
    lake.flush()
    wait_for(lambda: len(lake.prices()) == 100, what=lake.output)
    lake.stop_flow()


def _has_more_than(lake: LakePipeline, count: int) -> bool:
    return len(lake.prices()) > count


@pytest.mark.parametrize("seed", [1, 2])
def test_kills_at_any_moment_neither_lose_nor_double_a_row(lake: LakePipeline, seed: int) -> None:
    """The flow commits all the time, and its upkeep rewrites files, so a kill hits both. Updates come again, as
    after a crash of the pricing flow."""
    chance = random.Random(seed)
    versions: dict[str, int] = {}
    done = threading.Event()

    def feed() -> None:
        sent: list[tuple[str, int, float, int]] = []
        while not done.is_set():
            for _ in range(20):
                product = f"P{chance.randrange(30)}"
                versions[product] = versions.get(product, 0) + 1
                sent.append(
                    (product, versions[product], chance.randrange(10_000) / 100, T0 + chance.randrange(DAY_MS))
                )
                lake.update(*sent[-1])
            if chance.random() < 0.1:
                for update in sent[-50:]:
                    lake.update(*update)
            lake.flush()
            time.sleep(0.01)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        for _ in range(7):
            lake.start_lake(LAKE_COMMIT_S="0.1", LAKE_UPKEEP_S="0.5", LAKE_KEEP_DAYS="0")
            before = len(lake.prices())
            wait_for(partial(_has_more_than, lake, before), what=lake.output)
            time.sleep(chance.random())
            lake.kill_flow()
    finally:
        done.set()
        feeder.join()
    lake.start_lake(LAKE_COMMIT_S="0.1")
    expected = lake.published()
    wait_for(lambda: len(lake.prices()) >= len(expected), what=lake.output)
    lake.stop_flow()
    assert lake.prices() == expected
    assert len(expected) > 500


def test_a_catalogue_that_is_away_delays_rows_and_loses_none(lake: LakePipeline, postgres: PostgresServer) -> None:
    lake.environment["LAKE_CATALOG"] = lake.history_url
    lake.start_lake()
    lake.update("A", 1, 1.0, T0)
    lake.flush()
    wait_for(lambda: len(lake.prices()) == 1, what=lake.output)
    postgres.stop()
    try:
        lake.update("A", 2, 2.0, T0 + 1)
        lake.flush()
        wait_for(lambda: "the lake cannot be written" in lake.output(), what=lake.output)
        # It does not hold up the end of the flow, nor its next start.
        lake.stop_flow()
        lake.start_lake()
        wait_for(lambda: "waiting for the lake" in lake.output(), what=lake.output)
        lake.update("A", 3, 3.0, T0 + 2)
        lake.flush()
    finally:
        postgres.start()
    wait_for(lambda: [version for _, version, _ in lake.prices()] == [1, 2, 3], what=lake.output)
    assert "user" not in lake.output()
    lake.stop_flow()


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    made = ObjectStore()
    made.start()
    yield made
    made.stop()


def _use_store(lake: LakePipeline, store: ObjectStore) -> None:
    options = ";".join(f"{name}={value}" for name, value in store.options.items())
    lake.environment |= {"LAKE_WAREHOUSE": f"s3://{BUCKET}/warehouse", "LAKE_OPTIONS": options}


def _send_rows(lake: LakePipeline, first: int, count: int) -> None:
    for index in range(first, first + count):
        lake.update(f"P{index % 5}", index + 1, index / 100, T0 + index * 1000)
    lake.flush()


def test_a_rest_catalogue_and_an_object_store_over_kills_and_outages(
    lake: LakePipeline, store: ObjectStore, tmp_path: Path
) -> None:
    if not JARS.are_available:
        pytest.skip("no Java and Maven for a REST catalogue")
    catalogue = RestCatalogue(tmp_path, store)
    catalogue.start()
    try:
        _use_store(lake, store)
        lake.environment["LAKE_CATALOG"] = catalogue.address
        lake.start_lake(LAKE_UPKEEP_S="0.5")
        for round_ in range(3):
            _send_rows(lake, round_ * 50, 50)
            wait_for(partial(_has_more_than, lake, round_ * 50), what=lake.output)
            lake.kill_flow()
            lake.start_lake(LAKE_UPKEEP_S="0.5")
        wait_for(lambda: sum("the lake goes on" in line for line in lake.logs) == 4, what=lake.output)
        catalogue.stop()
        _send_rows(lake, 150, 50)
        wait_for(lambda: "the lake cannot be written" in lake.output(), what=lake.output)
        catalogue.start()
        wait_for(partial(_has_more_than, lake, 199), what=lake.output)
        lake.stop_flow()
        assert lake.prices() == lake.published()
        assert "secret-of-the-lake" not in lake.output()
    finally:
        catalogue.stop()


def test_a_second_engine_reads_the_same_rows(lake: LakePipeline, store: ObjectStore) -> None:
    """ClickHouse, in a process of its own: it brings its own signal handlers."""
    _use_store(lake, store)
    lake.start_lake(LAKE_UPKEEP_S="0.3")
    _send_rows(lake, 0, 300)
    wait_for(partial(_has_more_than, lake, 299), what=lake.output)
    lake.stop_flow()
    where = f"'{store.endpoint}/{BUCKET}/warehouse/pricewax/price_history', 'lake', 'secret-of-the-lake'"
    query = f"SELECT product_id, version, price FROM icebergS3({where}) ORDER BY product_id, version"
    code = "import sys, chdb; sys.stdout.write(str(chdb.query(sys.argv[1], 'CSV')))"
    command = [sys.executable, "-c", code, query]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = [(row[0], int(row[1]), Decimal(row[2])) for row in csv.reader(done.stdout.splitlines())]
    assert rows == lake.published()


def test_the_sales_of_the_history_database_are_rows_as_of_each_commit(lake: LakePipeline) -> None:
    with psycopg.connect(lake.history_url, autocommit=True) as database:
        database.execute(
            "CREATE TABLE sales_profit (product_id text, product_name text, total_orders numeric,"
            " revenue_estimate numeric); INSERT INTO sales_profit VALUES ('A', 'Mug', 3, 30.5), ('B', NULL, 1, 0)"
        )
        lake.start_lake()
        wait_for(lambda: len(lake.rows("sales_profit")) == 2, what=lake.output)
        lake.kill_flow()
        database.execute(
            "UPDATE sales_profit SET total_orders = 4, revenue_estimate = 41.25 WHERE product_id = 'A'"
        )
        # Commits are a row for each product, and come only if a sum has changed: not for the start alone.
        lake.start_lake()
        wait_for(lambda: len(lake.rows("sales_profit")) == 4, what=lake.output)
        lake.stop_flow()
        lake.start_lake()
        wait_for(lambda: sum("the lake goes on" in line for line in lake.logs) == 3, what=lake.output)
        lake.stop_flow()
    rows = sorted(lake.rows("sales_profit"), key=lambda row: (row["as_of"], row["product_id"]))
    columns = ("product_id", "product_name", "total_orders", "revenue_estimate")
    seen = [tuple(str(row[name]) for name in columns) for row in rows]
    of_b = ("B", "None", "1", "0.0000")
    assert seen == [("A", "Mug", "3", "30.5000"), of_b, ("A", "Mug", "4", "41.2500"), of_b]
    assert len({row["as_of"] for row in rows}) == 2
