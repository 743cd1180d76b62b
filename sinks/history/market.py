"""Ticks and bars in the history database: their tables and their rows."""

import msgspec

from market.amounts import to_text
from market.applied import Applied
from market.bars import Bar
from market.state.symbol import Enriched
from sinks.history.tables import TAB, Table, columns, escape

TICKS = Table(
    b"T",
    "price_ticks_enriched",
    columns(
        symbol="text",
        price="amount",
        volume="amount",
        ts="micros",
        ma_1m="amount",
        ma_5m="amount",
        vwap_1m="amount",
        vol_1m="amount",
        is_anomaly="boolean",
        anomalies="text",
        is_late="boolean",
        seq="integer",
        source_topic="text",
        source_partition="integer",
        source_offset="integer",
        execution="integer",
    ),
    # With the time, because a partition of the table has one day. A position has one time.
    key=("source_topic", "source_partition", "source_offset", "ts"),
    # After a crash, ticks of several partitions may be applied in another order, and so get other numbers.
    version="execution",
    days="ts",
)

BARS = Table(
    b"B",
    "price_bars",
    columns(
        symbol="text",
        interval_s="integer",
        start_time="micros",
        open="amount",
        high="amount",
        low="amount",
        close="amount",
        volume="amount",
        trades="integer",
        vwap="amount",
        is_final="boolean",
        version="integer",
    ),
    key=("symbol", "interval_s", "start_time"),
    version="version",
)

_encode_json = msgspec.json.Encoder().encode
_NULL = "\\N"
_NO_AVERAGES = f"{_NULL}\t{_NULL}\t{_NULL}\t{_NULL}"


def market_tables(keep_days: int) -> tuple[Table, ...]:
    """The tables. keep_days: days before today whose ticks are kept; 0 keeps all."""
    return msgspec.structs.replace(TICKS, keep_days=keep_days), BARS


def encode_history(applied: Applied, execution: int) -> list[bytes]:
    """The rows of ticks and bars. execution: grows with each execution of the flow."""
    topic, end = applied.topic.encode(), b"%d" % execution
    rows = [
        TAB.join((encode_tick(tick), topic, b"%d" % partition, b"%d" % offset, end))
        for tick, partition, offset in zip(applied.ticks, applied.partitions, applied.offsets, strict=True)
    ]
    return rows + [encode_bar(bar) for bar in applied.bars]


def encode_tick(enriched: Enriched) -> bytes:
    """A row of `price_ticks_enriched`, without its position and execution."""
    tick = enriched.tick
    text = f"T\t{tick.symbol}\t{to_text(tick.price)}\t{to_text(tick.volume)}\t{tick.time_us}\t"
    if enriched.ma_1m is None or enriched.ma_5m is None or enriched.vol_1m is None:
        averages = _NO_AVERAGES
    else:
        vwap = _NULL if enriched.vwap_1m is None else to_text(enriched.vwap_1m)
        averages = f"{to_text(enriched.ma_1m)}\t{to_text(enriched.ma_5m)}\t{vwap}\t{to_text(enriched.vol_1m)}"
    anomalies = escape(_encode_json(enriched.anomalies)) if enriched.anomalies else b"[]"
    end = b"%b\t%d" % (_flag(enriched.is_late), enriched.seq)
    return TAB.join(((text + averages).encode(), _flag(enriched.is_anomaly), anomalies, end))


def encode_bar(bar: Bar) -> bytes:
    """A row of `price_bars`."""
    vwap = bar.vwap
    prices = "\t".join(map(to_text, (bar.open, bar.high, bar.low, bar.close, bar.volume)))
    text = f"B\t{bar.symbol}\t{bar.interval_s}\t{bar.start_us}\t{prices}\t{bar.trades}\t"
    end = f"{to_text(vwap) if vwap is not None else _NULL}\t{'t' if bar.is_final else 'f'}\t{bar.version}"
    return (text + end).encode()


def _flag(value: bool) -> bytes:
    return b"t" if value else b"f"
