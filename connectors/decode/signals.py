"""Decoders of stock, clicks, competitors, forecasts and supply: bytes to a signal, or to a dead letter. Pure;
`decode_signal` never raises, for any input."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Literal

import msgspec

from connectors.decode.wire import (
    DEFAULT_LIMITS,
    VALUE_MAX_BYTES,
    InputLimits,
    RawMessage,
    decode_value,
    identifier,
    past_timestamp_ms,
    refuse,
)
from core.dead_letter import DeadLetter, ErrorCode
from core.errors import BadInputError
from core.identifiers import are_identifiers
from core.money import PRICE_MAX
from core.text import clean_text
from core.timestamps import EARLIEST_MS, LATEST_MS, parse_timestamp
from pricing.clicks import CLICK_TYPES, Click
from pricing.competitors import CompetitorQuote
from pricing.forecasts import SOURCES, Forecast, Supply
from pricing.inventory import StockMove
from pricing.signals import Signal
from pricing.surge import DAY_MIN, HOUR_MIN

COMPETITOR_MAX_CHARS = 64
QUANTITY_MAX = 10**12
"""Sums of a million moves have room in 64 bits."""

UNITS_MAX = 10**12
HOUR, DAY = str(HOUR_MIN), str(DAY_MIN)
"""The horizons of a forecast that count."""


class ProductSignalKind(StrEnum):
    """The kind of signal of a product that a topic carries, besides events, catalogue and commands."""

    CLICKS = "clicks"
    COMPETITORS = "competitors"
    PURCHASES = "purchases"
    RESTOCKS = "restocks"
    FORECASTS = "forecasts"
    SUPPLY = "supply"


class _ClickWire(msgspec.Struct, gc=False):
    event_time: int | float | str
    product_id: str | int
    event_type: str


class _QuoteWire(msgspec.Struct, gc=False):
    ts: int | float | str
    product_id: str | int
    competitor: str
    competitor_price: float


class _PurchaseWire(msgspec.Struct, gc=False):
    purchase_time: int | float | str
    product_id: str | int
    quantity_purchased: int | float


class _RestockWire(msgspec.Struct, gc=False):
    restock_time: int | float | str
    product_id: str | int
    quantity_restocked: int | float


class _HorizonWire(msgspec.Struct, gc=False):
    mean: float


class _ForecastWire(msgspec.Struct, gc=False):
    type: str
    product_id: str | int
    made_at: int | float | str
    source: str
    horizons: dict[str, _HorizonWire]
    demand_score: float
    version: int


class _SupplyWire(msgspec.Struct, gc=False):
    product_id: str | int
    available: float
    timestamp: int | float | str


class _UsualClick(msgspec.Struct, gc=False):
    """A click of the usual form. msgspec does the checks for which `_click` has code."""

    event_time: str
    product_id: str
    event_type: Literal["view", "add_to_cart", "remove_from_cart"]


_decode_usual = msgspec.json.Decoder(_UsualClick).decode
_decode_click = msgspec.json.Decoder(_ClickWire).decode
_decode_quote = msgspec.json.Decoder(_QuoteWire).decode
_decode_purchase = msgspec.json.Decoder(_PurchaseWire).decode
_decode_restock = msgspec.json.Decoder(_RestockWire).decode
_decode_forecast = msgspec.json.Decoder(_ForecastWire).decode
_decode_supply = msgspec.json.Decoder(_SupplyWire).decode


def _click(raw: RawMessage, value: bytes, limits: InputLimits) -> Click:
    wire = decode_value(value, _ClickWire, _decode_click)
    if wire.event_type not in CLICK_TYPES:
        takes = "event_type takes view, add_to_cart or remove_from_cart"
        raise BadInputError(ErrorCode.BAD_EVENT_TYPE, takes)
    return Click(identifier(wire.product_id), past_timestamp_ms(wire.event_time, "event_time", raw, limits) // 1000)


def decode_usual_clicks(
    values: Sequence[bytes | None], kafka_times_ms: Sequence[int], limits: InputLimits = DEFAULT_LIMITS
) -> list[Click] | None:
    """The hot path: the clicks of a batch in which every message is of the usual form, as `decode_signal` returns
    them. None if any message needs a closer look.

    The usual form: the value has ASCII characters only, the id is a text, the time is a text, and no click is from
    the future. The messages are checked all at once."""
    try:
        # msgspec does not look into fields that it skips, so they could hide bytes that are not UTF-8.
        if not b"".join(values).isascii() or max(map(len, values)) > VALUE_MAX_BYTES:  # type: ignore[arg-type]
            return None
        wires = [_decode_usual(value) for value in values]  # type: ignore[arg-type]
        # A thousand clicks of a second have one text.
        times_ms = {text: parse_timestamp(text) for text in {wire.event_time for wire in wires}}
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError):
        return None
    if not are_identifiers([wire.product_id for wire in wires]):
        return None
    first = min(kafka_times_ms)
    if (
        first < EARLIEST_MS
        or max(kafka_times_ms) >= LATEST_MS
        or max(times_ms.values()) - first > limits.future_max_ms
    ):
        return None
    times_s = {text: at_ms // 1000 for text, at_ms in times_ms.items()}
    return [Click(wire.product_id, times_s[wire.event_time]) for wire in wires]


def _quote(raw: RawMessage, value: bytes, limits: InputLimits) -> CompetitorQuote:
    wire = decode_value(value, _QuoteWire, _decode_quote)
    competitor = clean_text(wire.competitor, COMPETITOR_MAX_CHARS)
    if competitor is None or not competitor.isprintable():
        takes = f"competitor takes 1 to {COMPETITOR_MAX_CHARS} printable characters"
        raise BadInputError(ErrorCode.BAD_TEXT, takes)
    if not 0 < wire.competitor_price <= PRICE_MAX:
        takes = f"competitor_price takes a number above 0 and at most {PRICE_MAX:.2f}"
        raise BadInputError(ErrorCode.BAD_PRICE, takes)
    time_s = past_timestamp_ms(wire.ts, "ts", raw, limits) // 1000
    return CompetitorQuote(identifier(wire.product_id), time_s, competitor, wire.competitor_price)


def _purchase(raw: RawMessage, value: bytes, limits: InputLimits) -> StockMove:
    wire = decode_value(value, _PurchaseWire, _decode_purchase)
    quantity = _pieces("quantity_purchased", wire.quantity_purchased)
    time_s = past_timestamp_ms(wire.purchase_time, "purchase_time", raw, limits) // 1000
    return StockMove(identifier(wire.product_id), time_s, -quantity)


def _restock(raw: RawMessage, value: bytes, limits: InputLimits) -> StockMove:
    wire = decode_value(value, _RestockWire, _decode_restock)
    quantity = _pieces("quantity_restocked", wire.quantity_restocked)
    time_s = past_timestamp_ms(wire.restock_time, "restock_time", raw, limits) // 1000
    return StockMove(identifier(wire.product_id), time_s, quantity)


def _pieces(name: str, value: float) -> int:
    if not 0 < value <= QUANTITY_MAX or value != int(value):
        raise BadInputError(ErrorCode.BAD_QUANTITY, f"{name} takes a whole number from 1 to {QUANTITY_MAX:,}")
    return int(value)


def _forecast(raw: RawMessage, value: bytes, limits: InputLimits) -> Forecast:
    wire = decode_value(value, _ForecastWire, _decode_forecast)
    if wire.type != "forecast":
        raise BadInputError(ErrorCode.BAD_EVENT_TYPE, "type takes forecast")
    if wire.source not in SOURCES:
        raise BadInputError(ErrorCode.BAD_TEXT, "source takes model, cached, category or base")
    if not 0 <= wire.demand_score <= 1:
        raise BadInputError(ErrorCode.BAD_NUMBER, "demand_score takes a number from 0 to 1")
    if not 0 <= wire.version < 2**63:
        raise BadInputError(ErrorCode.BAD_NUMBER, "version takes a whole number from 0 to 2^63 - 1")
    if not all(0 <= horizon.mean <= UNITS_MAX for horizon in wire.horizons.values()):
        raise BadInputError(ErrorCode.BAD_NUMBER, f"mean takes a number from 0 to {UNITS_MAX:,}")
    means = {name: wire.horizons[name].mean for name in (HOUR, DAY) if name in wire.horizons}
    return Forecast(
        identifier(wire.product_id),
        past_timestamp_ms(wire.made_at, "made_at", raw, limits),
        wire.version,
        wire.source,
        wire.demand_score,
        means.get(HOUR),
        means.get(DAY),
    )


def _supply(raw: RawMessage, value: bytes, limits: InputLimits) -> Supply:
    wire = decode_value(value, _SupplyWire, _decode_supply)
    if not 0 <= wire.available <= UNITS_MAX:
        raise BadInputError(ErrorCode.BAD_QUANTITY, f"available takes a number from 0 to {UNITS_MAX:,}")
    time_s = past_timestamp_ms(wire.timestamp, "timestamp", raw, limits) // 1000
    return Supply(identifier(wire.product_id), time_s, wire.available)


_DECODERS: dict[ProductSignalKind, Callable[[RawMessage, bytes, InputLimits], Signal]] = {
    ProductSignalKind.CLICKS: _click,
    ProductSignalKind.COMPETITORS: _quote,
    ProductSignalKind.PURCHASES: _purchase,
    ProductSignalKind.RESTOCKS: _restock,
    ProductSignalKind.FORECASTS: _forecast,
    ProductSignalKind.SUPPLY: _supply,
}


def decode_signal(
    kind: ProductSignalKind,
    raw: RawMessage,
    topic: str,
    partition: int,
    *,
    limits: InputLimits = DEFAULT_LIMITS,
) -> Signal | DeadLetter:
    """The signal of a message on a topic of this kind, or a dead letter with the reason. topic: as in positions."""
    try:
        if raw.value is None:
            raise BadInputError(ErrorCode.TOMBSTONE, f"a message of {kind} has no value")
        return _DECODERS[kind](raw, raw.value, limits)
    except BadInputError as error:
        return refuse(error, raw, topic, partition)
