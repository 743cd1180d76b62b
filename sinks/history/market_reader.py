"""The reader of past ticks, anomalies and bars for the API."""

from typing import Any

import msgspec

from market.bars import INTERVALS_S
from market.detectors import Anomaly
from market.moments import EARLIEST_US, LATEST_US, to_rfc3339
from sinks.history.store import Database, Dialect


class PastTick(msgspec.Struct, frozen=True):
    """A tick of the past. timestamp: RFC 3339, UTC. Averages are None for a late tick."""

    symbol: str
    price: float
    volume: float
    timestamp: str
    is_anomaly: bool
    ma_1m: float | None
    ma_5m: float | None
    vol_1m: float | None


class PastAnomaly(msgspec.Struct, frozen=True):
    """An anomaly of a tick of the past. timestamp: RFC 3339, UTC."""

    symbol: str
    timestamp: str
    price: float
    kind: str
    severity: str
    text: str


class PastBar(msgspec.Struct, frozen=True):
    """A bar. start: seconds since the epoch. vwap: None without volume."""

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int
    vwap: float | None
    is_final: bool


class Range(msgspec.Struct, frozen=True):
    """Times from `since_us` (inclusive) to `until_us` (exclusive), UTC microseconds."""

    since_us: int = EARLIEST_US
    until_us: int = LATEST_US

    def binds(self) -> dict[str, Any]:
        """The binds `since` and `until`, as text that both databases read as a time."""
        return {"since": _bind(self.since_us), "until": _bind(self.until_us)}


class MarketStatements(msgspec.Struct, frozen=True):
    """The statements of a dialect. Binds: symbol, since, until, limit; interval for bars."""

    ticks: str
    anomalies: str
    anomalies_of_symbol: str
    bars: str
    counts: str


def market_statements(dialect: Dialect) -> MarketStatements:
    """The statements in a dialect."""
    since, until = dialect.micros.format(":since"), dialect.micros.format(":until")
    ts, start = dialect.text_us.format("ts"), dialect.seconds.format("start_time")
    in_range = f"ts >= {since} AND ts < {until}"
    anomalies = f"SELECT symbol, {ts}, price, anomalies FROM price_ticks_enriched WHERE"  # noqa: S608
    newest = "ORDER BY ts DESC, seq DESC FETCH FIRST :limit ROWS ONLY"
    is_anomaly = f"is_anomaly = {dialect.true}"
    bars = f"symbol = :symbol AND interval_s = {{}} AND start_time >= {since} AND start_time < {until}"
    # No more than the limit is counted.
    counts = [
        f"SELECT {interval_s} AS interval_s, COUNT(*) AS bars FROM (SELECT 1 AS one FROM price_bars"  # noqa: S608
        f" WHERE {bars.format(interval_s)} FETCH FIRST :limit ROWS ONLY) found{interval_s}"
        for interval_s in INTERVALS_S
    ]
    return MarketStatements(
        ticks=f"""SELECT price, volume, {ts}, is_anomaly, ma_1m, ma_5m, vol_1m FROM price_ticks_enriched
            WHERE symbol = :symbol AND {in_range} {newest}""",  # noqa: S608
        anomalies=f"{anomalies} {is_anomaly} AND {in_range} {newest}",
        anomalies_of_symbol=f"{anomalies} {is_anomaly} AND symbol = :symbol AND {in_range} {newest}",
        bars=f"""SELECT {start}, open, high, low, close, volume, trades, vwap, is_final FROM price_bars
            WHERE {bars.format(":interval")} ORDER BY start_time DESC FETCH FIRST :limit ROWS ONLY""",  # noqa: S608
        counts=" UNION ALL ".join(counts),
    )


_decode_anomalies = msgspec.json.Decoder(list[Anomaly]).decode


class MarketHistory:
    """The reader of the market's history. Belongs to one event loop. Every method but `close` raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = market_statements(database.dialect)

    async def ticks(self, symbol: str, limit: int, times: Range) -> list[PastTick]:
        """The newest `limit` ticks of a symbol, the newest first, late ones among them."""
        binds = {"symbol": symbol, "limit": limit, **times.binds()}
        rows = await self._database.fetch(self._statements.ticks, binds)
        return [
            PastTick(
                symbol,
                float(price),
                float(volume),
                ts,
                bool(is_anomaly),
                _number(ma_1m),
                _number(ma_5m),
                _number(vol_1m),
            )
            for price, volume, ts, is_anomaly, ma_1m, ma_5m, vol_1m in rows
        ]

    async def anomalies(self, symbol: str | None, limit: int, times: Range) -> list[PastAnomaly]:
        """The newest `limit` anomalies, the newest first. symbol: None for all symbols."""
        binds = {"limit": limit, **times.binds()}
        statement = self._statements.anomalies
        if symbol is not None:
            binds["symbol"] = symbol
            statement = self._statements.anomalies_of_symbol
        found = [
            PastAnomaly(name, ts, float(price), each.kind, each.severity, each.text)
            for name, ts, price, anomalies in await self._database.fetch(statement, binds)
            for each in _decode_anomalies(anomalies)
        ]
        # A tick may have several.
        return found[:limit]

    async def bars(self, symbol: str, interval_s: int, limit: int, times: Range) -> list[PastBar]:
        """The newest `limit` bars of a symbol, the oldest first."""
        binds = {"symbol": symbol, "interval": interval_s, "limit": limit, **times.binds()}
        rows = await self._database.fetch(self._statements.bars, binds)
        return [
            PastBar(
                int(start),
                float(open_),
                float(high),
                float(low),
                float(close),
                float(volume),
                int(trades),
                _number(vwap),
                bool(is_final),
            )
            for start, open_, high, low, close, volume, trades, vwap, is_final in reversed(rows)
        ]

    async def finest(self, symbol: str, points: int, times: Range) -> int:
        """The shortest interval of which a range has at most `points` bars, in seconds; else the longest."""
        binds = {"symbol": symbol, "limit": points + 1, **times.binds()}
        counts = {
            int(interval_s): int(count)
            for interval_s, count in await self._database.fetch(self._statements.counts, binds)
        }
        return next((each for each in INTERVALS_S if counts.get(each, 0) <= points), INTERVALS_S[-1])

    async def close(self) -> None:
        """Close all connections."""
        await self._database.close()


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _bind(us: int) -> str:
    return to_rfc3339(us).replace("Z", "+00:00")
