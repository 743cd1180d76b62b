"""Decoders of the pricing flow: bytes to a signal, or to a dead letter. Pure; `decode` never raises, for any
input."""

import math
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec

from connectors.decode.debezium import key_field, open_envelope
from connectors.decode.external import decode_external
from connectors.decode.wire import (
    DEFAULT_LIMITS,
    VALUE_MAX_BYTES,
    InputLimits,
    RawMessage,
    decode_value,
    identifier,
    is_null,
    kafka_timestamp_ms,
    key_identifier,
    past_timestamp_ms,
    refuse,
    timestamp_ms,
)
from core.dead_letter import DeadLetter, ErrorCode
from core.errors import BadInputError
from core.identifiers import IDENTIFIER_BYTES, IDENTIFIER_MAX_CHARS
from core.money import PRICE_MAX, is_price, round_money
from core.positions import SourcePosition
from core.text import clean_text
from core.timestamps import EARLIEST_MS, LATEST_MS, MILLISECONDS_FROM
from pricing.batches import Signal
from pricing.catalogue import CatalogueChange, CatalogueEntry
from pricing.commands import (
    REASON_TAKES,
    Freeze,
    FreezeLift,
    OverrideRemoval,
    PriceOverride,
    ProductCorrection,
    clean_reason,
    clean_scope,
)
from pricing.events import EVENT_TYPES, ProductEvent

TEXT_MAX_CHARS = 500
STOCK_MAX = 10**15
"""Sums with it are exact."""

DEMAND_MAX = 10**15
"""Largest demand that a correction may set."""


class SignalKind(StrEnum):
    """The kind of signal that a topic carries. It selects the decoder of the topic's messages."""

    PRODUCT_EVENTS = "product_events"
    CATALOGUE = "catalogue"
    OVERRIDES = "overrides"
    FREEZES = "freezes"
    CORRECTIONS = "corrections"
    EXTERNAL_EVENTS = "external_events"


class _EventWire(msgspec.Struct, gc=False):
    event_type: str
    product_id: str | int
    timestamp: int | float | str
    price: float
    quantity: int | float | None = None


class _UsualEvent(ProductEvent, frozen=True, gc=False, rename={"event_time_ms": "timestamp"}):
    """An event of the usual form. msgspec does the checks for which `decode_event` has code."""

    event_type: Literal["view", "cart", "purchase"]
    event_time_ms: int
    price: Annotated[float, msgspec.Meta(gt=0, le=PRICE_MAX)]
    quantity: Annotated[float, msgspec.Meta(gt=0, le=sys.float_info.max)] | None = None


class _CatalogueWire(msgspec.Struct, gc=False):
    product_id: str | int
    base_price: float
    name: str | None = None
    product_name: str | None = None
    category: str | None = None
    unit_cost: float | None = None
    stock_level: float | None = None
    reorder_threshold: float | None = None
    list_price: float | None = None
    map_price: float | None = None
    supplier: str | None = None
    lsn: int | None = None


class _OverrideWire(msgspec.Struct, gc=False):
    product_id: str | int
    override_price: float
    reason: str
    set_by: str
    set_at: int | float | str
    expires_at: int | float | str | None = None


class _FreezeWire(msgspec.Struct, gc=False):
    scope: str
    reason: str
    set_by: str
    set_at: int | float | str


class _CorrectionWire(msgspec.Struct, gc=False):
    product_id: str | int
    not_after: int | float | str
    demand: float | None = None


_decode_event = msgspec.json.Decoder(_EventWire).decode
_decode_usual = msgspec.json.Decoder(_UsualEvent).decode
_decode_catalogue = msgspec.json.Decoder(_CatalogueWire).decode
_decode_override = msgspec.json.Decoder(_OverrideWire).decode
_decode_freeze = msgspec.json.Decoder(_FreezeWire).decode
_decode_correction = msgspec.json.Decoder(_CorrectionWire).decode

_CATALOGUE_NUMBERS = frozenset(
    {"base_price", "unit_cost", "stock_level", "reorder_threshold", "list_price", "map_price"}
)


def decode_event(raw: RawMessage, limits: InputLimits) -> ProductEvent:
    """A product event. Raises BadInputError with the first problem of the message."""
    value = raw.value
    if value is None:
        raise BadInputError(ErrorCode.TOMBSTONE, "a product event has no value")
    wire = decode_value(value, _EventWire, _decode_event)
    if wire.event_type not in EVENT_TYPES:
        raise BadInputError(ErrorCode.BAD_EVENT_TYPE, "event_type takes view, cart or purchase")
    if not 0 < wire.price <= PRICE_MAX:
        raise BadInputError(ErrorCode.BAD_PRICE, f"price takes a number above 0 and at most {PRICE_MAX:.2f}")
    if wire.quantity is not None and not 0 < wire.quantity < math.inf:
        raise BadInputError(ErrorCode.BAD_QUANTITY, "quantity takes a number above 0")
    return ProductEvent(
        wire.event_type,
        identifier(wire.product_id),
        past_timestamp_ms(wire.timestamp, "timestamp", raw, limits),
        wire.price,
    )


