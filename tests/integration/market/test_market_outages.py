"""Outages of the market's outputs: none stops another, and each gets its missing rows when it is back."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stack.postgres import PostgresServer
from stack.redis import RedisServer
from tests.support.market_pipeline import MarketPipeline
from tests.support.pipeline import wait_for

AT_S = 1_723_161_255
SYMBOLS = 5


@pytest.fixture
def postgres(folder: Path) -> Iterator[PostgresServer]:
    """A Postgres for this test only, which it can stop and start."""
    server = PostgresServer(folder / uuid.uuid4().hex)
    server.start()
    yield server
    server.stop()


def send(market: MarketPipeline, first: int, count: int) -> None:
    for n in range(first, first + count):
        market.tick(f"S{n % SYMBOLS}", 100 + n % 3, AT_S + n)
    market.flush()


def count_enriched(market: MarketPipeline) -> int:
    return len({(m.json()["symbol"], m.json()["seq"]) for m in market.read("ticks-enriched")})


def in_redis(market: MarketPipeline) -> dict[str, Any]:
    """Return the number of the latest tick, and those of the list, of each symbol."""
    found: dict[str, Any] = {}
    symbols: set[str] = market.redis.smembers("symbols")  # type: ignore[assignment]
    for symbol in symbols:
        listed: list[str] = market.redis.lrange(f"ticks:{symbol}", 0, -1)  # type: ignore[assignment]
        found[symbol] = market.redis.hget(f"tick:{symbol}", "seq"), [json.loads(each)["seq"] for each in listed]
    return found


def expected(ticks: int) -> dict[str, Any]:
    of_symbol = ticks // SYMBOLS
    return {f"S{n}": (str(of_symbol), list(range(of_symbol, max(0, of_symbol - 100), -1))) for n in range(SYMBOLS)}


def test_sql_down_delays_ticks_and_bars_and_loses_nothing_even_across_a_crash(
    market: MarketPipeline, postgres: PostgresServer
) -> None:
    market.start_flow()
    send(market, 0, 100)
    market.wait_for_ticks(100)
    postgres.stop()
    send(market, 100, 200)
    # Redis and Kafka do not wait for SQL.
    wait_for(lambda: in_redis(market) == expected(300), 20, market.output)
    wait_for(lambda: count_enriched(market) == 300, 10)
    wait_for(lambda: market.read("market-backlog"), 15)
    market.kill_flow()
    market.start_flow()
    send(market, 300, 100)
    wait_for(lambda: in_redis(market) == expected(400), 20, market.output)
    postgres.start()
    market.wait_for_ticks(400)
    for symbol in range(SYMBOLS):
        market.wait_for_bar(f"S{symbol}", 80)
    assert market.select("SELECT count(*), count(DISTINCT (symbol, seq)) FROM price_ticks_enriched") == [(400, 400)]
    market.stop_flow()


def test_a_redis_that_is_away_or_empty_gets_all_rows_and_stops_nothing(
    market: MarketPipeline, redis_server: RedisServer
) -> None:
    market.start_flow()
    send(market, 0, 100)
    wait_for(lambda: in_redis(market) == expected(100), what=market.output)
    redis_server.stop()
    send(market, 100, 600)
    market.wait_for_ticks(700, 20)
    wait_for(lambda: count_enriched(market) == 700, 10)
    # It comes back without data.
    redis_server.start()
    wait_for(lambda: in_redis(market) == expected(700), 60, market.output)
    redis_server.stop()
    market.kill_flow()
    redis_server.start()
    market.start_flow()
    wait_for(lambda: in_redis(market) == expected(700), 60, market.output)
    market.stop_flow()


def test_ticks_that_wait_for_redis_are_published_after_a_crash(
    market: MarketPipeline, redis_server: RedisServer
) -> None:
    market.start_flow()
    send(market, 0, 100)
    wait_for(lambda: in_redis(market) == expected(100), what=market.output)
    redis_server.stop()
    send(market, 100, 100)
    market.wait_for_ticks(200)
    market.wait_for_commit("price_ticks")
    market.kill_flow()
    redis_server.start()
    listener = market.redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    listener.subscribe("stock_updates")
    listener.get_message(timeout=5)
    market.start_flow()
    published: set[str] = set()

    def all_are_published() -> bool:
        while (message := listener.get_message(timeout=0.1)) is not None:
            published.add(json.loads(message["data"])["timestamp"])
        return len(published) >= 100

    wait_for(all_are_published, what=lambda: f"{len(published)}\n{market.output()}")
    market.stop_flow()


def test_old_days_are_dropped(market: MarketPipeline) -> None:
    market.start_flow(MARKET_RETENTION_DAYS="30")
    market.tick("OLD", 1, "2001-02-03T04:05:06Z")
    market.flush()

    def partitions() -> list[str]:
        query = "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
        names = market.select(f"{query} WHERE inhparent = 'price_ticks_enriched'::regclass ORDER BY 1")
        return [name for (name,) in names]

    market.wait_for_bar("OLD", 1)
    # It was made for the row, and is dropped by the write after that, or by that of the next start.
    market.stop_flow()
    market.start_flow(MARKET_RETENTION_DAYS="30")
    market.tick("NEW", 1, "2099-02-03T04:05:06Z")
    market.flush()
    wait_for(lambda: partitions() == ["price_ticks_enriched_20990203"], what=lambda: f"{partitions()}")
    assert [row[0] for row in market.ticks("symbol")] == ["NEW"]
    market.wait_for_bar("NEW", 1)
    assert {row[0] for row in market.bars("symbol")} == {"NEW", "OLD"}
    market.stop_flow()
