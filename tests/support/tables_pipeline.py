"""Tables of a shop in a Postgres, and the flow that reads them into topics."""

import contextlib
import json
import random
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg

from tests.support.pipeline import WITHIN_S, Message, Pipeline, wait_for

INVENTORY = """
CREATE TABLE product_inventory (
    product_id varchar PRIMARY KEY, product_name varchar, stock_level integer, reorder_threshold integer,
    supplier varchar, base_price numeric)
"""
ORDERS = """
CREATE TABLE orders (
    order_id varchar PRIMARY KEY, order_time timestamp, product_id varchar, quantity integer, customer_id varchar)
"""


class TablesPipeline(Pipeline):
    """The tables are in the database of the pipeline, and the slot has its name."""

    module = "dataflows.cdc"
    topic_names = ("product-catalogue", "orders")
    compacted = frozenset({"product-catalogue"})

    def make_tables(self, inventory: str = INVENTORY, orders: str = ORDERS) -> None:
        """Make both tables, and lead the flow to them. Every commit is in Postgres's log at once."""
        self.execute(f'ALTER DATABASE "{self.history_url.rsplit("/", 1)[1]}" SET synchronous_commit = on')
        self.execute(inventory)
        self.execute(orders)
        self.environment |= {"CDC_URL": self.history_url, "CDC_SLOT": self.name}

    def execute(self, statement: str, *binds: Any) -> list[tuple[Any, ...]]:
        """Run a statement in a transaction of its own, and return its rows."""
        with psycopg.connect(self.history_url, autocommit=True) as connection:
            cursor = connection.execute(statement, binds or None)
            return cursor.fetchall() if cursor.description else []

    def stock(self, product_id: str, level: int = 5, price: str = "10.00") -> None:
        """Insert a product, or change it."""
        self.execute(
            "INSERT INTO product_inventory VALUES (%s, %s, %s, 3, 'S', %s) ON CONFLICT (product_id) DO UPDATE SET"
            " stock_level = excluded.stock_level, base_price = excluded.base_price",
            *(product_id, f"Name of {product_id}", level, price),
        )

    def catalogue(self) -> dict[str, dict[str, Any]]:
        """Return the entries of the topic as a careful reader has them, by id: the newest by `lsn`."""
        return _newest(self.read("product-catalogue"), lambda message, _: (message.key or b"").decode())

    def orders(self) -> dict[str, dict[str, Any]]:
        """Return the orders of the topic as a careful reader has them, by id."""
        return _newest(self.read("orders"), lambda _, value: value["order_id"])

    def expected_catalogue(self) -> dict[str, dict[str, Any]]:
        """Return the entries that the table stands for, without their positions."""
        rows = self.execute(
            "SELECT product_id, product_name, stock_level, reorder_threshold, supplier, base_price"
            " FROM product_inventory"
        )
        names = ("product_id", "name", "stock_level", "reorder_threshold", "supplier", "base_price")
        return {
            row[0]: {name: each for name, each in zip(names, row, strict=True) if each is not None} for row in rows
        }

    def expected_orders(self) -> dict[str, dict[str, Any]]:
        """Return the orders that the table stands for, without operation and position."""
        rows = self.execute(
            "SELECT order_id, to_char(order_time, 'YYYY-MM-DD') || 'T' || to_char(order_time, 'HH24:MI:SS') || 'Z',"
            " product_id, quantity, customer_id FROM orders"
        )
        names = ("order_id", "order_time", "product_id", "quantity", "customer_id")
        return {
            row[0]: {name: each for name, each in zip(names, row, strict=True) if each is not None} for row in rows
        }

    def is_exact(self) -> bool:
        """Return true if the topics stand for what the tables hold."""
        return self.catalogue() == self.expected_catalogue() and self.orders() == self.expected_orders()

    def wait_until_exact(self, within_s: float = WITHIN_S) -> None:
        """Wait until `is_exact`."""
        wait_for(self.is_exact, within_s, self._difference)

    def slot(self) -> dict[str, Any] | None:
        """Return the slot's row; None if there is none."""
        rows = self.execute(
            "SELECT active, confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = %s", self.name
        )
        return dict(zip(("active", "confirmed"), rows[0], strict=True)) if rows else None

    def wait_until_confirmed(self) -> None:
        """Wait until the slot has confirmed all that was written until now: an epoch with it is committed."""
        # A new slot has confirmed its own position before any epoch, so something is written behind it.
        self.execute("SELECT pg_logical_emit_message(true, 'test', 'behind the slot')")
        ((end,),) = self.execute("SELECT pg_current_wal_flush_lsn()")
        query = "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND confirmed_flush_lsn >= %s::pg_lsn"
        wait_for(lambda: self.execute(query, self.name, end), what=self.output)

    def wait_until_idle(self) -> None:
        """Wait until the slot has no reader, after that was killed."""
        wait_for(lambda: not (self.slot() or {"active": True})["active"], what="the end of the slot's reader")

    def last_line(self) -> str:
        """Wait until the flow has ended, and return the last line that it wrote. Asserts its status."""
        (program,) = self.flow
        wait_for(lambda: not program.running, what=self.output)
        program.stop()
        assert program.process.returncode == 1, self.output()
        self.flow.clear()
        return self.logs[-1]

    def close(self) -> None:
        for program in self.flow:
            program.kill()
        with contextlib.suppress(psycopg.Error):
            wait_for(lambda: not (self.slot() or {}).get("active"), what="the end of the slot's reader")
            self.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s",
                self.name,
            )
        super().close()

    def _difference(self) -> str:
        found, wanted = self.catalogue(), self.expected_catalogue()
        orders, wanted_orders = self.orders(), self.expected_orders()
        differ = [key for key in found.keys() | wanted if found.get(key) != wanted.get(key)][:3]
        differ_orders = [key for key in orders.keys() | wanted_orders if orders.get(key) != wanted_orders.get(key)][
            :3
        ]
        shown = [(found.get(key), wanted.get(key)) for key in differ]
        shown_orders = [(orders.get(key), wanted_orders.get(key)) for key in differ_orders]
        return f"{shown}\n{shown_orders}\n{self.output()}"


