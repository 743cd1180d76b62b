"""Dead letters: messages that could not be used."""

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
    BAD_TEXT = "bad_text"
    BAD_NUMBER = "bad_number"
    BAD_SCOPE = "bad_scope"


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """A message that could not be used, with the reason.

    stage: the step that refused it. raw: the whole value of the message; it is cut to the contract's limit when the
    letter is encoded (`encode`)."""

    error_code: ErrorCode
    stage: str
    detail: str
    position: SourcePosition
    raw: bytes
