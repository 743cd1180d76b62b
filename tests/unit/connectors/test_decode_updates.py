"""The decoder of price updates for the lake."""

import msgspec
import pytest

from connectors.decode.updates import decode_update
from connectors.decode.wire import RawMessage
from core.dead_letter import DeadLetter, ErrorCode
from pricing.published import ReadUpdate

GOOD = {"type": "price_update", "product_id": "A", "version": 1, "event_time_ms": 5, "new_price": 1.5, "demand": 2}


def decode(value: bytes | None) -> ReadUpdate | DeadLetter:
    return decode_update(RawMessage(7, b"A", value, 1), "t", 0)


def test_an_update_is_read_with_what_others_have_added() -> None:
    found = decode(msgspec.json.encode({**GOOD, "more": [1], "adjustments": [{"rule": "base", "amount": 1}]}))
    assert isinstance(found, ReadUpdate)
    assert (found.product_id, found.new_price, found.adjustments[0].reason) == ("A", 1.5, None)
    # The rules may make more of the largest base price.
    assert isinstance(decode(msgspec.json.encode({**GOOD, "new_price": 1_000_000_010.0})), ReadUpdate)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, ErrorCode.TOMBSTONE),
        (b"{", ErrorCode.NOT_JSON),
        (b'{"product_id":"A","version":1}', ErrorCode.MISSING_FIELD),
        (msgspec.json.encode({**GOOD, "product_id": "a b"}), ErrorCode.BAD_PRODUCT_ID),
        (msgspec.json.encode({**GOOD, "version": -1}), ErrorCode.BAD_NUMBER),
        (msgspec.json.encode({**GOOD, "event_time_ms": -1}), ErrorCode.BAD_TIMESTAMP),
        (msgspec.json.encode({**GOOD, "new_price": 1e13}), ErrorCode.BAD_PRICE),
        (msgspec.json.encode({**GOOD, "previous_price": -1}), ErrorCode.BAD_PRICE),
        (b'{"product_id":"A","version":1,"event_time_ms":5,"demand":1e400}', ErrorCode.BAD_NUMBER),
        (b'{"product_id":"A","version":1,"event_time_ms":5,"policy":"\\ud800"}', ErrorCode.BAD_TEXT),
        (
            b'{"product_id":"A","version":1,"event_time_ms":5,"adjustments":[{"reason":"\\udfff"}]}',
            ErrorCode.BAD_TEXT,
        ),
    ],
)
def test_what_is_no_update_becomes_a_letter(value: bytes | None, code: ErrorCode) -> None:
    found = decode(value)
    assert isinstance(found, DeadLetter)
    assert found.error_code == code
