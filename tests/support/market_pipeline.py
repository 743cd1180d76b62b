"""A whole pipeline of the market for one test: the market's flow, and the API of both systems."""

from decimal import Decimal
from typing import Any

import psycopg

from tests.support.pipeline import TOPICS, WITHIN_S, Pipeline, wait_for

MARKET_TOPICS = (
    "price_ticks",
    "stock_prices",
    "market-rules",
    "ticks-enriched",
    "price-bars",
    "market-alerts",
    "webhook-deliveries",
    "market-backlog",
)
LATER = "OF.A.LATER.EPOCH"


class MarketPipeline(Pipeline):
    """The topics, database and Redis of one test, and the market's flow and the API on them."""

    module = "dataflows.ticks"
    group = "pricewax-market"
    topic_names = (*TOPICS, *MARKET_TOPICS)
    compacted = Pipeline.compacted | {"market-rules", "webhook-deliveries"}

    def tick(self, symbol: str, price: Any, at: Any, volume: Any = 1, *, partition: int = -1) -> None:
        """Queue a tick. at: as in the contract."""
        tick = {"symbol": symbol, "price": price, "volume": volume, "ts": at}
        self.send("price_ticks", symbol, tick, partition)

    def send_later(self) -> str:
        self.tick(LATER, 1, 1_700_000_000, partition=0)
        return "price_ticks"

    def ticks(self, columns: str = "*") -> list[tuple[Any, ...]]:
        """Return the rows of `price_ticks_enriched`, by position."""
        order = "source_topic, source_partition, source_offset"
        return self.select(f"SELECT {columns} FROM price_ticks_enriched WHERE symbol <> '{LATER}' ORDER BY {order}")

    def bars(self, columns: str = "*") -> list[tuple[Any, ...]]:
        """Return the rows of `price_bars`, by symbol, interval and start."""
        order = "symbol, interval_s, start_time"
        return self.select(f"SELECT {columns} FROM price_bars WHERE symbol <> '{LATER}' ORDER BY {order}")

    def select(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query; none if the flow has not made the table yet."""
        try:
            with psycopg.connect(self.history_url) as connection:
                return connection.execute(query).fetchall()
        except psycopg.errors.UndefinedTable:
            return []

    def wait_for_ticks(self, rows: int, within_s: float = WITHIN_S) -> None:
        """Wait until `price_ticks_enriched` has at least `rows` rows."""
        wait_for(lambda: len(self.ticks("1")) >= rows, within_s, lambda: f"{rows} ticks\n{self.output()}")

    def wait_for_bar(self, symbol: str, trades: int) -> None:
        """Wait until the bars of all intervals count this number of ticks of a symbol."""
        query = f"SELECT sum(trades) FROM price_bars WHERE symbol = '{symbol}' GROUP BY interval_s"
        wait_for(
            lambda: self.select(query) == [(Decimal(trades),)] * 5,
            what=lambda: f"{trades} in {self.select(query)}\n{self.output()}",
        )
