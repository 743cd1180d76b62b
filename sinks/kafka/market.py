"""Messages of `ticks-enriched`, `price-bars`, `market-alerts` and `webhook-deliveries`."""

from typing import Literal

import msgspec

from clients.kafka_producer import Record
from market.alerts import Alert
from market.amounts import to_number
from market.applied import Applied
from market.bars import Bar
from market.detectors import Anomaly
from market.moments import SECOND_US, to_rfc3339
from market.state.symbol import Enriched


class TickMessage(msgspec.Struct, gc=False):
    """A message of `ticks-enriched`. Prices and volumes are the nearest doubles; None is a value that is not known:
    the averages of a late tick, and an average price by volume without volume."""

    type: Literal["tick"]
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
    is_late: bool
    anomalies: list[Anomaly]


class BarMessage(msgspec.Struct, gc=False):
    """A message of `price-bars`. start: seconds. The message with the highest version is the newest."""

    type: Literal["bar"]
    symbol: str
    interval_s: int
    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int
    vwap: float | None
    is_final: bool
    version: int


class AlertMessage(msgspec.Struct, gc=False):
    """A message of `market-alerts`. at: RFC 3339, UTC. value, threshold: None if the kind has none."""

    type: Literal["alert"]
    id: str
    symbol: str
    kind: str
    severity: str
    at: str
    text: str
    value: float | None
    threshold: float | None


class DeliveryMessage(msgspec.Struct, gc=False):
    """A message of `webhook-deliveries`: an alert that a URL is to get. at: of the alert."""

    id: str
    url: str
    at: str
    alert: AlertMessage


_encode = msgspec.json.Encoder().encode


def encode_ticks(applied: Applied) -> list[Record]:
    """Key (symbol) and value of each enriched tick, in order."""
    return [(each.tick.symbol.encode(), _encode(to_tick_message(each))) for each in applied.ticks]


def encode_bars(applied: Applied) -> list[Record]:
    """Key (symbol) and value of each bar, as it is now."""
    return [(bar.symbol.encode(), _encode(to_bar_message(bar))) for bar in applied.bars]


def encode_alerts(applied: Applied) -> list[Record]:
    """Key (symbol) and value of each alert."""
    return [(alert.symbol.encode(), _encode(to_alert_message(alert))) for alert in applied.alerts]


def encode_deliveries(applied: Applied) -> list[Record]:
    """Key (id of the alert) and value of each delivery to a webhook."""
    messages = [(alert.webhook, to_alert_message(alert)) for alert in applied.alerts]
    return [
        (alert.id.encode(), _encode(DeliveryMessage(alert.id, url, alert.at, alert)))
        for url, alert in messages
        if url is not None
    ]


def to_tick_message(enriched: Enriched) -> TickMessage:
    """The message of an enriched tick. It is also a frame of `WS /ws/ticks`."""
    tick = enriched.tick
    return TickMessage(
        "tick",
        tick.symbol,
        to_number(tick.price),
        to_number(tick.volume),
        to_rfc3339(tick.time_us),
        tick.time_us,
        enriched.seq,
        _number(enriched.ma_1m),
        _number(enriched.ma_5m),
        _number(enriched.vol_1m),
        _number(enriched.vwap_1m),
        enriched.is_anomaly,
        enriched.is_late,
        enriched.anomalies,
    )


def to_bar_message(bar: Bar) -> BarMessage:
    """The message of a bar."""
    return BarMessage(
        "bar",
        bar.symbol,
        bar.interval_s,
        bar.start_us // SECOND_US,
        to_number(bar.open),
        to_number(bar.high),
        to_number(bar.low),
        to_number(bar.close),
        to_number(bar.volume),
        bar.trades,
        _number(bar.vwap),
        bar.is_final,
        bar.version,
    )


def to_alert_message(alert: Alert) -> AlertMessage:
    """The message of an alert."""
    at = to_rfc3339(alert.at_us)
    return AlertMessage(
        "alert",
        alert.id,
        alert.symbol,
        alert.kind,
        alert.severity,
        at,
        alert.text,
        alert.value,
        alert.threshold,
    )


def _number(units: int | None) -> float | None:
    return None if units is None else to_number(units)
