"""Messages that are not valid signals, one for each kind of fault, with the error code of their dead letter."""

import json
from typing import Any

from connectors.decode.pricing import SignalKind
from connectors.decode.wire import VALUE_MAX_BYTES
from core.dead_letter import ErrorCode

EVENT = {"event_type": "view", "product_id": "A1", "timestamp": 1_700_000_000, "price": 10.5}
OVERRIDE = {
    "product_id": "A1",
    "override_price": 9.99,
    "reason": "clearance",
    "set_by": "ann",
    "set_at": "2023-11-14T22:13:20Z",
}
ENTRY = {"product_id": "A1", "name": "Café", "category": "kitchen", "base_price": 4.5}
FREEZE = {"scope": "all", "reason": "it runs wild", "set_by": "ann", "set_at": 1_700_000_000}

CORRECTION = {"product_id": "A1", "not_after": 1_700_000_000, "demand": 12.5}

EXTERNAL = {
    "event_id": "E1",
    "product_id": "A1",
    "score": 0.5,
    "starts": 1_700_000_000,
    "ends": 1_700_003_600,
    "name": "Concert",
}

Change = dict[str, Any]

BAD_EVENT_FIELDS: list[tuple[Change, ErrorCode]] = [
    ({"product_id": "\ud800"}, ErrorCode.BAD_PRODUCT_ID),
    ({"price": "\ud800"}, ErrorCode.BAD_TEXT),
    ({"event_type": "return"}, ErrorCode.BAD_EVENT_TYPE),
    ({"event_type": "VIEW"}, ErrorCode.BAD_EVENT_TYPE),
    ({"event_type": None}, ErrorCode.WRONG_TYPE),
    ({"product_id": "a/b"}, ErrorCode.BAD_PRODUCT_ID),
    ({"product_id": "x" * 65}, ErrorCode.BAD_PRODUCT_ID),
    ({"product_id": ""}, ErrorCode.BAD_PRODUCT_ID),
    ({"product_id": "a\n"}, ErrorCode.BAD_PRODUCT_ID),
    ({"product_id": "é"}, ErrorCode.BAD_PRODUCT_ID),
    ({"product_id": 10**64}, ErrorCode.BAD_PRODUCT_ID),
    ({"product_id": 1.0}, ErrorCode.WRONG_TYPE),
    ({"product_id": True}, ErrorCode.WRONG_TYPE),
    ({"product_id": None}, ErrorCode.WRONG_TYPE),
    ({"product_id": ["A"]}, ErrorCode.WRONG_TYPE),
    ({"price": 0}, ErrorCode.BAD_PRICE),
    ({"price": -0.01}, ErrorCode.BAD_PRICE),
    ({"price": 1_000_000_000}, ErrorCode.BAD_PRICE),
    ({"price": "10"}, ErrorCode.WRONG_TYPE),
    ({"price": True}, ErrorCode.WRONG_TYPE),
    ({"price": None}, ErrorCode.WRONG_TYPE),
    ({"quantity": 0}, ErrorCode.BAD_QUANTITY),
    ({"quantity": -3}, ErrorCode.BAD_QUANTITY),
    ({"quantity": "1"}, ErrorCode.WRONG_TYPE),
    ({"quantity": True}, ErrorCode.WRONG_TYPE),
    ({"timestamp": 95_617_584_000}, ErrorCode.BAD_TIMESTAMP),
    ({"timestamp": "5000-01-01T00:00:00Z"}, ErrorCode.BAD_TIMESTAMP),
    ({"timestamp": -1}, ErrorCode.BAD_TIMESTAMP),
    ({"timestamp": 4_000_000_000}, ErrorCode.FROM_THE_FUTURE),
    ({"timestamp": "2099-12-31T23:59:59Z"}, ErrorCode.FROM_THE_FUTURE),
    ({"timestamp": True}, ErrorCode.WRONG_TYPE),
    ({"timestamp": None}, ErrorCode.WRONG_TYPE),
]
NO_EVENTS: list[tuple[bytes | None, ErrorCode]] = [
    (None, ErrorCode.TOMBSTONE),
    (b"", ErrorCode.NOT_JSON),
    (b"\x00", ErrorCode.NOT_JSON),
    (b"{", ErrorCode.NOT_JSON),
    (json.dumps(EVENT).encode() + b"x", ErrorCode.NOT_JSON),
    (b"\xef\xbb\xbf" + json.dumps(EVENT).encode(), ErrorCode.NOT_JSON),
    (b"\xff\xfe", ErrorCode.NOT_UTF8),
    (json.dumps({**EVENT, "user_id": "?"}).encode().replace(b"?", b"\xff"), ErrorCode.NOT_UTF8),
    (json.dumps(EVENT).encode("utf-16"), ErrorCode.NOT_UTF8),
    (b"null", ErrorCode.NOT_OBJECT),
    (b"[]", ErrorCode.NOT_OBJECT),
    (b"1", ErrorCode.NOT_OBJECT),
    (b'"x"', ErrorCode.NOT_OBJECT),
    (json.dumps(EVENT).replace("10.5", "NaN").encode(), ErrorCode.NOT_JSON),
    (json.dumps(EVENT).replace("10.5", "Infinity").encode(), ErrorCode.NOT_JSON),
    (json.dumps(EVENT).replace("10.5", "1e400").encode(), ErrorCode.BAD_PRICE),
    (json.dumps(EVENT).replace("10.5", "1" * 5000).encode(), ErrorCode.NOT_JSON),
    (json.dumps(EVENT).replace("1700000000", "1e400").encode(), ErrorCode.BAD_TIMESTAMP),
    (b"[" * 100_000, ErrorCode.NOT_JSON),
    (json.dumps({**EVENT, "user_id": "x" * VALUE_MAX_BYTES}).encode(), ErrorCode.TOO_LARGE),
]
BAD_OVERRIDE_FIELDS: list[tuple[Change, ErrorCode]] = [
    ({"override_price": 0}, ErrorCode.BAD_PRICE),
    ({"override_price": 0.001}, ErrorCode.BAD_PRICE),
    ({"override_price": "5"}, ErrorCode.WRONG_TYPE),
    ({"reason": ""}, ErrorCode.BAD_TEXT),
    ({"reason": "a\tb"}, ErrorCode.BAD_TEXT),
    ({"reason": "x" * 201}, ErrorCode.BAD_TEXT),
    ({"reason": "\ud800"}, ErrorCode.BAD_TEXT),
    ({"reason": "a\u2028b"}, ErrorCode.BAD_TEXT),
    ({"set_by": " "}, ErrorCode.BAD_TEXT),
    ({"set_at": "yesterday"}, ErrorCode.BAD_TIMESTAMP),
    ({"set_at": "2099-01-01T00:00:00Z"}, ErrorCode.FROM_THE_FUTURE),
    ({"expires_at": 5}, ErrorCode.BAD_TIMESTAMP),
]
BAD_ENTRY_FIELDS: list[tuple[Change, ErrorCode]] = [
    ({"base_price": 0}, ErrorCode.BAD_PRICE),
    ({"base_price": -4.5}, ErrorCode.BAD_PRICE),
    ({"base_price": None}, ErrorCode.WRONG_TYPE),
    ({"unit_cost": -1}, ErrorCode.BAD_NUMBER),
    ({"unit_cost": "1"}, ErrorCode.WRONG_TYPE),
    ({"stock_level": "many"}, ErrorCode.WRONG_TYPE),
    ({"name": ""}, ErrorCode.BAD_TEXT),
    ({"name": "a\nb"}, ErrorCode.BAD_TEXT),
    ({"name": 7}, ErrorCode.WRONG_TYPE),
    ({"name": "a\ud83db"}, ErrorCode.BAD_TEXT),
    ({"category": "x" * 501}, ErrorCode.BAD_TEXT),
    ({"product_id": "a b"}, ErrorCode.BAD_PRODUCT_ID),
]
BAD_FREEZE_FIELDS: list[tuple[Change, ErrorCode]] = [
    ({"scope": "shop:x"}, ErrorCode.BAD_SCOPE),
    ({"scope": "product:a b"}, ErrorCode.BAD_SCOPE),
    ({"scope": 1}, ErrorCode.WRONG_TYPE),
    ({"scope": "category:a\x85"}, ErrorCode.BAD_SCOPE),
    ({"reason": ""}, ErrorCode.BAD_TEXT),
    ({"set_by": "\x07"}, ErrorCode.BAD_TEXT),
    ({"set_at": "soon"}, ErrorCode.BAD_TIMESTAMP),
    ({"set_at": 4_000_000_000}, ErrorCode.FROM_THE_FUTURE),
]
BAD_CORRECTION_FIELDS: list[tuple[Change, ErrorCode]] = [
    ({"product_id": "a b"}, ErrorCode.BAD_PRODUCT_ID),
    ({"not_after": "2099-01-01T00:00:00Z"}, ErrorCode.FROM_THE_FUTURE),
    ({"not_after": None}, ErrorCode.WRONG_TYPE),
    ({"demand": -1}, ErrorCode.BAD_NUMBER),
    ({"demand": 1e300}, ErrorCode.BAD_NUMBER),
]
BAD_EXTERNAL_FIELDS: list[tuple[Change, ErrorCode]] = [
    ({"event_id": "a b"}, ErrorCode.BAD_TEXT),
    ({"event_id": None}, ErrorCode.WRONG_TYPE),
    ({"product_id": "a b"}, ErrorCode.BAD_PRODUCT_ID),
    ({"product_id": None}, ErrorCode.BAD_SCOPE),
    ({"category": "kitchen"}, ErrorCode.BAD_SCOPE),
    ({"product_id": None, "category": ""}, ErrorCode.BAD_TEXT),
    ({"score": 1.5}, ErrorCode.BAD_NUMBER),
    ({"score": "1"}, ErrorCode.WRONG_TYPE),
    ({"starts": "soon"}, ErrorCode.BAD_TIMESTAMP),
    ({"ends": 5}, ErrorCode.BAD_TIMESTAMP),
    ({"name": "a\nb"}, ErrorCode.BAD_TEXT),
]


