"""Decoders of demand, supply and decisions."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.decode.forecasting import Decision, DemandKind, decode_decision, decode_demand
from connectors.decode.wire import RawMessage
from core.dead_letter import DeadLetter
from core.timestamps import DAY_MS
from forecasting.state.signals import Cancel, Interest, Sale, Signal, Supply

AT = 1_700_000_000_000


def raw(value: Any) -> RawMessage:
    encoded = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return RawMessage(7, b"p", encoded, AT)


def demand(value: Any, kind: DemandKind = DemandKind.DEMAND_EVENTS) -> Signal | DeadLetter:
    return decode_demand(kind, raw(value), "t", 3)


def event(**fields: Any) -> dict[str, Any]:
    return {"event_type": "purchase", "product_id": "p", "timestamp": AT, **fields}


@pytest.mark.parametrize(
    ("given_event", "expected"),
    [
        (event(), Sale("p", AT, 1, 0)),
        (event(event_type="booking", quantity=3, user_id=9, event_id="e"), Sale("p", AT, 3, 0, "9", "e")),
        (event(price=2.5, quantity=4, other="x"), Sale("p", AT, 4, 100_000)),
        (event(price=2.5, quantity=0.4), Sale("p", AT, 1, 25_000)),
        (event(event_type="search"), Interest("p", AT, False)),
        (event(event_type="view", price=1.0), Interest("p", AT, False)),
        (event(event_type="cart", event_id=5), Interest("p", AT, True, "5")),
        (event(event_type="cancel", user_id="u"), Cancel("p", AT, "u")),
        (event(event_type="cancel", user_id="u", quantity=2), Cancel("p", AT, "u", 2)),
        (event(quantity=5_000_000), Sale("p", AT, 1_000_000, 0)),
        (event(product_id="lon:ride"), Sale("lon:ride", AT, 1, 0)),
    ],
)
def test_events_of_demand(given_event: dict[str, Any], expected: Signal) -> None:
    assert demand(given_event) == expected
    assert demand(given_event, DemandKind.PRODUCT_EVENTS) == expected


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "tombstone"),
        (b"{", "not_json"),
        (b"[]", "not_object"),
        (b'{"event_type": "view"}', "missing_field"),
        (event(event_type="refund"), "bad_event_type"),
        (event(product_id="a b"), "bad_product_id"),
        (event(timestamp="soon"), "bad_timestamp"),
        (event(timestamp=AT + DAY_MS), "from_the_future"),
        (event(quantity=0), "bad_quantity"),
        (event(quantity=-2), "bad_quantity"),
        (event(quantity=1e10), "bad_quantity"),
        (event(quantity="2"), "wrong_type"),
        (event(price=-1), "bad_price"),
        (event(event_id="x" * 129), "bad_text"),
        (event(user_id=""), "bad_text"),
    ],
)
def test_bad_events_are_letters(value: Any, code: str) -> None:
    found = demand(value)
    assert isinstance(found, DeadLetter)
    assert (found.error_code, found.position.offset) == (code, 7)


def test_supply() -> None:
    kind = DemandKind.SUPPLY
    assert demand({"product_id": 12, "available": 3.5, "timestamp": AT}, kind) == Supply("12", AT, 3.5)
    assert demand({"product_id": "p", "available": 0, "timestamp": AT}, kind) == Supply("p", AT, 0.0)
    for value, code in (
        ({"product_id": "p", "available": -1, "timestamp": AT}, "bad_quantity"),
        ({"product_id": "p", "available": True, "timestamp": AT}, "wrong_type"),
        ({"product_id": "p", "timestamp": AT}, "missing_field"),
    ):
        found = demand(value, kind)
        assert isinstance(found, DeadLetter)
        assert found.error_code == code


def test_decisions_are_kept_whole_on_one_line() -> None:
    value = b'{"request_id": "r",\n\t"product_id": "p", "made_at_ms": 1700000000000, "price": 1.5, "text": "a\\tb"}'
    found = decode_decision(raw(value), "t", 0)
    assert isinstance(found, Decision)
    assert (found.request_id, found.product_id, found.made_at_ms) == ("r", "p", AT)
    assert json.loads(found.document) == json.loads(value)
    assert not set("\n\t") & set(found.document)
    for bad in (None, b"{}", b"\xff"):
        assert isinstance(decode_decision(raw(bad), "t", 0), DeadLetter)


@pytest.mark.parametrize(
    ("field", "code"),
    [
        (b'"request_id": ""', "bad_text"),
        (b'"made_at_ms": 5', "bad_timestamp"),
        (b'"made_at_ms": 1690000000000', "bad_timestamp"),
        (b'"made_at_ms": 1800000000000', "from_the_future"),
        (b'"made_at_ms": 9999999999999999999999999999999999999999', "bad_timestamp"),
        (b'"x": 1e400', "not_json"),
        (b'"x": "\\ud800"', "not_json"),
        (b'"x": "a\\u0000b"', "bad_text"),
        (b'"x": ' + b"9" * 5000, "not_json"),
    ],
)
def test_decisions_that_a_database_cannot_keep_are_letters(field: bytes, code: str) -> None:
    whole = {"request_id": "r", "product_id": "p", "made_at_ms": AT}
    fields = [f'"{name}": {json.dumps(value)}'.encode() for name, value in whole.items()]
    name = field.split(b":")[0]
    document = b"{" + b", ".join([*(each for each in fields if not each.startswith(name)), field]) + b"}"
    found = decode_decision(raw(document), "t", 0)
    assert isinstance(found, DeadLetter)
    assert found.error_code == code


@given(st.one_of(st.none(), st.binary(max_size=200)), st.sampled_from(list(DemandKind)))
def test_no_bytes_raise(value: bytes | None, kind: DemandKind) -> None:
    if kind in (DemandKind.DECISIONS, DemandKind.CATALOGUE):
        decode_decision(raw(value), "t", 0)
    else:
        demand(value, kind)