@contextlib.contextmanager
def writing(url: str, seed: int) -> Iterator[list[int]]:
    """Write to both tables from a thread while the block runs: transactions of one to five changes, some of which
    are rolled back. Yields a list that has one number for each transaction. Goes on after a restart of Postgres."""
    done: list[int] = []
    stop = threading.Event()
    errors: list[BaseException] = []

    def run() -> None:
        chooser = random.Random(seed)
        while not stop.is_set():
            try:
                with psycopg.connect(url) as connection:
                    while not stop.is_set():
                        for _ in range(chooser.randint(1, 5)):
                            _change(connection, chooser)
                        connection.rollback() if chooser.random() < 0.1 else connection.commit()
                        done.append(len(done))
                        stop.wait(0.002)
            except psycopg.OperationalError:
                stop.wait(0.05)
            except BaseException as error:
                errors.append(error)
                raise

    thread = threading.Thread(target=run, name="writer")
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()
    assert not errors, errors


def _change(connection: psycopg.Connection, chooser: random.Random) -> None:
    product, order = f"P{chooser.randrange(40)}", f"O{chooser.randrange(200)}"
    kind = chooser.random()
    if kind < 0.35:
        connection.execute(
            "INSERT INTO product_inventory VALUES (%s, %s, %s, 5, 'S', %s) ON CONFLICT (product_id) DO UPDATE SET"
            " stock_level = excluded.stock_level, base_price = excluded.base_price",
            (product, product, chooser.randrange(100), Decimal(chooser.randint(1, 10_000)) / 100),
        )
    elif kind < 0.45:
        connection.execute("DELETE FROM product_inventory WHERE product_id = %s", (product,))
    elif kind < 0.5:
        connection.execute(
            "UPDATE product_inventory SET product_id = %s WHERE product_id = %s AND NOT EXISTS"
            " (SELECT FROM product_inventory WHERE product_id = %s)",
            (other := f"P{chooser.randrange(40)}", product, other),
        )
    elif kind < 0.9:
        connection.execute(
            "INSERT INTO orders VALUES (%s, timestamp '2026-01-01' + %s * interval '1 second', %s, %s, 'C')"
            " ON CONFLICT (order_id) DO UPDATE SET quantity = excluded.quantity, product_id = excluded.product_id",
            (order, chooser.randrange(10**6), product, chooser.randint(1, 9)),
        )
    else:
        connection.execute("DELETE FROM orders WHERE order_id = %s", (order,))


def _newest(messages: list[Message], name: Any) -> dict[str, dict[str, Any]]:
    newest: dict[str, tuple[tuple[int, bool], dict[str, Any] | None]] = {}
    for message in messages:
        value = None if message.value is None else json.loads(message.value, parse_float=Decimal)
        lsn = int(message.headers["lsn"])
        removes = value is None
        if value is not None:
            assert value.pop("lsn") == lsn
            removes = value.pop("op", "") == "d"
        key = name(message, value)
        # Of equal positions, a removal is the older.
        order = (lsn, not removes)
        if key not in newest or newest[key][0] <= order:
            newest[key] = (order, None if removes else value)
    return {key: value for key, (_, value) in newest.items() if value is not None}
