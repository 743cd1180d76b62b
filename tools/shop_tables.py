"""The tables of a simulated shop: its catalogue and its orders, in the Postgres of CDC_URL."""

import queue
import threading
import time
from collections.abc import Iterable

import psycopg

import telemetry
from clients import postgres
from core.errors import describe_error

WRITE_EVERY_S = 0.2
RETRY_AFTER_S = 1.0
CLOSE_WITHIN_S = 3.0

_TABLES = """
CREATE TABLE IF NOT EXISTS product_inventory (
    product_id varchar(64) PRIMARY KEY, product_name varchar(500) NOT NULL, stock_level integer,
    reorder_threshold integer, supplier varchar(500), base_price numeric(12, 2) NOT NULL,
    unit_cost numeric(12, 2));
CREATE TABLE IF NOT EXISTS orders (
    order_id varchar(128) PRIMARY KEY, order_time timestamp NOT NULL, product_id varchar(64) NOT NULL,
    quantity integer NOT NULL, customer_id varchar(64))
"""
_PRODUCT = """
INSERT INTO product_inventory VALUES (%(product_id)s, %(product_name)s, %(stock_level)s, %(reorder_threshold)s,
    %(supplier)s, %(base_price)s, %(unit_cost)s)
ON CONFLICT (product_id) DO UPDATE SET product_name = excluded.product_name, stock_level = excluded.stock_level,
    reorder_threshold = excluded.reorder_threshold, supplier = excluded.supplier, base_price = excluded.base_price,
    unit_cost = excluded.unit_cost
"""
_ORDER = """
INSERT INTO orders VALUES (%(order_id)s, to_timestamp(%(order_time)s / 1000.0) AT TIME ZONE 'UTC', %(product_id)s,
    %(quantity)s, %(customer_id)s)
ON CONFLICT (order_id) DO NOTHING
"""

log = telemetry.get_logger("simulator")


class ShopTables:
    """The tables. They are made if they are missing. Orders are written by a thread of its own, in batches, and
    again after an outage.

    url: of the database. catalogue: the shop's products. Raises psycopg.Error if they cannot be written."""

    def __init__(self, url: str, catalogue: Iterable[dict[str, object]]) -> None:
        self._url = url
        self._waiting: queue.Queue[dict[str, object]] = queue.Queue()
        self._ended = threading.Event()
        with postgres.connect(url) as connection:
            connection.execute(_TABLES)
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(_PRODUCT, list(catalogue))
        self._thread = threading.Thread(target=self._run, name="shop-tables", daemon=True)
        self._thread.start()

    def add_order(self, order: dict[str, object]) -> None:
        """Queue an order. order_time: UTC milliseconds."""
        self._waiting.put(order)

    def close(self) -> None:
        """Write what waits. Gives up after `CLOSE_WITHIN_S`."""
        self._ended.set()
        self._thread.join(CLOSE_WITHIN_S)

    def _run(self) -> None:
        connection: psycopg.Connection | None = None
        orders: list[dict[str, object]] = []
        while not self._ended.wait(WRITE_EVERY_S) or orders or not self._waiting.empty():
            while not self._waiting.empty():
                orders.append(self._waiting.get())
            if not orders:
                continue
            try:
                connection = connection or postgres.connect(self._url)
                with postgres.time_limit(connection), connection.transaction(), connection.cursor() as cursor:
                    cursor.executemany(_ORDER, orders)
                orders = []
            except psycopg.OperationalError as error:
                log.warning(
                    "orders wait: Postgres does not answer", orders=len(orders), error=describe_error(error)
                )
                if connection is not None:
                    connection.close()
                connection = None
                time.sleep(RETRY_AFTER_S)
        if connection is not None:
            connection.close()
