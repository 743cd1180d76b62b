"""The parts that the decoders of all systems share: from bytes to a validated struct. Pure."""

import json
from collections.abc import Callable
from typing import TypeVar

import msgspec

from core.dead_letter import ErrorCode
from core.errors import BadInputError
from core.identifiers import is_identifier
from core.timestamps import parse_timestamp

VALUE_MAX_BYTES = 1024 * 1024
"""A larger value is bad input. This is Kafka's own default limit for a message."""

STAGE = "decode"
"""The stage in the dead letters of all decoders."""

Wire = TypeVar("Wire", bound=msgspec.Struct)


class RawMessage(msgspec.Struct, frozen=True, gc=False):
    """A message as Kafka gave it. `kafka_time_ms` is Kafka's time stamp, 0 if there is none."""

    offset: int
    key: bytes | None
    value: bytes | None
    kafka_time_ms: int


class _Routed(msgspec.Struct, gc=False):
    product_id: str | int


_decode_routed = msgspec.json.Decoder(_Routed).decode


def routing_key(raw_key: bytes | None, raw_value: bytes | None) -> bytes:
    """The key that decides a message's shard: the message's own or, if it has none, the product's id in its value.
    Empty if there is neither.

    A wrong guess costs one more hop between workers, never a wrong price."""
    if raw_key:
        return raw_key
    try:
        return str(_decode_routed(raw_value or b"").product_id).encode()
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        return b""


def decode_value(value: bytes, wire_type: type[Wire], decoder: Callable[[bytes], Wire]) -> Wire:
    """A value as a struct of `wire_type`. Raises BadInputError.

    `decoder` is the hot path, for valid values. All others go through `_decode_carefully`."""
    if len(value) <= VALUE_MAX_BYTES:
        try:
            # msgspec does not look into fields that it skips, so they could hide bytes that are not UTF-8.
            if not value.isascii():
                value.decode()
            return decoder(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass
    return _decode_carefully(value, wire_type)


def _decode_carefully(value: bytes, wire_type: type[Wire]) -> Wire:
    """Decode a value again to find its exact problem. Only the contract's fields count: others never make input
    bad."""
    if len(value) > VALUE_MAX_BYTES:
        raise BadInputError(ErrorCode.TOO_LARGE, f"the value has more than {VALUE_MAX_BYTES} bytes")
    try:
        document = json.loads(value.decode(), parse_constant=_reject_constant)
    except UnicodeDecodeError as error:
        raise BadInputError(ErrorCode.NOT_UTF8, f"the value is not UTF-8 at byte {error.start}") from None
    except ValueError as error:
        raise BadInputError(ErrorCode.NOT_JSON, f"the value is not JSON: {error}"[:200]) from None
    except RecursionError:
        raise BadInputError(ErrorCode.NOT_JSON, "the value is nested too deeply") from None
    if not isinstance(document, dict):
        raise BadInputError(ErrorCode.NOT_OBJECT, "the value is not a JSON object")
    known = {name: document[name] for name in wire_type.__struct_fields__ if name in document}
    try:
        return msgspec.convert(known, wire_type)
    except msgspec.ValidationError as error:
        detail = str(error).replace("`$.", "`")
        missing = "missing required field" in detail
        raise BadInputError(ErrorCode.MISSING_FIELD if missing else ErrorCode.WRONG_TYPE, detail) from None
    except (OverflowError, RecursionError):
        raise BadInputError(ErrorCode.WRONG_TYPE, "a number is out of range") from None


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
