"""Ticks as messages on `price_ticks`."""

import msgspec

from connectors.generators.timed import Timed

TIME_FIELD = "ts"


def tick_of(symbol: str, price: str, volume: str, at_ms: int) -> Timed:
    """A tick, keyed by its symbol. price, volume: texts of JSON numbers, which are sent as they are: a double would
    lose digits."""
    event: dict[str, object] = {
        "symbol": symbol,
        "price": msgspec.Raw(price.encode()),
        "volume": msgspec.Raw(volume.encode()),
        TIME_FIELD: at_ms,
    }
    return at_ms, symbol, event
