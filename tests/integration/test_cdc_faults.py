"""Faults of the flow of tables: each ends it with one line, and nothing is skipped."""

import contextlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stack.broker import EmbeddedBroker
from stack.kafka import KafkaServer
from stack.postgres import PostgresServer
from stack.redis import RedisServer
from tests.support.pipeline import ROOT, wait_for
from tests.support.tables_pipeline import INVENTORY, ORDERS, TablesPipeline

Broker = KafkaServer | EmbeddedBroker


def lose_the_slot(tables: TablesPipeline) -> None:
    tables.kill_flow()
    tables.wait_until_idle()
    tables.execute("SELECT pg_drop_replication_slot(%s)", tables.name)


def test_a_lost_slot_is_refused_and_starting_over_removes_what_is_gone(tables: TablesPipeline) -> None:
    tables.make_tables()
    for name in "ABC":
        tables.stock(name)
    tables.execute("INSERT INTO orders VALUES ('O', timestamp '2026-01-01', 'A', 1, 'C')")
    tables.start_flow()
    tables.wait_until_exact()
    tables.wait_until_confirmed()
    lose_the_slot(tables)
    tables.execute("DELETE FROM product_inventory WHERE product_id = 'A'")
    tables.execute("DELETE FROM orders")
    tables.stock("B", level=99)
    tables.start_flow()
    line = tables.last_line()
    assert f"there is no replication slot {tables.name} any more" in line
    assert "START_OVER=yes" in line
    tables.start_flow(START_OVER="yes")
    tables.wait_until_exact()
    assert sorted(tables.catalogue()) == ["B", "C"]
    assert tables.orders() == {}


def test_another_database_is_refused_and_then_its_rows_are_newer(
    broker: Broker, own_postgres: PostgresServer, tables: TablesPipeline
) -> None:
    """Positions of a new database are smaller than those of a busy old one."""
    tables.make_tables()
    tables.execute(
        "INSERT INTO product_inventory SELECT 'X' || n, repeat('x', 300), 1, 1, 'S', 1"
        " FROM generate_series(1, 9000) n"
    )
    tables.stock("A", level=1)
    tables.start_flow()
    tables.wait_until_exact()
    tables.wait_until_confirmed()
    time_of_old = max(int(m.headers["lsn"]) for m in tables.read("product-catalogue"))
    lose_the_slot(tables)
    old_url, tables.history_url = tables.history_url, own_postgres.url
    tables.make_tables()
    tables.stock("A", level=2)
    ((position,),) = tables.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
    assert position < time_of_old, "the new database is to be behind the old one"
    tables.start_flow()
    assert "this is another database" in tables.last_line()
    tables.start_flow(START_OVER="yes")
    tables.wait_until_exact()
    tables.stock("A", level=3)
    tables.wait_until_exact()
    assert tables.catalogue()["A"]["stock_level"] == 3
    tables.kill_flow()
    tables.history_url = old_url


def test_a_fail_over_that_lost_changes_is_refused_and_starting_over_is_exact(
    broker: Broker, own_postgres: PostgresServer, redis_server: RedisServer, tmp_path: Path
) -> None:
    """A standby that was behind: a copy of the data from before the last changes, slot included."""
    with contextlib.closing(TablesPipeline(broker.brokers, own_postgres, redis_server, tmp_path)) as tables:
        tables.make_tables()
        tables.stock("A", level=1)
        tables.start_flow()
        tables.wait_until_exact()
        tables.wait_until_confirmed()
        own_postgres.stop()
        standby = own_postgres.data_folder.with_name("standby")
        # With its owner, because Postgres runs under an account of its own.
        subprocess.run(["cp", "-a", own_postgres.data_folder, standby], check=True)
        own_postgres.start()
        tables.stock("A", level=2)
        tables.stock("B")
        tables.wait_until_exact()
        tables.wait_until_confirmed()
        own_postgres.stop()
        shutil.rmtree(own_postgres.data_folder)
        standby.rename(own_postgres.data_folder)
        own_postgres.start()
        assert "it was restored, or a fail-over lost changes" in tables.last_line()
        tables.wait_until_idle()
        tables.execute("SELECT pg_drop_replication_slot(%s)", tables.name)
        tables.start_flow(START_OVER="yes")
        tables.wait_until_exact()
        assert list(tables.catalogue()) == ["A"]
        assert tables.catalogue()["A"]["stock_level"] == 1


def test_a_slot_that_another_reader_has_moved_on_is_refused(tables: TablesPipeline) -> None:
    tables.make_tables()
    tables.start_flow()
    tables.stock("A")
    tables.wait_until_exact()
    tables.wait_until_confirmed()
    tables.kill_flow()
    tables.wait_until_idle()
    tables.stock("B")
    tables.execute("SELECT pg_replication_slot_advance(%s, pg_current_wal_lsn())", tables.name)
    tables.start_flow()
    assert "has moved on to" in tables.last_line()
    tables.start_flow(START_OVER="yes")
    tables.wait_until_exact()


def test_a_slot_without_state_is_refused(tables: TablesPipeline) -> None:
    tables.make_tables()
    tables.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", tables.name)
    tables.start_flow()
    assert "but no state that knows it" in tables.last_line()


