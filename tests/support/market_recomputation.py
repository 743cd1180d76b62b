"""A recomputation of the market's numbers in DuckDB, from the trades alone. It shares no code with the flow.

Amounts are whole numbers of 1e-8 (HUGEINT), times are microseconds. Only the last division is made in Python."""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import duckdb

LATENESS_US = 60_000_000
INTERVALS_S = (60, 300, 900, 3_600, 86_400)
_CONTEXT = Context(prec=80, rounding=ROUND_HALF_EVEN)

Trade = tuple[str, int, int, int]
"""Symbol, time in microseconds, price and volume in units of 1e-8; of each symbol in the order of application."""


class Recomputation:
    """The enriched ticks and the bars of trades."""

    def __init__(self, trades: Iterable[Trade]) -> None:
        self._database = duckdb.connect()
        self._database.execute("CREATE TABLE given (nth BIGINT, symbol TEXT, t BIGINT, p HUGEINT, v HUGEINT)")
        rows = [(nth, *trade) for nth, trade in enumerate(trades)]
        for start in range(0, len(rows), 1000):
            part = rows[start : start + 1000]
            values = ", ".join(f"({nth}, '{symbol}', {t}, {p}, {v})" for nth, symbol, t, p, v in part)
            self._database.execute(f"INSERT INTO given VALUES {values}")
        self._database.execute(f"""CREATE TABLE ticks AS
            WITH numbered AS (
                SELECT *, row_number() OVER (PARTITION BY symbol ORDER BY nth) AS seq,
                    max(t) OVER (PARTITION BY symbol ORDER BY nth
                        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS newest
                FROM given)
            SELECT *, coalesce(t < newest - {LATENESS_US}, false) AS late FROM numbered""")

    def ticks(self) -> list[tuple[Any, ...]]:
        """Symbol, seq, late, ma_1m, ma_5m, vol_1m, vwap_1m of each tick, by symbol and seq."""
        sums = self._database.execute("""
            SELECT a.symbol, a.seq, a.late,
                count(*) FILTER (b.t > a.t - 60000000), sum(b.p) FILTER (b.t > a.t - 60000000),
                count(b.p), sum(b.p),
                sum(b.v) FILTER (b.t > a.t - 60000000), sum(b.p * b.v) FILTER (b.t > a.t - 60000000)
            FROM ticks a LEFT JOIN ticks b ON b.symbol = a.symbol AND b.seq <= a.seq AND NOT b.late
                AND NOT a.late AND b.t > a.t - 300000000 AND b.t <= a.t
            GROUP BY a.symbol, a.seq, a.late ORDER BY a.symbol, a.seq""").fetchall()
        rows: list[tuple[Any, ...]] = []
        for symbol, seq, late, count_1m, price_1m, count_5m, price_5m, volume, turnover in sums:
            if late:
                rows.append((symbol, seq, True, None, None, None, None))
                continue
            means = divide(price_1m, count_1m), divide(price_5m, count_5m), units(volume)
            rows.append((symbol, seq, False, *means, divide(turnover, volume) if volume else None))
        return rows

    def bars(self) -> list[tuple[Any, ...]]:
        """Symbol, interval, start (s), open, high, low, close, volume, trades, vwap, is_final of each bar, by
        symbol, interval and start."""
        found = []
        for interval_s in INTERVALS_S:
            width = interval_s * 1_000_000
            found += self._database.execute(f"""
                WITH "last" AS (SELECT symbol, max(t) AS newest FROM ticks GROUP BY symbol)
                SELECT symbol, {interval_s}, t // {width} * {interval_s},
                    first(p ORDER BY t, seq), max(p), min(p), last(p ORDER BY t, seq), sum(v), count(*), sum(p * v),
                    max("last".newest) >= (t // {width} + 1) * {width} + {LATENESS_US}
                FROM ticks JOIN "last" USING (symbol) WHERE NOT late GROUP BY symbol, t // {width}""").fetchall()
        return [
            (*row[:3], *map(units, row[3:8]), row[8], divide(row[9], row[7]) if row[7] else None, row[10])
            for row in sorted(found)
        ]


def units(number: int) -> Decimal:
    """A number of 1e-8 as a decimal."""
    return Decimal(number).scaleb(-8, _CONTEXT)


def divide(numerator: int, denominator: int) -> Decimal:
    """The quotient of units, with 8 decimals, rounded half to even."""
    exact = _CONTEXT.divide(Decimal(numerator), Decimal(denominator))
    return units(int(exact.quantize(Decimal(1), context=_CONTEXT)))
