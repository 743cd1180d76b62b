"""The decoder of external events: bytes to the newest message of an event. Pure."""

import msgspec

from connectors.decode.wire import (
    RawMessage,
    decode_value,
    identifier,
    is_null,
    kafka_timestamp_ms,
    timestamp_ms,
)
from core.dead_letter import ErrorCode
from core.errors import BadInputError
from core.identifiers import is_identifier
from core.positions import SourcePosition
from core.text import clean_text
from pricing.external_events import ExternalEvent, removal

TEXT_MAX_CHARS = 500


class _ExternalWire(msgspec.Struct, gc=False):
    event_id: str | int
    score: float
    starts: int | float | str
    ends: int | float | str
    name: str
    product_id: str | int | None = None
    category: str | None = None


_decode_external = msgspec.json.Decoder(_ExternalWire).decode


def decode_external(raw: RawMessage, position: SourcePosition) -> ExternalEvent:
    """An external event, or its removal if the value is null or the event ends by its start. Raises
    BadInputError."""
    if raw.value is None or is_null(raw.value):
        kafka_timestamp_ms(raw)
        try:
            return removal(_event_id((raw.key or b"").decode()), position)
        except UnicodeDecodeError:
            raise BadInputError(ErrorCode.BAD_TEXT, "a removal takes an event's id as its key") from None
    wire = decode_value(raw.value, _ExternalWire, _decode_external)
    event_id = _event_id(wire.event_id)
    if (wire.product_id is None) == (wire.category is None):
        raise BadInputError(ErrorCode.BAD_SCOPE, "an external event takes one of product_id and category")
    product_id = None if wire.product_id is None else identifier(wire.product_id)
    category = None if wire.category is None else _text("category", wire.category)
    if not 0 <= wire.score <= 1:
        raise BadInputError(ErrorCode.BAD_NUMBER, "score takes a number from 0 to 1")
    starts_ms, ends_ms = timestamp_ms(wire.starts, "starts"), timestamp_ms(wire.ends, "ends")
    name = _text("name", wire.name)
    if ends_ms <= starts_ms:
        return removal(event_id, position)
    return ExternalEvent(
        event_id, product_id, category, wire.score, starts_ms // 1000, ends_ms // 1000, name, position
    )


def _event_id(value: str | int) -> str:
    text = str(value)
    if not is_identifier(text):
        takes = "event_id takes 1 to 64 letters, digits, dots, colons, hyphens and underscores"
        raise BadInputError(ErrorCode.BAD_TEXT, takes)
    return text


def _text(name: str, text: str) -> str:
    clean = clean_text(text, TEXT_MAX_CHARS)
    if clean is None:
        takes = f"{name} takes 1 to {TEXT_MAX_CHARS} characters, no control characters or line breaks"
        raise BadInputError(ErrorCode.BAD_TEXT, takes)
    return clean