def decode_usual_events(
    keys: Sequence[bytes | None],
    values: Sequence[bytes | None],
    kafka_times_ms: Sequence[int],
    limits: InputLimits = DEFAULT_LIMITS,
) -> list[ProductEvent] | None:
    """The hot path: the events of a batch in which every message is of the usual form, as `decode_event` returns
    them. None if any message needs a closer look.

    The usual form: the key is the product's id, the value has ASCII characters only, all times have the same unit,
    and no event is from the future. The messages are checked all at once, which costs a tenth of checking each."""
    try:
        names = b"\n".join(keys)  # type: ignore[arg-type]
        # msgspec does not look into fields that it skips, so they could hide bytes that are not UTF-8.
        if not b"".join(values).isascii() or max(map(len, values)) > VALUE_MAX_BYTES:  # type: ignore[arg-type]
            return None
        events: list[ProductEvent] = [_decode_usual(value) for value in values]  # type: ignore[arg-type]
    except (TypeError, msgspec.MsgspecError, RecursionError):
        return None
    # No id has a line break, so if the joined texts are equal, the ids are.
    if names.translate(None, IDENTIFIER_BYTES) != b"\n" * (len(keys) - 1):
        return None
    if "\n".join([event.product_id for event in events]) != names.decode():
        return None
    lengths = {len(key) for key in keys}  # type: ignore[arg-type]
    if 0 in lengths or max(lengths) > IDENTIFIER_MAX_CHARS:
        return None
    times = [event.event_time_ms for event in events]
    earliest, latest = min(times), max(times)
    if earliest * 1000 >= EARLIEST_MS and latest * 1000 < LATEST_MS:
        latest *= 1000
        events = [ProductEvent(e.event_type, e.product_id, e.event_time_ms * 1000, e.price) for e in events]
    elif not (earliest >= MILLISECONDS_FROM and latest < LATEST_MS):
        return None
    first = min(kafka_times_ms)
    if first < EARLIEST_MS or max(kafka_times_ms) >= LATEST_MS:
        return None
    if latest - first > limits.future_max_ms:
        # The batch may span more time than that, so only a look at each event can tell.
        ahead_ms = [event.event_time_ms - at_ms for event, at_ms in zip(events, kafka_times_ms, strict=True)]
        if max(ahead_ms) > limits.future_max_ms:
            return None
    return events


def decode_catalogue(raw: RawMessage) -> CatalogueChange:
    """A catalogue entry, or its removal if the value is null; also in Debezium's envelope. Raises BadInputError."""
    value = raw.value
    if value is None or is_null(value):
        named = key_field(raw.key, "product_id")
        product_id = key_identifier(raw.key) if named is None else identifier(named)
        return CatalogueChange(product_id, None, kafka_timestamp_ms(raw), raw.offset, raw.lsn)
    if (change := open_envelope(value)) is not None:
        if change.deleted:
            product_id = _product_of(change.row)
            return CatalogueChange(product_id, None, kafka_timestamp_ms(raw), raw.offset, change.lsn)
        # Decimals come as texts. Every other wrong type is found below.
        row = {name: _number(each) if name in _CATALOGUE_NUMBERS else each for name, each in change.row.items()}
        value = msgspec.json.encode(row if change.lsn is None else {**row, "lsn": change.lsn})
    wire = decode_value(value, _CatalogueWire, _decode_catalogue)
    product_id = identifier(wire.product_id)
    # Rows of a table of stock have the name under another one.
    name = wire.name if wire.name is not None else wire.product_name
    if name is None:
        raise BadInputError(ErrorCode.MISSING_FIELD, "Object missing required field `name`")
    shown_name = _text("name", name)
    category = "" if wire.category is None else _text("category", wire.category)
    if not is_price(wire.base_price):
        takes = f"base_price takes a number above 0 and at most {PRICE_MAX:.2f}"
        raise BadInputError(ErrorCode.BAD_PRICE, takes)
    for field in ("unit_cost", "list_price", "map_price"):
        amount = getattr(wire, field)
        if amount is not None and not 0 <= amount <= PRICE_MAX:
            raise BadInputError(ErrorCode.BAD_NUMBER, f"{field} takes a number from 0 to {PRICE_MAX:.2f}")
    for field in ("stock_level", "reorder_threshold"):
        amount = getattr(wire, field)
        if amount is not None and not -STOCK_MAX <= amount <= STOCK_MAX:
            raise BadInputError(ErrorCode.BAD_NUMBER, f"{field} takes a number of at most {STOCK_MAX:,}")
    if wire.lsn is not None and not 0 <= wire.lsn < 2**63:
        raise BadInputError(ErrorCode.BAD_NUMBER, "lsn takes a whole number from 0 to 2^63 - 1")
    entry = CatalogueEntry(
        product_id,
        shown_name,
        category,
        wire.base_price,
        wire.unit_cost,
        wire.stock_level,
        wire.reorder_threshold,
        wire.list_price,
        wire.map_price,
        None if wire.supplier is None else _text("supplier", wire.supplier),
    )
    return CatalogueChange(product_id, entry, kafka_timestamp_ms(raw), raw.offset, wire.lsn)


