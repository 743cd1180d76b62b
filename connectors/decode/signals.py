"""Decoders of stock, clicks and competitors: bytes to a signal, or to a dead letter. Pure; `decode_signal` never
raises, for any input."""

from collections.abc import Callable
from enum import StrEnum

import msgspec

from connectors.decode.wire import (
    DEFAULT_LIMITS,
    STAGE,
    InputLimits,
    RawMessage,
    decode_value,
    identifier,
    past_timestamp_ms,
)
from core.dead_letter import DeadLetter, ErrorCode
from core.errors import BadInputError
from core.money import PRICE_MAX
from core.positions import SourcePosition
from core.text import clean_text
from pricing.clicks import CLICK_TYPES, Click
from pricing.competitors import CompetitorQuote
from pricing.inventory import StockMove
from pricing.signals import Signal

COMPETITOR_MAX_CHARS = 64
QUANTITY_MAX = 10**12
"""Sums of a million moves have room in 64 bits."""


class ProductSignalKind(StrEnum):
    """The kind of signal of a product that a topic carries, besides events, catalogue and commands."""

    CLICKS = "clicks"
    COMPETITORS = "competitors"
    PURCHASES = "purchases"
    RESTOCKS = "restocks"


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


_decode_click = msgspec.json.Decoder(_ClickWire).decode
_decode_quote = msgspec.json.Decoder(_QuoteWire).decode
_decode_purchase = msgspec.json.Decoder(_PurchaseWire).decode
_decode_restock = msgspec.json.Decoder(_RestockWire).decode


def _click(raw: RawMessage, value: bytes, limits: InputLimits) -> Click:
    wire = decode_value(value, _ClickWire, _decode_click)
    if wire.event_type not in CLICK_TYPES:
        takes = "event_type takes view, add_to_cart or remove_from_cart"
        raise BadInputError(ErrorCode.BAD_EVENT_TYPE, takes)
    return Click(identifier(wire.product_id), past_timestamp_ms(wire.event_time, "event_time", raw, limits) // 1000)


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


_DECODERS: dict[ProductSignalKind, Callable[[RawMessage, bytes, InputLimits], Signal]] = {
    ProductSignalKind.CLICKS: _click,
    ProductSignalKind.COMPETITORS: _quote,
    ProductSignalKind.PURCHASES: _purchase,
    ProductSignalKind.RESTOCKS: _restock,
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
        return DeadLetter(
            error.code, STAGE, error.detail, SourcePosition(topic, partition, raw.offset), raw.value or b""
        )
