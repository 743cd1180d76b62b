"""Trades of a market, as an exchange has recorded them, as ticks."""

import sys
from collections.abc import Iterator

import msgspec

from connectors.generators.tables import Table
from connectors.generators.ticks import tick_of
from connectors.generators.timed import Timed
from core.timestamps import EARLIEST_MS, LATEST_MS
from market.amounts import parse_amount
from market.ticks import is_symbol

COLUMNS = ("ts_ms", "symbol", "trade_id", "price", "volume")


class Trade(msgspec.Struct, frozen=True, gc=False):
    """A trade, unchanged. price, volume: decimal texts, which are JSON numbers."""

    symbol: str
    price: str
    volume: str
    event_time_ms: int


def trades_of(table: Table) -> Iterator[Trade]:
    """The trades of a table, in its order. Raises ValueError, with the line at fault."""
    if table.columns != COLUMNS:
        raise ValueError(f"{table.path}, line 1: takes the columns {','.join(COLUMNS)}")
    return table.lines(_trade_of)


def _trade_of(row: dict[str, str]) -> Trade:
    """Raises ValueError."""
    symbol = row["symbol"].strip()
    if not is_symbol(symbol):
        raise ValueError(f"symbol takes 1 to 32 letters, digits and _.:^=/-, not {symbol!r}")
    price, volume = _amount(row, "price"), _amount(row, "volume")
    if not parse_amount(price):
        raise ValueError(f"price takes a number above 0, such as 2683.8, not {price!r}")
    # A file has few symbols and many rows: each symbol is kept once.
    return Trade(sys.intern(symbol), price, volume, _time_ms(row["ts_ms"].strip()))


def _amount(row: dict[str, str], name: str) -> str:
    text = row[name].strip()
    try:
        parse_amount(text)
    except ValueError as error:
        raise ValueError(f"{name} takes a number, such as 2683.8; {text!r} {error}") from None
    return text


def _time_ms(text: str) -> int:
    # No time before 2100 has more than 13 digits.
    time_ms = int(text) if text.isascii() and text.isdecimal() and len(text) <= 13 else 0
    if not EARLIEST_MS <= time_ms < LATEST_MS:
        raise ValueError(f"ts_ms takes milliseconds since 1970, from 2000 to 2099, not {text!r}")
    return time_ms


def ticks_of_trades(trades: list[Trade], shift_ms: int) -> Iterator[Timed]:
    """The trades as ticks, in order of event time; trades of one millisecond stay in the order of the file.
    shift_ms: added to all event times."""
    for trade in sorted(trades, key=lambda trade: trade.event_time_ms):
        yield tick_of(trade.symbol, trade.price, trade.volume, trade.event_time_ms + shift_ms)
