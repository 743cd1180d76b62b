"""Decoders of demand, of supply and of decisions: bytes to a signal, or to a dead letter. Pure; they never raise,
for any input."""

from enum import StrEnum
from typing import Any

import msgspec

from connectors.decode.wire import (
    DEFAULT_LIMITS,
    InputLimits,
    RawMessage,
    decode_value,
    identifier,
    kafka_timestamp_ms,
    past_timestamp_ms,
    refuse,
)
from core.dead_letter import DeadLetter, ErrorCode
from core.errors import BadInputError
from core.money import PRICE_MAX
from core.text import clean_text
from core.timestamps import DAY_MS
from forecasting.demand import AMOUNT_SCALE
from forecasting.state.signals import Cancel, Interest, Sale, Signal, Supply

QUANTITY_MAX = 10**9
UNITS_MAX = 10**6
"""Units of a sale; more count as so many. Sums of a day have room in 32 bits, also of the whole shop."""

DECISION_AGE_MAX_MS = 30 * DAY_MS
"""A decision that is older when Kafka gets it is refused: the database has a partition for each day."""

ID_MAX_CHARS = 128
EVENT_TYPES = ("search", "view", "cart", "booking", "purchase", "cancel")


class DemandKind(StrEnum):
    """The kind of messages that a topic of the flow of forecasts carries."""

    PRODUCT_EVENTS = "product_events"
    DEMAND_EVENTS = "demand_events"
    SUPPLY = "supply"
    CATALOGUE = "catalogue"
    DECISIONS = "decisions"


class _EventWire(msgspec.Struct, gc=False):
    event_type: str
    product_id: str | int
    timestamp: int | float | str
    quantity: int | float | None = None
    price: float | None = None
    user_id: str | int | None = None
    event_id: str | int | None = None


class _SupplyWire(msgspec.Struct, gc=False):
    product_id: str | int
    available: float
    timestamp: int | float | str


class Decision(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A decision that the API has answered, for audit. document: JSON."""

    request_id: str
    product_id: str
    made_at_ms: int
    document: str


class _DecisionWire(msgspec.Struct, gc=False):
    request_id: str
    product_id: str
    made_at_ms: int


_decode_event = msgspec.json.Decoder(_EventWire).decode
_decode_supply = msgspec.json.Decoder(_SupplyWire).decode
_decode_decision = msgspec.json.Decoder(_DecisionWire).decode


def _event(raw: RawMessage, value: bytes, limits: InputLimits) -> Signal:
    wire = decode_value(value, _EventWire, _decode_event)
    if wire.event_type not in EVENT_TYPES:
        raise BadInputError(ErrorCode.BAD_EVENT_TYPE, f"event_type takes {', '.join(EVENT_TYPES)}")
    product_id = identifier(wire.product_id)
    at_ms = past_timestamp_ms(wire.timestamp, "timestamp", raw, limits)
    event_id, user = _short("event_id", wire.event_id), _short("user_id", wire.user_id)
    if wire.event_type in ("search", "view", "cart"):
        return Interest(product_id, at_ms, wire.event_type == "cart", event_id)
    units = None if wire.quantity is None else _pieces(wire.quantity)
    if wire.event_type == "cancel":
        return Cancel(product_id, at_ms, user, units, event_id)
    if wire.price is not None and not 0 < wire.price <= PRICE_MAX:
        raise BadInputError(ErrorCode.BAD_PRICE, f"price takes a number above 0 and at most {PRICE_MAX:.2f}")
    units = 1 if units is None else units
    return Sale(product_id, at_ms, units, round(units * (wire.price or 0.0) * AMOUNT_SCALE), user, event_id)


def _supply(raw: RawMessage, value: bytes, limits: InputLimits) -> Signal:
    wire = decode_value(value, _SupplyWire, _decode_supply)
    if not 0 <= wire.available <= QUANTITY_MAX:
        raise BadInputError(ErrorCode.BAD_QUANTITY, f"available takes a number from 0 to {QUANTITY_MAX:,}")
    at_ms = past_timestamp_ms(wire.timestamp, "timestamp", raw, limits)
    return Supply(identifier(wire.product_id), at_ms, float(wire.available))


def _one_line(value: bytes) -> str:
    """A document written again, without tabs and line breaks. Raises BadInputError if a database cannot keep it."""
    try:
        text = msgspec.json.encode(msgspec.json.decode(value)).decode()
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise BadInputError(ErrorCode.NOT_JSON, f"the value cannot be kept: {error}"[:200]) from None
    if "\\u0000" in text:
        raise BadInputError(ErrorCode.BAD_TEXT, "a text has the character 0")
    return text


def _pieces(value: float) -> int:
    if not 0 < value <= QUANTITY_MAX:
        raise BadInputError(ErrorCode.BAD_QUANTITY, f"quantity takes a number above 0 and at most {QUANTITY_MAX:,}")
    # Product events may have parts of a piece.
    return min(max(1, round(value)), UNITS_MAX)


def _short(name: str, value: str | int | None) -> str | None:
    if value is None:
        return None
    text = clean_text(str(value), ID_MAX_CHARS)
    if text is None or not text.isprintable():
        raise BadInputError(ErrorCode.BAD_TEXT, f"{name} takes 1 to {ID_MAX_CHARS} printable characters")
    return text


def decode_demand(
    kind: DemandKind, raw: RawMessage, topic: str, partition: int, *, limits: InputLimits = DEFAULT_LIMITS
) -> Signal | DeadLetter:
    """The signal of a message of events or of supply, or a dead letter with the reason. topic: as in positions."""
    try:
        if raw.value is None:
            raise BadInputError(ErrorCode.TOMBSTONE, f"a message of {kind} has no value")
        return (_supply if kind is DemandKind.SUPPLY else _event)(raw, raw.value, limits)
    except BadInputError as error:
        return refuse(error, raw, topic, partition)


def decode_decision(
    raw: RawMessage, topic: str, partition: int, *, limits: InputLimits = DEFAULT_LIMITS
) -> Decision | DeadLetter:
    """The decision of a message, or a dead letter with the reason."""
    try:
        if raw.value is None:
            raise BadInputError(ErrorCode.TOMBSTONE, "a decision has no value")
        wire = decode_value(raw.value, _DecisionWire, _decode_decision)
        request_id: Any = _short("request_id", wire.request_id)
        made_at_ms = past_timestamp_ms(wire.made_at_ms, "made_at_ms", raw, limits)
        if kafka_timestamp_ms(raw) - made_at_ms > DECISION_AGE_MAX_MS:
            raise BadInputError(
                ErrorCode.BAD_TIMESTAMP, "made_at_ms is more than 30 days before Kafka's time stamp"
            )
        return Decision(request_id, identifier(wire.product_id), made_at_ms, _one_line(raw.value))
    except BadInputError as error:
        return refuse(error, raw, topic, partition)
