"""The flow of tables on a real Postgres and a real Kafka."""

import contextlib
import random
import time
from pathlib import Path

import psutil
import pytest

from stack.broker import EmbeddedBroker
from stack.kafka import KafkaServer
from stack.postgres import PostgresServer
from stack.redis import RedisServer
from tests.support.pipeline import wait_for
from tests.support.tables_pipeline import INVENTORY, ORDERS, TablesPipeline, writing

Broker = KafkaServer | EmbeddedBroker


def test_first_all_rows_and_then_every_change_without_a_gap(tables: TablesPipeline) -> None:
    tables.make_tables()
    tables.execute(
        "INSERT INTO product_inventory SELECT 'X' || n, 'Name', n % 50, 5, NULL, n * 0.01 + 0.01"
        " FROM generate_series(1, 20000) n"
    )
    with writing(tables.history_url, seed=1) as written:
        tables.start_flow()
        wait_for(lambda: "the tables are read" in tables.output(), what=tables.output)
        seen = len(written)
        wait_for(lambda: len(written) > seen + 300)
    tables.wait_until_exact()


def test_kills_of_the_flow_at_any_moment_end_with_exact_tables(tables: TablesPipeline) -> None:
    tables.make_tables()
    chooser = random.Random(7)
    with writing(tables.history_url, seed=2):
        for _ in range(7):
            tables.start_flow()
            wait_for(lambda: tables.slot() is not None or not tables.flow[0].running, what=tables.output)
            time.sleep(chooser.uniform(0.0, 2.5))
            tables.kill_flow()
    tables.start_flow()
    tables.wait_until_exact()
    tables.stop_flow()


def test_kills_of_postgres_end_with_exact_tables(
    broker: Broker, own_postgres: PostgresServer, redis_server: RedisServer, tmp_path: Path
) -> None:
    with contextlib.closing(TablesPipeline(broker.brokers, own_postgres, redis_server, tmp_path)) as tables:
        tables.make_tables()
        tables.start_flow()
        with writing(tables.history_url, seed=3) as written:
            for _ in range(3):
                seen = len(written)
                wait_for(lambda seen=seen: len(written) > seen + 50)  # type: ignore[misc]
                assert own_postgres.program is not None
                own_postgres.program.kill()
                own_postgres.start()
        tables.wait_until_exact()
        assert "Postgres cannot be read; trying again" in "\n".join(tables.logs)


def test_the_slot_moves_on_while_the_tables_rest_and_others_are_busy(tables: TablesPipeline) -> None:
    tables.make_tables()
    tables.execute("CREATE TABLE busy (text varchar)")
    tables.stock("P")
    tables.start_flow()
    tables.wait_until_exact()
    tables.execute("INSERT INTO busy SELECT repeat('x', 1000) FROM generate_series(1, 20000)")
    ((end,),) = tables.execute("SELECT pg_current_wal_flush_lsn()")
    passed = "SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE slot_name = %s"
    wait_for(lambda: tables.execute(passed, end, tables.name) == [(True,)], what=lambda: str(tables.slot()))


def test_a_position_is_confirmed_only_when_its_epoch_is_committed(tables: TablesPipeline) -> None:
    tables.make_tables()
    tables.start_flow(commit_every_s=2)
    wait_for(lambda: "the tables are read" in tables.output(), what=tables.output)
    tables.stock("P")
    ((end,),) = tables.execute("SELECT pg_current_wal_flush_lsn()")
    wait_for(lambda: tables.catalogue() == tables.expected_catalogue(), what=tables.output)
    # The message is in Kafka, but no epoch has ended since.
    passed = "SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE slot_name = %s"
    assert tables.execute(passed, end, tables.name) == [(False,)]
    tables.kill_flow()
    tables.start_flow()
    wait_for(lambda: tables.execute(passed, end, tables.name) == [(True,)], what=tables.output)
    assert tables.is_exact()


def test_a_large_transaction_is_exact_and_needs_little_memory(tables: TablesPipeline) -> None:
    tables.make_tables()
    tables.start_flow()
    wait_for(lambda: "the tables are read" in tables.output(), what=tables.output)
    process = psutil.Process(tables.flow[0].pid)
    before = process.memory_info().rss
    rows = 100_000
    tables.execute(
        "INSERT INTO orders SELECT 'O' || n, timestamp '2026-01-01', 'P' || n % 100, 1, repeat('c', 200)"
        f" FROM generate_series(1, {rows}) n"
    )
    highest = before
    while len(tables.read("orders")) < rows:
        highest = max(highest, process.memory_info().rss)
    assert tables.is_exact()
    # The rows of the transaction are 30 MB of text; as objects they would be several times that.
    assert highest - before < 150_000_000, f"{(highest - before) / 1e6:.0f} MB"


