"""The parts that the decoders of all systems share: from bytes to a validated struct. Pure."""

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from core.dead_letter import DeadLetter, ErrorCode
from core.errors import BadInputError
from core.identifiers import is_identifier
from core.positions import SourcePosition
from core.timestamps import EARLIEST_MS, LATEST_MS, parse_timestamp

VALUE_MAX_BYTES = 1024 * 1024
"""A larger value is bad input. This is Kafka's own default limit for a message."""

STAGE = "decode"
"""The stage in the dead letters of all decoders."""

Wire = TypeVar("Wire", bound=msgspec.Struct)


class InputLimits(msgspec.Struct, frozen=True):
    """Limits of input that are settings. future_max_ms: how far a time in a message may be after Kafka's time stamp
    of the message. scale: of the currency (`core/money.py`)."""

    future_max_ms: int = 300_000
    scale: int = 100


DEFAULT_LIMITS = InputLimits()


LSN = "lsn"
"""The header with the position of a row's change in its database. A tombstone has no other place for it."""


class RawMessage(msgspec.Struct, frozen=True, gc=False):
    """A message as Kafka gave it. `kafka_time_ms` is Kafka's time stamp, -1 if there is none. lsn: of the header,
    for a message without a value; None if it has none."""

    offset: int
    key: bytes | None
    value: bytes | None
    kafka_time_ms: int
    lsn: int | None = None


def lsn_of(headers: Iterable[tuple[str, str | bytes | None]] | None) -> int | None:
    """The position of a message's headers; None if there is none, or if it is no number."""
    for name, value in headers or ():
        if name == LSN and value is not None:
            text = value if isinstance(value, bytes) else value.encode()
            return int(text) if text.isdigit() and len(text) < 20 else None
    return None


def refuse(error: BadInputError, raw: RawMessage, topic: str, partition: int) -> DeadLetter:
    """The dead letter of a message that is bad input."""
    position = SourcePosition(topic, partition, raw.offset)
    return DeadLetter(error.code, STAGE, error.detail, position, raw.value or b"")


def decode_value(value: bytes, wire_type: type[Wire], decoder: Callable[[bytes], Wire]) -> Wire:
    """A value as a struct of `wire_type`. Raises BadInputError.

    `decoder` is the hot path, for valid values. All others go through `_decode_carefully`."""
    wire = decode_valid(value, decoder)
    return _decode_carefully(value, wire_type) if wire is None else wire


def decode_valid(value: bytes, decoder: Callable[[bytes], Wire]) -> Wire | None:
    """A value as `decoder` reads it; None if it needs a closer look."""
    if len(value) > VALUE_MAX_BYTES:
        return None
    try:
        # msgspec does not look into fields that it skips, so they could hide bytes that are not UTF-8.
        if not value.isascii():
            value.decode()
        return decoder(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _decode_carefully(value: bytes, wire_type: type[Wire]) -> Wire:
    """Decode a value again to find its exact problem. Only the contract's fields count: others never make input
    bad."""
    document = load_object(value)
    known = {name: document[name] for name in wire_type.__struct_fields__ if name in document}
    try:
        return msgspec.convert(known, wire_type)
    except msgspec.ValidationError as error:
        detail = str(error).replace("`$.", "`")
        missing = "missing required field" in detail
        raise BadInputError(ErrorCode.MISSING_FIELD if missing else ErrorCode.WRONG_TYPE, detail) from None
    except UnicodeError:
        raise BadInputError(ErrorCode.BAD_TEXT, "a text has half of a surrogate pair") from None
    except (OverflowError, RecursionError):
        raise BadInputError(ErrorCode.WRONG_TYPE, "a number is out of range") from None


def load_object(value: bytes, parse_number: Callable[[str], Any] | None = None) -> dict[str, Any]:
    """A value as a dict, by Python's own decoder, which says what is wrong. parse_number: of the text of a number;
    None for an int or a float. Raises BadInputError."""
    if len(value) > VALUE_MAX_BYTES:
        raise BadInputError(ErrorCode.TOO_LARGE, f"the value has more than {VALUE_MAX_BYTES} bytes")
    try:
        document = json.loads(
            value.decode(), parse_constant=_reject_constant, parse_float=parse_number, parse_int=parse_number
        )
    except UnicodeDecodeError as error:
        raise BadInputError(ErrorCode.NOT_UTF8, f"the value is not UTF-8 at byte {error.start}") from None
    except ValueError as error:
        raise BadInputError(ErrorCode.NOT_JSON, f"the value is not JSON: {error}"[:200]) from None
    except RecursionError:
        raise BadInputError(ErrorCode.NOT_JSON, "the value is nested too deeply") from None
    if not isinstance(document, dict):
        raise BadInputError(ErrorCode.NOT_OBJECT, "the value is not a JSON object")
    return document


def _reject_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def is_null(value: bytes) -> bool:
    """True if a value is the JSON null."""
    return value.strip() == b"null"


def identifier(product_id: str | int) -> str:
    """The text of a product's id. Raises BadInputError if it is not an identifier."""
    text = str(product_id)
    if not is_identifier(text):
        takes = "product_id takes 1 to 64 letters, digits, dots, colons, hyphens and underscores"
        raise BadInputError(ErrorCode.BAD_PRODUCT_ID, takes)
    return text


def key_identifier(key: bytes | None) -> str:
    """The product's id in the key of a removal. Raises BadInputError."""
    try:
        return identifier((key or b"").decode())
    except UnicodeDecodeError:
        raise BadInputError(ErrorCode.BAD_PRODUCT_ID, "a removal takes a product's id as its key") from None


def timestamp_ms(value: float | str, name: str) -> int:
    """UTC milliseconds of the field `name`. Raises BadInputError."""
    try:
        return parse_timestamp(value)
    except ValueError as error:
        raise BadInputError(ErrorCode.BAD_TIMESTAMP, f"{name} {error}") from None


def past_timestamp_ms(value: float | str, name: str, raw: RawMessage, limits: InputLimits) -> int:
    """UTC milliseconds of the field `name`, for a time that a message may not place in the future.

    The upper bound is Kafka's time stamp of the message and not a clock, so that it is the same in every replay.
    Raises BadInputError if the time is further after the time stamp than `limits` allow."""
    at_ms = timestamp_ms(value, name)
    if at_ms - kafka_timestamp_ms(raw) > limits.future_max_ms:
        takes = f"{name} is more than {limits.future_max_ms // 1000} s after Kafka's time stamp of the message"
        raise BadInputError(ErrorCode.FROM_THE_FUTURE, takes)
    return at_ms


def kafka_timestamp_ms(raw: RawMessage) -> int:
    """Kafka's time stamp of a message, to be used as a time. Raises BadInputError if there is none, or if it is
    not from 2000 (inclusive) to 2100 (exclusive): a producer may set any."""
    if EARLIEST_MS <= raw.kafka_time_ms < LATEST_MS:
        return raw.kafka_time_ms
    code = ErrorCode.FROM_THE_FUTURE if raw.kafka_time_ms >= LATEST_MS else ErrorCode.BAD_TIMESTAMP
    raise BadInputError(code, "Kafka's time stamp of the message is not between the years 2000 and 2100")
