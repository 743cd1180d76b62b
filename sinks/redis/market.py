"""Ticks in Redis: names of keys, rows, and the script that writes the rows (`market.lua`)."""

from importlib import resources

import msgspec

from market.amounts import to_number
from market.applied import Applied
from market.last_ticks import AppliedTick
from market.moments import to_rfc3339
from market.state.symbol import Enriched
from sinks.redis.keys import RedisRow

SCRIPT = (resources.files("sinks.redis") / "market.lua").read_text(encoding="utf-8")

SYMBOLS = "symbols"
"""Set of all symbols that have a tick."""

CHANNEL = "stock_updates"
"""Channel of ticks that are not late: symbol, price, timestamp."""

FILLED = "pricewax:market:filled"
"""As `sinks.redis.keys.FILLED`, of the market's flow."""

REPAIR = "pricewax:market:repair"
"""As `sinks.redis.keys.REPAIR`, of the market's flow."""


def tick_key(symbol: str) -> str:
    """Hash of a symbol's latest tick, with the fields `TICK_FIELDS`."""
    return f"tick:{symbol}"


def ticks_key(symbol: str) -> str:
    """List of a symbol's last ticks as JSON, the newest applied first."""
    return f"ticks:{symbol}"


TICK_FIELDS = (
    "price",
    "volume",
    "ts",
    "ts_us",
    "ma_1m",
    "ma_5m",
    "vol_1m",
    "is_anomaly",
    "seq",
    "vwap_1m",
    "day_open",
    "anomalies",
    "written_by",
    "execution",
    "applied",
)
"""Fields of `tick:{symbol}`. The last six are not in the contract. They serve snapshots, the change since the day
began, and the script: the execution that wrote the latest tick, and the execution and number of the newest tick of
the list."""


class _Listed(msgspec.Struct, gc=False):
    price: float
    volume: float
    timestamp: str
    seq: int


class _Published(msgspec.Struct, gc=False):
    symbol: str
    price: float
    timestamp: str


_encode = msgspec.json.Encoder().encode


def encode_latest(applied: Applied, execution: int) -> list[RedisRow]:
    """The rows of symbols, each with a name that no later row has, because every tick counts. Only a row of all
    that is kept takes the place of another one. execution: grows with each execution of the flow."""
    rows: list[RedisRow] = []
    for state in applied.latest:
        tick = state.latest.tick
        symbol, last = tick.symbol, state.last[::-1]
        published = [] if state.is_whole else [_published(symbol, each) for each in last]
        row = (
            symbol,
            execution,
            tick.time_us,
            state.latest.seq,
            _fields(state.latest, state.day_open),
            [(each.seq, _listed(each)) for each in last],
            published,
            state.is_whole,
        )
        # No symbol has a space.
        name = f"{symbol} all" if state.is_whole else f"{symbol} {last[0].seq}"
        rows.append((name, _encode(row)))
    return rows


def _fields(latest: Enriched, day_open: int | None) -> list[str]:
    numbers = {
        "price": latest.tick.price,
        "volume": latest.tick.volume,
        "ma_1m": latest.ma_1m,
        "ma_5m": latest.ma_5m,
        "vol_1m": latest.vol_1m,
        "vwap_1m": latest.vwap_1m,
        "day_open": day_open,
    }
    fields = ["ts", to_rfc3339(latest.tick.time_us), "is_anomaly", "1" if latest.is_anomaly else "0"]
    fields += ("anomalies", _encode(latest.anomalies).decode())
    for name, units in numbers.items():
        # A field that is not known is empty, so that the one of the tick before does not stay.
        fields += (name, "" if units is None else _encode(to_number(units)).decode())
    return fields


def _listed(tick: AppliedTick) -> str:
    listed = _Listed(to_number(tick.price), to_number(tick.volume), to_rfc3339(tick.time_us), tick.seq)
    return _encode(listed).decode()


def _published(symbol: str, tick: AppliedTick) -> str:
    return _encode(_Published(symbol, to_number(tick.price), to_rfc3339(tick.time_us))).decode()