FULL = " ALTER TABLE product_inventory REPLICA IDENTITY FULL;"


@pytest.mark.parametrize("identity", ["", FULL], ids=["default", "full"])
def test_values_that_are_stored_apart_keys_that_change_and_tables_that_are_emptied(
    tables: TablesPipeline, identity: str
) -> None:
    tables.make_tables(INVENTORY + ";" + identity)
    # Stored apart from the row, and not compressed, from 2 kB on.
    tables.execute("ALTER TABLE product_inventory ALTER supplier SET STORAGE EXTERNAL")
    tables.start_flow()
    wait_for(lambda: "the tables are read" in tables.output(), what=tables.output)
    long = "".join(random.Random(1).choices("abcdefgh", k=3_000))
    tables.execute("INSERT INTO product_inventory VALUES ('A', 'N', 1, 1, %s, 1)", long)
    tables.execute("UPDATE product_inventory SET stock_level = 2")
    tables.wait_until_exact()
    assert tables.catalogue()["A"]["supplier"] == long
    tables.execute("UPDATE product_inventory SET product_id = 'B'")
    tables.wait_until_exact()
    assert [message.value for message in tables.read("product-catalogue") if message.key == b"A"][-1] is None
    for n in range(5):
        tables.stock(f"Q{n}")
    tables.execute("INSERT INTO orders VALUES ('O', timestamp '2026-01-01', 'Q1', 1, NULL)")
    tables.execute(
        "TRUNCATE product_inventory, orders; INSERT INTO product_inventory VALUES ('Z', 'N', 1, 1, 'S', 1)"
    )
    tables.wait_until_exact()
    assert list(tables.catalogue()) == ["Z"]
    tables.stop_flow()


def test_generated_columns_time_zones_and_numbers_beyond_doubles(tables: TablesPipeline) -> None:
    inventory = (
        "CREATE TABLE product_inventory (product_id integer PRIMARY KEY, product_name text, stock_level bigint,"
        " reorder_threshold integer, supplier text, net numeric, base_price numeric GENERATED ALWAYS AS (net * 2)"
        " STORED, unit_cost double precision, extra jsonb)"
    )
    tables.make_tables(inventory, ORDERS.replace("timestamp", "timestamptz"))
    precise = "12345678901234567890.123456789012345678"
    insert = "INSERT INTO product_inventory VALUES (%s, 'N', 9007199254740993, 1, 'S', %s, DEFAULT, 0.1, '{}')"
    tables.execute(insert, 1, precise)
    tables.start_flow(PGOPTIONS="-c timezone=Asia/Tokyo -c datestyle=German")
    wait_for(lambda: "the tables are read" in tables.output(), what=tables.output)
    tables.execute(insert, 2, precise)
    tables.execute(insert, 3, "NaN")
    tables.execute("INSERT INTO orders VALUES ('O', '2026-01-01 12:00:00.5+02', '1', 1, NULL)")
    wait_for(lambda: len(tables.catalogue()) == 3 and tables.orders(), what=tables.output)
    price = tables.execute("SELECT %s::numeric * 2", precise)[0][0]
    for product_id in ("1", "2"):
        entry = tables.catalogue()[product_id]
        assert (entry["product_id"], entry["base_price"], entry["stock_level"]) == (product_id, price, 2**53 + 1)
        assert float(entry["unit_cost"]) == 0.1
    # Readers refuse it.
    assert tables.catalogue()["3"]["base_price"] == "NaN"
    assert tables.orders()["O"]["order_time"] == "2026-01-01T10:00:00.5Z"


def test_an_order_that_changes_its_product_is_removed_under_the_old_one(tables: TablesPipeline) -> None:
    tables.make_tables(orders=ORDERS + "; ALTER TABLE orders REPLICA IDENTITY FULL")
    tables.start_flow()
    wait_for(lambda: "the tables are read" in tables.output(), what=tables.output)
    tables.execute("INSERT INTO orders VALUES ('O', timestamp '2026-01-01', 'A', 1, 'C')")
    tables.execute("UPDATE orders SET product_id = 'B'")
    tables.execute("DELETE FROM orders")
    wait_for(lambda: len(tables.read("orders")) == 4, what=tables.output)
    found = sorted(
        (int(m.headers["lsn"]), m.json()["op"] != "d", m.key, m.json()["op"]) for m in tables.read("orders")
    )
    assert [(key, op) for _, _, key, op in found] == [(b"A", "c"), (b"A", "d"), (b"B", "c"), (b"B", "d")]
    assert found[1][0] == found[2][0]
