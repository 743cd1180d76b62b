"""Ticks: a price of a symbol at a moment, as it came."""

import re

import msgspec

SYMBOL = r"[A-Za-z0-9_.:^=/-]{1,32}"
"""A symbol, as a regular expression."""

_SYMBOL = re.compile(SYMBOL, re.ASCII)

SYMBOL_TAKES = "symbol takes 1 to 32 letters, digits and _.:^=/-"


def is_symbol(text: str) -> bool:
    """True if a text is a symbol: 1 to 32 ASCII letters, digits and `_.:^=/-`."""
    return _SYMBOL.fullmatch(text) is not None


class Tick(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A tick. price, volume: in units of 1e-8 (`market/amounts.py`). time_us: UTC microseconds."""

    symbol: str
    price: int
    volume: int
    time_us: int