def _product_of(row: dict[str, Any]) -> str:
    if not isinstance(row.get("product_id"), str | int):
        raise BadInputError(ErrorCode.MISSING_FIELD, "product_id is missing in the row")
    return identifier(row["product_id"])


def _number(value: Any) -> Any:
    """The number of a text; any other value as it is."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value, type=float)
    except msgspec.MsgspecError:
        return value


def decode_override(
    raw: RawMessage, position: SourcePosition, limits: InputLimits
) -> PriceOverride | OverrideRemoval:
    """An override, or its removal if the value is null. Raises BadInputError."""
    if raw.value is None or is_null(raw.value):
        return OverrideRemoval(key_identifier(raw.key), kafka_timestamp_ms(raw), raw.offset)
    wire = decode_value(raw.value, _OverrideWire, _decode_override)
    price = round_money(wire.override_price, limits.scale) if is_price(wire.override_price) else 0.0
    if price <= 0:
        takes = f"override_price takes a number from {1 / limits.scale:g} to {PRICE_MAX:.2f}"
        raise BadInputError(ErrorCode.BAD_PRICE, takes)
    reason, set_by = _reason("reason", wire.reason), _reason("set_by", wire.set_by)
    expires = None if wire.expires_at is None else timestamp_ms(wire.expires_at, "expires_at")
    return PriceOverride(
        identifier(wire.product_id),
        price,
        reason,
        set_by,
        past_timestamp_ms(wire.set_at, "set_at", raw, limits),
        expires,
        position,
        raw.kafka_time_ms,
    )


def decode_freeze(
    raw: RawMessage, position: SourcePosition, limits: InputLimits, *, recorded: bool
) -> Freeze | FreezeLift:
    """A freeze, or its end if the value is null. recorded: as in `Freeze`. Raises BadInputError."""
    if raw.value is None or is_null(raw.value):
        try:
            scope = (raw.key or b"").decode()
        except UnicodeDecodeError:
            scope = ""
        return FreezeLift(_scope(scope), kafka_timestamp_ms(raw), raw.offset, recorded)
    wire = decode_value(raw.value, _FreezeWire, _decode_freeze)
    reason, set_by = _reason("reason", wire.reason), _reason("set_by", wire.set_by)
    set_at_ms = past_timestamp_ms(wire.set_at, "set_at", raw, limits)
    return Freeze(_scope(wire.scope), reason, set_by, set_at_ms, position, recorded)


def decode_correction(raw: RawMessage, limits: InputLimits) -> ProductCorrection:
    """A correction of a product. Raises BadInputError."""
    if raw.value is None:
        raise BadInputError(ErrorCode.TOMBSTONE, "a correction has no value")
    wire = decode_value(raw.value, _CorrectionWire, _decode_correction)
    if wire.demand is not None and not 0 <= wire.demand <= DEMAND_MAX:
        raise BadInputError(ErrorCode.BAD_NUMBER, f"demand takes a number from 0 to {DEMAND_MAX:,}")
    not_after_ms = past_timestamp_ms(wire.not_after, "not_after", raw, limits)
    return ProductCorrection(identifier(wire.product_id), not_after_ms, wire.demand, raw.offset)


def _scope(text: str) -> str:
    scope = clean_scope(text)
    if scope is None:
        raise BadInputError(ErrorCode.BAD_SCOPE, "scope takes all, product:ID or category:NAME")
    return scope


def _text(name: str, text: str) -> str:
    clean = clean_text(text, TEXT_MAX_CHARS)
    if clean is None:
        takes = f"{name} takes 1 to {TEXT_MAX_CHARS} characters, no control characters or line breaks"
        raise BadInputError(ErrorCode.BAD_TEXT, takes)
    return clean


def _reason(name: str, text: str) -> str:
    clean = clean_reason(text)
    if clean is None:
        raise BadInputError(ErrorCode.BAD_TEXT, f"{name} takes {REASON_TAKES}")
    return clean


def decode(
    kind: SignalKind,
    raw: RawMessage,
    topic: str,
    partition: int,
    *,
    limits: InputLimits = DEFAULT_LIMITS,
    recorded: bool = True,
) -> Signal | DeadLetter:
    """The signal of a message on a topic of this kind, or a dead letter with the reason why there is none."""
    position = SourcePosition(topic, partition, raw.offset)
    try:
        if kind is SignalKind.PRODUCT_EVENTS:
            return decode_event(raw, limits)
        if kind is SignalKind.CATALOGUE:
            return decode_catalogue(raw)
        if kind is SignalKind.CORRECTIONS:
            return decode_correction(raw, limits)
        if kind is SignalKind.FREEZES:
            return decode_freeze(raw, position, limits, recorded=recorded)
        if kind is SignalKind.EXTERNAL_EVENTS:
            return decode_external(raw, position)
        return decode_override(raw, position, limits)
    except BadInputError as error:
        return refuse(error, raw, topic, partition)
