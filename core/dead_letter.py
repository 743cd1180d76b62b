"""Dead letters: messages that could not be used, and their form on the topic `dead-letters`."""

import base64
from enum import StrEnum

import msgspec

from core.positions import SourcePosition


class ErrorCode(StrEnum):
    """Reason why a message could not be used. The set is bounded, because a code is a metric label."""

    TOMBSTONE = "tombstone"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_OBJECT = "not_object"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    BAD_PRODUCT_ID = "bad_product_id"
    BAD_EVENT_TYPE = "bad_event_type"
    BAD_PRICE = "bad_price"
    BAD_TIMESTAMP = "bad_timestamp"
    BAD_QUANTITY = "bad_quantity"
    BAD_SYMBOL = "bad_symbol"
    BAD_RULE = "bad_rule"
    BAD_TEXT = "bad_text"
    BAD_NUMBER = "bad_number"
    BAD_SCOPE = "bad_scope"
    FROM_THE_FUTURE = "from_the_future"
    TOO_MANY_PRODUCTS = "too_many_products"
    TOO_MANY_SYMBOLS = "too_many_symbols"


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """A message that could not be used, with the reason.

    stage: the step that refused it. detail: one line for people. raw: the whole value of the message, of which
    `encode_letter` keeps the beginning."""

    error_code: ErrorCode
    stage: str
    detail: str
    position: SourcePosition
    raw: bytes


RAW_MAX_BYTES = 512 * 1024
"""Bytes of a message's value that its letter holds at most, from the beginning."""


class LetterMessage(msgspec.Struct, gc=False):
    """The JSON value of a message on the topic. `raw` is base64, `raw_size` the length of the whole value in bytes,
    `at` UTC milliseconds."""

    error_code: str
    stage: str
    detail: str
    source: SourcePosition
    raw: str
    raw_size: int
    at: int

    @property
    def raw_bytes(self) -> bytes:
        """The beginning of the refused message's value. Raises ValueError if `raw` is not base64."""
        return base64.b64decode(self.raw)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(LetterMessage).decode


def encode_letter(letter: DeadLetter, at_ms: int) -> tuple[bytes, bytes]:
    """Key (the text of the source position) and JSON value of a letter's message. at_ms: UTC milliseconds."""
    message = LetterMessage(
        error_code=letter.error_code,
        stage=letter.stage,
        detail=letter.detail,
        source=letter.position,
        raw=base64.b64encode(letter.raw[:RAW_MAX_BYTES]).decode("ascii"),
        raw_size=len(letter.raw),
        at=at_ms,
    )
    return format_position(letter.position).encode(), _encode(message)


def fit_letter(record: tuple[bytes, bytes], size_max: int) -> list[tuple[bytes, bytes]]:
    """A letter's message with less of `raw`, then less of `detail`, so that key and value have at most `size_max`
    bytes. Empty if that is not enough."""
    key, value = record
    letter = _decode(value)
    room = size_max - len(key) - (len(value) - len(letter.raw))
    # Four characters of base64 are three bytes.
    letter.raw = letter.raw[: max(0, room) // 4 * 4]
    if room < 0:
        letter.detail = letter.detail.encode()[: max(0, len(letter.detail.encode()) + room)].decode(errors="ignore")
    shorter = _encode(letter)
    return [(key, shorter)] if len(key) + len(shorter) <= size_max else []


def format_position(position: SourcePosition) -> str:
    """The text of a position: `topic:partition:offset`."""
    return f"{position.topic}:{position.partition}:{position.offset}"


def parse_position(text: str) -> SourcePosition:
    """The position of a text `topic:partition:offset`. Raises ValueError for any other text."""
    topic, partition, offset = text.rsplit(":", 2)
    if not (topic and partition.isdigit() and offset.isdigit() and len(partition) < 10 and len(offset) < 19):
        raise ValueError(text)
    return SourcePosition(topic, int(partition), int(offset))
