"""Commands: people's decisions about prices. An override sets a price, a freeze holds prices."""

import msgspec

from core.identifiers import is_identifier
from core.positions import SourcePosition
from core.text import clean_text, is_blank

REASON_MAX_CHARS = 200
DEFAULT_REASON = "manual override"
CATEGORY_MAX_CHARS = 500

EVERYTHING = "all"
"""The scope of a freeze that holds all prices."""


REASON_TAKES = f"1 to {REASON_MAX_CHARS} characters, no control characters or line breaks"


def clean_reason(text: str) -> str | None:
    """A reason in NFC. None if the text is no reason: 1 to 200 characters (code points in NFC), no control
    characters or line breaks, and not only spaces and marks of format."""
    reason = clean_text(text, REASON_MAX_CHARS)
    return None if reason is None or is_blank(reason) else reason


def clean_scope(text: str) -> str | None:
    """The scope of a freeze, its category in NFC. None if the text is no scope: `all`, `product:ID` or
    `category:NAME`."""
    kind, _, name = text.partition(":")
    if kind == "product":
        return text if is_identifier(name) else None
    if kind == "category":
        category = clean_text(name, CATEGORY_MAX_CHARS)
        return None if category is None else f"category:{category}"
    return text if text == EVERYTHING else None


class PriceOverride(msgspec.Struct, frozen=True, gc=False):
    """A price set by a person. It is active until it is removed or replaced, or until `expires_at_ms`. Times are
    UTC milliseconds.

    kafka_time_ms: Kafka's time stamp of the command. An earlier override of the product that ends by then has
    expired before this command."""

    product_id: str
    override_price: float
    reason: str
    set_by: str
    set_at_ms: int
    expires_at_ms: int | None
    position: SourcePosition
    kafka_time_ms: int = 0


class OverrideRemoval(msgspec.Struct, frozen=True, gc=False):
    """The removal of a product's override. event_time_ms: Kafka's time stamp of the command."""

    product_id: str
    event_time_ms: int
    offset: int


class ProductCorrection(msgspec.Struct, frozen=True, gc=False):
    """The repair of a product whose state has times from the future. Afterwards no time in it is after
    `not_after_ms` (event time, UTC milliseconds). demand: the demand to go on from; None for the one it has."""

    product_id: str
    not_after_ms: int
    demand: float | None
    offset: int


class Freeze(msgspec.Struct, frozen=True, gc=False):
    """A stop set by a person: prices in its scope do not change until it is lifted.

    Every shard receives it. `recorded` is true in the one shard that reports it to the sinks."""

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
