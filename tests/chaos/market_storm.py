"""The storm of the market's flow: ticks in and out of order, late ticks, rubbish, and alert rules, under the faults
of servers and processes. The check recomputes everything from the topic of ticks, in the order of its offsets."""

import contextlib
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.chaos.faults import Actions, Faults
from tests.support.market_pipeline import LATER, MarketPipeline
from tests.support.market_recomputation import Recomputation, Trade, units
from tests.support.pipeline import Message, wait_for

SYMBOLS = ("BTC/USD", "^GSPC", "EURUSD=X", "A", "B.C", "d-e")
"""Symbols whose ticks are in one partition, so that their order is known."""

SPREAD = ("X1", "X2")
"""Symbols whose ticks are in all partitions. Their ticks are never late, and no two have the same time."""

THRESHOLD = 100
START_US = 1_723_161_255_000_000
SPREAD_US = 50_000_000
BURST = 250
ARRIVES_WITHIN_S = 180.0


class MarketStorm(Faults):
    """The storm of the market's flow."""

    _pipeline: MarketPipeline

    def __init__(self, folder: Path, seed: int, say: Callable[[str], None]) -> None:
        super().__init__(folder, seed, say)
        self._sent = 0
        self._rubbish = 0
        self._now_us = dict.fromkeys(SYMBOLS, START_US)

    def _own_actions(self) -> Actions:
        return {"rubbish": (1, self._send_rubbish)}

    def _start(self, stack: contextlib.ExitStack) -> None:
        self._pipeline = MarketPipeline(self._kafka.brokers, self._postgres, self._redis, self._folder)
        stack.callback(self._close)
        self._start_flow()
        for symbol in SYMBOLS:
            name = rule_id(symbol)
            rule = {"id": name, "symbol": symbol, "kind": "above", "threshold": THRESHOLD}
            self._pipeline.send("market-rules", name, rule)
        self._pipeline.flush()
        # In force before the first tick.
        self._pipeline.wait_for_commit("market-rules")

    def _close(self) -> None:
        for program in self._pipeline.flow:
            program.kill()
        self._pipeline.redis.close()

    def _burst(self) -> str:
        chance = self._chance
        for _ in range(BURST):
            self._sent += 1
            price, volume = chance.randrange(9_900, 10_100) / 100, chance.choice([0, 0.5, 2])
            if chance.random() < 0.2:
                symbol, partition = chance.choice(SPREAD), chance.randrange(4)
                # Each time once.
                at_us = START_US + self._sent * 97 % SPREAD_US
            else:
                symbol, partition = chance.choice(SYMBOLS), -1
                self._now_us[symbol] += chance.randrange(3_000_000)
                behind_s = chance.choice([0, 0, 0, 1, 20, 59, 61, 500])
                at_us = self._now_us[symbol] - behind_s * 1_000_000
            self._pipeline.tick(symbol, price, at_us, volume, partition=partition)
        self._pipeline.flush()
        return f"{BURST} ticks"

    def _send_rubbish(self) -> str:
        for value in (b"\xff", b"{", {"symbol": "A"}, {"symbol": "A", "price": -1, "ts": 1}, None):
            self._pipeline.send("price_ticks", "A", value)
            self._rubbish += 1
        self._pipeline.flush()
        return "5 messages"

    def _check(self) -> None:
        pipeline = self._pipeline
        pipeline.wait_for_ticks(self._sent, ARRIVES_WITHIN_S)
        given = sorted(pipeline.read("price_ticks"), key=lambda message: (message.partition, message.offset))
        ticks = [tick for message in given if (tick := read_tick(message)) is not None and tick[0] != LATER]
        assert len(ticks) == self._sent
        expected = Recomputation(ticks)
        bars = {row[:3]: row[3:] for row in expected.bars()}
        wait_for(lambda: stored_bars(pipeline) == bars, ARRIVES_WITHIN_S, lambda: difference(pipeline, bars))
        columns = "symbol, seq, is_late, ma_1m, ma_5m, vol_1m, vwap_1m"
        rows = sorted(pipeline.ticks(columns))
        # The order of ticks in several partitions is not known; their numbers are.
        assert [row for row in rows if row[0] in SYMBOLS] == [row for row in expected.ticks() if row[0] in SYMBOLS]
        assert [row[:3] for row in rows] == [row[:3] for row in expected.ticks()]
        published = newest_bars(pipeline)
        assert published.keys() == bars.keys()
        for key, bar in published.items():
            assert bar == tuple(float(each) if isinstance(each, Decimal) else each for each in bars[key]), key
        late = {(row[0], row[1]) for row in rows if row[2]}
        for symbol in (*SYMBOLS, *SPREAD):
            of_symbol = [tick for tick in ticks if tick[0] == symbol]
            numbered = [(t, seq, p) for seq, (_, t, p, _) in enumerate(of_symbol, 1) if (symbol, seq) not in late]
            wait_for(lambda: self._is_kept(symbol, max(numbered)), what=f"tick:{symbol}")  # noqa: B023
            if symbol in SYMBOLS:
                wait_for(lambda: self._is_listed(symbol, numbered), what=f"ticks:{symbol}")  # noqa: B023
        letters = {message.key for message in pipeline.read("dead-letters")}
        assert len(letters) == self._rubbish
        enriched = {(m.json()["symbol"], m.json()["seq"]) for m in pipeline.read("ticks-enriched")}
        assert enriched >= {(row[0], row[1]) for row in rows}
        alerts = {message.json()["id"] for message in pipeline.read("market-alerts")}
        assert alerts == {each for symbol in SYMBOLS for each in crossings(symbol, ticks)}

    def _is_kept(self, symbol: str, latest: tuple[int, int, int]) -> bool:
        kept: dict[str, str] = self._pipeline.redis.hgetall(f"tick:{symbol}")  # type: ignore[assignment]
        return bool(kept) and (int(kept["ts_us"]), Decimal(kept["price"])) == (latest[0], units(latest[2]))

    def _is_listed(self, symbol: str, numbered: list[tuple[int, int, int]]) -> bool:
        listed: list[str] = self._pipeline.redis.lrange(f"ticks:{symbol}", 0, -1)  # type: ignore[assignment]
        return [json.loads(each)["seq"] for each in listed] == [seq for _, seq, _ in numbered[:-101:-1]]