def test_a_second_reader_ends_with_one_line(tables: TablesPipeline, tmp_path: Path) -> None:
    tables.make_tables()
    tables.start_flow()
    tables.stock("A")
    tables.wait_until_exact()
    tables.wait_until_confirmed()
    first, tables.flow = tables.flow, []
    try:
        tables.recovery = Path(shutil.copytree(tables.recovery, tmp_path / "copied"))
        tables.start_flow(METRICS_PORT="0")
        assert re.search("has another reader .*active for PID", line := tables.last_line()), line
    finally:
        tables.flow += first


BREAKS: dict[str, tuple[str, str]] = {
    "column": ("ALTER TABLE product_inventory DROP stock_level", "has no column stock_level"),
    "optional column": ("ALTER TABLE product_inventory DROP category", "has no column category any more"),
    "table": ("DROP TABLE orders", "there is no table public.orders"),
    "another table of the name": (
        f"DROP TABLE orders; {ORDERS}",
        "the publication pricewax does not hold the table",
    ),
    "name": ("ALTER TABLE orders RENAME TO others", "there is no table public.orders"),
    "publication": ("DROP PUBLICATION pricewax", "there is no publication pricewax any more"),
    "its operations": ("ALTER PUBLICATION pricewax SET (publish = 'insert')", "leaves out changes"),
    "its rows": (
        "ALTER PUBLICATION pricewax SET TABLE product_inventory, orders WHERE (order_id > 'A')",
        "leaves out rows of public.orders",
    ),
    "key": ("ALTER TABLE orders DROP CONSTRAINT orders_pkey", "order_id of the table public.orders must be its"),
}


@pytest.mark.parametrize("what", BREAKS)
def test_what_is_needed_and_goes_away_ends_the_flow_with_one_line(tables: TablesPipeline, what: str) -> None:
    statement, text = BREAKS[what]
    tables.make_tables(INVENTORY.replace("base_price", "category varchar, base_price"))
    tables.execute("INSERT INTO product_inventory VALUES ('A', 'N', 1, 1, 'S', 'C', 1)")
    tables.start_flow()
    wait_for(lambda: len(tables.read("product-catalogue")) == 1, what=tables.output)
    wait_for(lambda: (tables.slot() or {}).get("active"), what=tables.output)
    tables.execute(statement)
    with contextlib.suppress(Exception):
        tables.execute("UPDATE product_inventory SET product_name = 'M'")
    line = tables.last_line()
    assert text in line, line
    assert "Traceback" not in "\n".join(tables.logs)


@pytest.mark.parametrize(
    ("inventory", "text"),
    [
        (INVENTORY.replace(" PRIMARY KEY", ""), "product_id of the table public.product_inventory must be its"),
        (
            INVENTORY.replace("varchar PRIMARY", "varchar UNIQUE DEFERRABLE").replace(
                "DEFERRABLE KEY", "DEFERRABLE"
            ),
            "must be",
        ),
        (INVENTORY.replace("supplier varchar,", ""), "has no column supplier"),
        (INVENTORY + "; ALTER TABLE product_inventory REPLICA IDENTITY NOTHING", "REPLICA IDENTITY FULL"),
    ],
    ids=["no key", "deferrable", "column", "identity"],
)
def test_tables_that_cannot_be_read_are_refused_at_the_start(
    tables: TablesPipeline, inventory: str, text: str
) -> None:
    tables.make_tables(inventory)
    tables.start_flow()
    assert text in tables.last_line()
    assert tables.execute("SELECT count(*) FROM pg_publication") == [(0,)], (
        "the application could not write any more"
    )


def test_a_role_without_rights_is_refused_with_the_statement_to_run(tables: TablesPipeline) -> None:
    tables.make_tables()
    role = f"r_{tables.name}"
    tables.execute(
        f"CREATE ROLE {role} LOGIN PASSWORD 'secret-word'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    )
    try:
        url = tables.history_url.replace("pricewax:pricewax@", f"{role}:secret-word@")
        tables.start_flow(CDC_URL=url)
        assert "needs REPLICATION" in tables.last_line()
        tables.execute(f"ALTER ROLE {role} REPLICATION")
        tables.start_flow(CDC_URL=url)
        assert "CREATE PUBLICATION" in tables.last_line()
        tables.execute("CREATE PUBLICATION pricewax FOR TABLE product_inventory, orders")
        tables.stock("A")
        tables.start_flow(CDC_URL=url)
        tables.wait_until_exact()
        assert "secret-word" not in "\n".join(tables.logs)
        tables.kill_flow()
    finally:
        tables.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_the_flow_needs_a_recovery_folder_and_a_database(tables: TablesPipeline) -> None:
    def run(**environment: str) -> Any:
        return subprocess.run(
            [sys.executable, "-m", "bytewax.run", "dataflows.cdc"],
            env={**tables.environment, "PATH": "/usr/bin:/bin", **environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    without = run()
    assert without.returncode == 2
    assert without.stderr.strip().splitlines()[-1].startswith("pricewax: CDC_URL takes postgresql://")
    without = run(CDC_URL=tables.history_url)
    assert without.returncode == 2
    assert "needs a recovery folder" in without.stderr.strip().splitlines()[-1]
