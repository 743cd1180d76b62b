"""The decoder of orders: bytes to a change of an order, or to a dead letter. Pure; `decode_order` never raises, for
any input."""

from typing import Any

import msgspec

from connectors.decode.debezium import key_field, open_envelope
from connectors.decode.wire import (
    DEFAULT_LIMITS,
    InputLimits,
    RawMessage,
    decode_value,
    identifier,
    is_null,
    past_timestamp_ms,
    refuse,
)
from core.dead_letter import DeadLetter, ErrorCode
from core.errors import BadInputError
from core.money import PUBLISHED_MAX
from core.text import clean_text
from core.timestamps import LATEST_MS
from sales.changes import Price
from sales.orders import Order, OrderChange
from sales.prices import PricePoint, to_units

QUANTITY_MAX = 10**12
"""Sums of a million orders have room in 64 bits."""

ORDER_ID_MAX_CHARS = 128
OPERATIONS = frozenset("cud")


class _OrderWire(msgspec.Struct, gc=False):
    order_id: str | int
    order_time: int | float | str
    product_id: str | int
    quantity: int | float
    customer_id: str | int | None = None
    op: str = "c"
    lsn: int | None = None


class _RemovalWire(msgspec.Struct, gc=False):
    order_id: str | int
    op: str
    lsn: int | None = None


_decode_order = msgspec.json.Decoder(_OrderWire).decode
_decode_removal = msgspec.json.Decoder(_RemovalWire).decode


def read_order(raw: RawMessage, limits: InputLimits) -> OrderChange | None:
    """The change of a message; None for a tombstone of Debezium, which follows a removal. Raises BadInputError."""
    value = raw.value
    if value is None or is_null(value):
        if key_field(raw.key, "order_id") is None:
            raise BadInputError(ErrorCode.TOMBSTONE, "an order has no value")
        return None
    if (change := open_envelope(value)) is not None:
        row: dict[str, Any] = {**change.row, "lsn": change.lsn, "op": "d" if change.deleted else "c"}
        value = msgspec.json.encode(row | {"order_time": _milliseconds(row.get("order_time"))})
    if b'"d"' in value:
        removal = decode_value(value, _RemovalWire, _decode_removal)
        if removal.op == "d":
            return OrderChange(_order_id(removal.order_id), None, _position(removal.lsn))
    wire = decode_value(value, _OrderWire, _decode_order)
    if wire.op not in OPERATIONS:
        raise BadInputError(ErrorCode.BAD_EVENT_TYPE, "op takes c, u or d")
    if not 0 < wire.quantity <= QUANTITY_MAX or wire.quantity != int(wire.quantity):
        raise BadInputError(ErrorCode.BAD_QUANTITY, f"quantity takes a whole number from 1 to {QUANTITY_MAX:,}")
    order = Order(
        _order_id(wire.order_id),
        past_timestamp_ms(wire.order_time, "order_time", raw, limits),
        identifier(wire.product_id),
        int(wire.quantity),
        None if wire.customer_id is None else str(wire.customer_id),
    )
    return OrderChange(order.order_id, order, _position(wire.lsn))


def _order_id(value: str | int) -> str:
    text = clean_text(str(value), ORDER_ID_MAX_CHARS)
    if text is None or not text.isprintable():
        raise BadInputError(ErrorCode.BAD_TEXT, f"order_id takes 1 to {ORDER_ID_MAX_CHARS} printable characters")
    return text


class _PriceWire(msgspec.Struct, gc=False):
    product_id: str
    event_time_ms: int
    version: int
    new_price: float | None = None
    price_source: str = ""
    policy: str = ""
    adjustments: list[dict[str, Any]] = []


_decode_price = msgspec.json.Decoder(_PriceWire).decode


def decode_price(raw: RawMessage, topic: str, partition: int) -> Price | DeadLetter:
    """The price of a message of `price-updates`; one without an amount for a withdrawal. A dead letter, with the
    reason, for a message that is neither."""
    try:
        if raw.value is None:
            raise BadInputError(ErrorCode.TOMBSTONE, "a price update has no value")
        wire = decode_value(raw.value, _PriceWire, _decode_price)
        if wire.new_price is not None and not 0 <= wire.new_price <= PUBLISHED_MAX:
            raise BadInputError(ErrorCode.BAD_PRICE, f"new_price takes a number from 0 to {PUBLISHED_MAX:.2f}")
        base, amounts = None, dict[str, int]()
        for each in wire.adjustments:
            rule, amount = each.get("rule"), each.get("amount")
            if not isinstance(rule, str) or not isinstance(amount, int | float) or abs(amount) > PUBLISHED_MAX:
                raise BadInputError(ErrorCode.WRONG_TYPE, "an adjustment has a rule and an amount")
            if rule == "base":
                base = to_units(amount)
            else:
                amounts[rule] = amounts.get(rule, 0) + to_units(amount)
        price = None if wire.new_price is None else to_units(wire.new_price)
        point = PricePoint(wire.event_time_ms, wire.version, price, wire.price_source, wire.policy, base, amounts)
        return Price(identifier(wire.product_id), point)
    except BadInputError as error:
        return refuse(error, raw, topic, partition)


def _milliseconds(value: Any) -> Any:
    """A time of Debezium: microseconds become milliseconds, all others stay as they are."""
    return value // 1000 if isinstance(value, int) and value >= LATEST_MS else value


def _position(lsn: int | None) -> int | None:
    if lsn is not None and not 0 <= lsn < 2**63:
        raise BadInputError(ErrorCode.BAD_NUMBER, "lsn takes a whole number from 0 to 2^63 - 1")
    return lsn


def decode_order(
    raw: RawMessage, topic: str, partition: int, *, limits: InputLimits = DEFAULT_LIMITS
) -> OrderChange | DeadLetter | None:
    """The change of a message on the topic of orders, or a dead letter with the reason. None for a message
    without a meaning of its own. topic: as in positions."""
    try:
        return read_order(raw, limits)
    except BadInputError as error:
        return refuse(error, raw, topic, partition)