def rule_id(symbol: str) -> str:
    return f"rule-{SYMBOLS.index(symbol)}"


def read_tick(message: Message) -> Trade | None:
    """Return the tick of a message; None for rubbish."""
    try:
        tick = json.loads(message.value or b"", parse_float=Decimal, parse_int=Decimal)
        amounts = (int(Decimal(tick[name]).scaleb(8)) for name in ("price", "volume"))
        return (tick["symbol"], int(tick["ts"] * (1 if tick["ts"] > 10**14 else 10**6)), *amounts)
    except (ValueError, KeyError):
        return None


def crossings(symbol: str, ticks: list[Trade]) -> set[str]:
    """Return the ids of the alerts of a symbol's rule."""
    newest, held, found = 0, False, set()
    for seq, (_, t, p, _) in enumerate((tick for tick in ticks if tick[0] == symbol), 1):
        if t >= newest:
            newest, holds = t, p > THRESHOLD * 10**8
            if holds and not held:
                found.add(f"{rule_id(symbol)}-{seq}")
            held = holds
    return found


def stored_bars(pipeline: MarketPipeline) -> dict[Any, Any]:
    rows = pipeline.bars(
        "symbol, interval_s, extract(epoch FROM start_time)::bigint, open, high, low, close, volume, trades, vwap,"
        " is_final"
    )
    return {row[:3]: row[3:] for row in rows}


def difference(pipeline: MarketPipeline, bars: dict[Any, Any]) -> str:
    stored = stored_bars(pipeline)
    wrong = [key for key in bars if stored.get(key) != bars[key]]
    return f"{len(wrong)} bars differ: " + "; ".join(f"{key} {bars[key]} {stored.get(key)}" for key in wrong[:3])


def newest_bars(pipeline: MarketPipeline) -> dict[Any, Any]:
    """Return the newest version of each bar in Kafka. Raises AssertionError if equal versions differ."""
    found: dict[Any, Any] = {}
    for message in pipeline.read("price-bars"):
        bar = message.json()
        key = bar["symbol"], bar["interval_s"], bar["start"]
        if bar["symbol"] == LATER:
            continue
        known = found.setdefault(key, bar)
        assert known == bar or known["version"] != bar["version"], key
        found[key] = max(known, bar, key=lambda each: int(each["version"]))
    names = ("open", "high", "low", "close", "volume", "trades", "vwap", "is_final")
    return {key: tuple(bar[name] for name in names) for key, bar in found.items()}
