"""Real trades through the flow, which is killed and rescaled meanwhile: every number equals a recomputation."""

import csv
import gzip
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from tests.support.market_pipeline import MarketPipeline
from tests.support.market_recomputation import Recomputation, Trade, units
from tests.support.pipeline import ROOT, wait_for

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WITHIN_S = 60.0


def real_trades() -> list[Trade]:
    with gzip.open(ROOT / "data" / "trades-btc-eth.csv.gz", "rt") as file:
        return [
            (row["symbol"], int(row["ts_ms"]) * 1000, to_units(row["price"]), to_units(row["volume"]))
            for row in csv.DictReader(file)
        ]


def to_units(text: str) -> int:
    return int(Decimal(text).scaleb(8))


def micros(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def is_kept(market: MarketPipeline, symbol: str, latest: tuple[int, int, Decimal]) -> bool:
    kept: dict[str, str] = market.redis.hgetall(f"tick:{symbol}")  # type: ignore[assignment]
    return bool(kept) and (int(kept["seq"]), int(kept["ts_us"]), Decimal(kept["price"])) == latest


def are_listed(market: MarketPipeline, symbol: str, prices: list[Decimal]) -> bool:
    listed: list[str] = market.redis.lrange(f"ticks:{symbol}", 0, -1)  # type: ignore[assignment]
    return [Decimal(str(json.loads(each)["price"])) for each in listed] == prices


def test_every_number_of_real_trades_equals_a_recomputation(market: MarketPipeline) -> None:
    trades = real_trades()
    third = len(trades) // 3
    # Killed and rescaled while ticks are on their way: one worker, two processes, one worker.
    for start, end, processes in ((0, third, 1), (third, 2 * third, 2), (2 * third, len(trades), 1)):
        market.start_flow(processes)
        for symbol, t, p, v in trades[start:end]:
            market.tick(symbol, f"{units(p):f}", t, f"{units(v):f}")
        market.flush()
        market.wait_for_ticks(start + third // 2, WITHIN_S)
        market.kill_flow()
    market.start_flow()
    market.wait_for_ticks(len(trades), WITHIN_S)
    recomputation = Recomputation(trades)
    expected = recomputation.bars()

    fields = (
        "symbol, interval_s, extract(epoch FROM start_time)::bigint, open, high, low, close, volume, trades, vwap,"
        " is_final"
    )

    def differ() -> list[Any]:
        return sorted({*market.bars(fields)} ^ {*expected})

    wait_for(lambda: not differ(), WITHIN_S, lambda: f"{differ()}\n{market.output()}")
    columns = "symbol, seq, is_late, ma_1m, ma_5m, vol_1m, vwap_1m"
    assert sorted(market.ticks(columns)) == recomputation.ticks()
    stored = market.ticks("symbol, ts, price, volume, seq")
    assert len(stored) == len(trades)
    by_symbol = {
        symbol: [(t, units(p), units(v)) for name, t, p, v in trades if name == symbol]
        for symbol in {trade[0] for trade in trades}
    }
    for symbol, given in by_symbol.items():
        rows = sorted((row[4], micros(row[1]), row[2], row[3]) for row in stored if row[0] == symbol)
        assert rows == [(seq, *each) for seq, each in enumerate(given, 1)]
        seq, (t, price, _) = max(enumerate(given, 1), key=lambda each: (each[1][0], each[0]))
        wait_for(partial(is_kept, market, symbol, (seq, t, price)), what=market.output)
        last = [price for _, price, _ in given[:-101:-1]]
        wait_for(partial(are_listed, market, symbol, last), what=market.output)
    newest: dict[Any, Any] = {}
    for message in market.read("price-bars"):
        bar = message.json()
        key = bar["symbol"], bar["interval_s"], bar["start"]
        known = newest.setdefault(key, bar)
        # Equal versions have equal content.
        assert bar == known or bar["version"] != known["version"]
        newest[key] = max(known, bar, key=lambda each: each["version"])
    doubles = [
        (*row[:3], *(float(each) for each in row[3:8]), row[8], row[9] and float(row[9]), row[10])
        for row in expected
    ]
    assert doubles == [
        (
            *(bar["symbol"], bar["interval_s"], bar["start"], bar["open"], bar["high"], bar["low"], bar["close"]),
            *(bar["volume"], bar["trades"], bar["vwap"], bar["is_final"]),
        )
        for _, bar in sorted(newest.items())
    ]