def all_bad_messages() -> list[tuple[SignalKind, bytes | None, ErrorCode]]:
    """Return all of them as they stand in their topics: the kind of signal, the bytes, the error code."""
    found: list[tuple[SignalKind, bytes | None, ErrorCode]] = [
        (SignalKind.PRODUCT_EVENTS, value, code) for value, code in NO_EVENTS
    ]
    for name in EVENT:
        rest = {field: value for field, value in EVENT.items() if field != name}
        found.append((SignalKind.PRODUCT_EVENTS, json.dumps(rest).encode(), ErrorCode.MISSING_FIELD))
    for kind, whole, changes in (
        (SignalKind.PRODUCT_EVENTS, EVENT, BAD_EVENT_FIELDS),
        (SignalKind.OVERRIDES, OVERRIDE, BAD_OVERRIDE_FIELDS),
        (SignalKind.CATALOGUE, ENTRY, BAD_ENTRY_FIELDS),
        (SignalKind.FREEZES, FREEZE, BAD_FREEZE_FIELDS),
        (SignalKind.CORRECTIONS, CORRECTION, BAD_CORRECTION_FIELDS),
        (SignalKind.EXTERNAL_EVENTS, EXTERNAL, BAD_EXTERNAL_FIELDS),
    ):
        found += [(kind, json.dumps({**whole, **change}).encode(), code) for change, code in changes]
    return found
