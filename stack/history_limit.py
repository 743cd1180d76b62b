"""The limit of the demo's history: that of a day would take tens of gigabytes."""

import time
from datetime import UTC, datetime, timedelta

import psycopg

KEPT = timedelta(minutes=20)
"""At 1,000 events a second, about 2 GB."""
EVERY_S = 60.0
CONNECT_WITHIN_S = 2
STATEMENT_WITHIN_MS = 20_000
# The index begins with the product, and there is none for the time alone. So this statement goes from product to
# product, and reads only what it deletes.
DELETE = """
WITH RECURSIVE products AS (
    SELECT min(product_id) AS id FROM price_history
    UNION ALL
    SELECT (SELECT min(product_id) FROM price_history WHERE product_id > products.id)
    FROM products WHERE products.id IS NOT NULL
)
DELETE FROM price_history USING products
WHERE price_history.product_id = products.id AND price_history.event_time < %s
"""


class HistoryLimit:
    """Deletes old history of the Postgres at `url`. Used by the demo's main thread, for a part of a second."""

    def __init__(self, url: str, kept: timedelta = KEPT) -> None:
        self._url = url
        self._kept = kept
        self._next = time.monotonic() + EVERY_S

    def apply_if_due(self) -> None:
        """Delete rows that are too old, at most once in `EVERY_S`. If the database does not answer, the next call
        that is due deletes them."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY_S
        try:
            self.apply()
        except psycopg.Error:
            return

    def apply(self) -> int:
        """Delete rows that are too old; returns their number. Raises psycopg.Error."""
        before = datetime.now(UTC) - self._kept
        options = f"-c statement_timeout={STATEMENT_WITHIN_MS}"
        with psycopg.connect(self._url, connect_timeout=CONNECT_WITHIN_S, options=options) as connection:
            return connection.execute(DELETE, (before,)).rowcount
