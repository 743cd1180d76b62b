"""The reader of ticks in Redis, from which the API answers."""

import msgspec

from market.detectors import Anomaly
from sinks.redis import market as keys
from sinks.redis.calls import CALLS_MAX, RedisReader

READ_FIELDS = (
    "price",
    "volume",
    "ts",
    "ts_us",
    "seq",
    "ma_1m",
    "ma_5m",
    "vol_1m",
    "vwap_1m",
    "is_anomaly",
    "anomalies",
    "day_open",
)


class StoredTick(msgspec.Struct, frozen=True):
    """A symbol's latest tick as Redis holds it. timestamp: RFC 3339, UTC. day_open: the open of its UTC day."""

    symbol: str
    price: float
    volume: float
    timestamp: str
    ts_us: int
    seq: int
    ma_1m: float | None
    ma_5m: float | None
    vol_1m: float | None
    vwap_1m: float | None
    is_anomaly: bool
    anomalies: list[Anomaly]
    day_open: float | None

    @property
    def change_percent(self) -> float | None:
        """The change since the open of the day, in percent. None if that is not known."""
        return None if not self.day_open else (self.price - self.day_open) / self.day_open * 100


_decode_anomalies = msgspec.json.Decoder(list[Anomaly]).decode


class _Listed(msgspec.Struct):
    price: float


_decode_listed = msgspec.json.Decoder(_Listed).decode


class MarketReader(RedisReader):
    """The reader of symbols and their ticks."""

    repair = keys.REPAIR

    async def symbols(self) -> list[str]:
        """All symbols, sorted; as old as a second."""
        return await self._members(keys.SYMBOLS)

    async def tick(self, symbol: str) -> StoredTick | None:
        """The latest tick of a symbol, None if it has none."""
        return _read(symbol, await self._call("HMGET", keys.tick_key(symbol), *READ_FIELDS))

    async def look_again(self, symbol: str) -> tuple[StoredTick | None, bool]:
        """The latest tick of a symbol that `tick` did not find, and if the symbol is in the set of symbols."""
        values, listed = await self._calls(
            [("HMGET", keys.tick_key(symbol), *READ_FIELDS), ("SISMEMBER", keys.SYMBOLS, symbol)]
        )
        return _read(symbol, values), bool(listed)

    async def ticks(self, symbols: list[str]) -> list[StoredTick]:
        """The latest ticks of these symbols, in their order, without symbols that have none."""
        found: list[StoredTick] = []
        for start in range(0, len(symbols), CALLS_MAX):
            names = symbols[start : start + CALLS_MAX]
            rows = await self._calls([("HMGET", keys.tick_key(name), *READ_FIELDS) for name in names])
            ticks = (_read(name, values) for name, values in zip(names, rows, strict=True))
            found += [tick for tick in ticks if tick is not None]
        return found

    async def last_prices(self, symbol: str, limit: int) -> list[float]:
        """The last prices of a symbol, the newest applied first; empty if it has none."""
        listed = await self._call("LRANGE", keys.ticks_key(symbol), "0", str(limit - 1))
        return [_decode_listed(each).price for each in listed]


def _read(symbol: str, values: list[bytes | None]) -> StoredTick | None:
    """A tick from the values of `READ_FIELDS`, in their order. None without a price."""
    price, volume, ts, ts_us, seq, ma_1m, ma_5m, vol_1m, vwap_1m, is_anomaly, anomalies, day_open = (
        value or b"" for value in values
    )
    if not price:
        return None
    return StoredTick(
        symbol,
        float(price),
        float(volume or 0),
        ts.decode(),
        int(ts_us or 0),
        int(seq or 0),
        _number(ma_1m),
        _number(ma_5m),
        _number(vol_1m),
        _number(vwap_1m),
        is_anomaly == b"1",
        _decode_anomalies(anomalies or b"[]"),
        _number(day_open),
    )


def _number(text: bytes) -> float | None:
    return float(text) if text else None
