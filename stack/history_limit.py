"""The limit of the demo's history: that of a day would take tens of gigabytes."""

import time
from datetime import UTC, datetime, timedelta

import psycopg

KEPT = timedelta(minutes=20)
"""At 1,000 events a second, about 2 GB."""
EVERY_S = 60.0
CONNECT_WITHIN_S = 2
STATEMENT_WITHIN_MS = 20_000
# The indexes begin with the product or symbol, and there is none for the time alone. So this statement goes from
# one to the next, and reads only what it deletes.
DELETE = """
WITH RECURSIVE names AS (
    SELECT min({name}) AS id FROM {table}
    UNION ALL
    SELECT (SELECT min({name}) FROM {table} WHERE {name} > names.id)
    FROM names WHERE names.id IS NOT NULL
)
DELETE FROM {table} USING names WHERE {table}.{name} = names.id AND {table}.{time} < %s
"""
DELETES = (
    DELETE.format(table="price_history", name="product_id", time="event_time"),
    DELETE.format(table="signal_history", name="product_id", time="at_time"),
    DELETE.format(table="price_ticks_enriched", name="symbol", time="ts"),
)


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
            return sum(connection.execute(statement, (before,)).rowcount for statement in DELETES)
