"""What happens to a product, already validated: the only things that change its state."""

import re
from enum import StrEnum
from zlib import crc32

import msgspec

IDENTIFIER_MAX_CHARS = 64
IDENTIFIER = re.compile(rf"[A-Za-z0-9_.:-]{{1,{IDENTIFIER_MAX_CHARS}}}", re.ASCII)
REASON_MAX_CHARS = 200
DEFAULT_REASON = "manual override"


def is_identifier(text: str) -> bool:
    return IDENTIFIER.fullmatch(text) is not None


def is_reason(text: str) -> bool:
    """1 to 200 printable characters, not all of them spaces."""
    return 0 < len(text) <= REASON_MAX_CHARS and text.isprintable() and not text.isspace()


def shard_of(key: bytes, shards: int) -> int:
    """The shard that owns a key. CRC-32, as `hash()` differs between processes."""
    return crc32(key) % shards


class SourcePosition(msgspec.Struct, frozen=True, gc=False):
    """Where a message stands in Kafka. Every result carries the one it came from."""

    topic: str
    partition: int
    offset: int


class ProductEvent(msgspec.Struct, frozen=True, gc=False):
    """A view, a cart or a purchase of a product at a price."""

    event_type: str
    product_id: str
    event_time_ms: int
    price: float


class CatalogueEntry(msgspec.Struct, frozen=True, gc=False):
    """What the catalogue says of a product. Amounts in the policy's currency."""

    product_id: str
    name: str
    category: str
    base_price: float
    unit_cost: float | None = None
    stock_level: float | None = None
    reorder_threshold: float | None = None


class CatalogueChange(msgspec.Struct, frozen=True, gc=False):
    """A new catalogue entry, or (`entry` is None) the removal of one."""

    product_id: str
    entry: CatalogueEntry | None
    event_time_ms: int
    offset: int


class PriceOverride(msgspec.Struct, frozen=True, gc=False):
    """A price set by a person. Active until removed, replaced, or `expires_at_ms`.

    kafka_time_ms: when Kafka took it; whatever it replaces had ended by then, or had not."""

    product_id: str
    override_price: float
    reason: str
    set_by: str
    set_at_ms: int
    expires_at_ms: int | None
    position: SourcePosition
    kafka_time_ms: int = 0


class OverrideRemoval(msgspec.Struct, frozen=True, gc=False):
    product_id: str
    event_time_ms: int
    offset: int


EVERYTHING = "all"
CATEGORY_MAX_CHARS = 500


def is_freeze_scope(text: str) -> bool:
    """`all`, `product:ID` or `category:NAME`."""
    kind, _, name = text.partition(":")
    if kind == "product":
        return is_identifier(name)
    if kind == "category":
        return 0 < len(name) <= CATEGORY_MAX_CHARS and name.isprintable()
    return text == EVERYTHING


class Freeze(msgspec.Struct, frozen=True, gc=False):
    """A stop set by a person: prices in its scope hold until it is lifted.

    Every shard is told of it. `recorded` is true in the one of them that reports it to the sinks."""

    scope: str
    reason: str
    set_by: str
    set_at_ms: int
    position: SourcePosition
    recorded: bool


class FreezeLift(msgspec.Struct, frozen=True, gc=False):
    """The end of a freeze. `recorded`: as in `Freeze`."""

    scope: str
    event_time_ms: int
    offset: int
    recorded: bool


Change = CatalogueChange | PriceOverride | OverrideRemoval | Freeze | FreezeLift
Signal = ProductEvent | Change


class ErrorCode(StrEnum):
    """Why a message could not be used. Bounded, as it is a metric label."""

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
    BAD_TEXT = "bad_text"
    BAD_NUMBER = "bad_number"
    BAD_SCOPE = "bad_scope"


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """A message that could not be used, with the reason. `raw` is whole: it is cut to the contract's limit when
    it is encoded."""

    error_code: ErrorCode
    stage: str
    detail: str
    position: SourcePosition
    raw: bytes
