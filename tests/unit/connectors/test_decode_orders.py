"""The decoder of orders: as they are, in Debezium's envelope, and every bad message with its reason."""

import json
from typing import Any

import pytest

from connectors.decode.sales import decode_order
from connectors.decode.wire import RawMessage
from core.dead_letter import DeadLetter
from sales.orders import Order, OrderChange

AT_MS = 1_700_000_000_000
GOOD: dict[str, Any] = {
    "order_id": "O/1",
    "order_time": "2023-11-14T22:13:20Z",
    "product_id": 7,
    "quantity": 2,
    "customer_id": 3,
}
ORDER = Order("O/1", AT_MS, "7", 2, "3")


def read(value: Any, key: Any = None) -> OrderChange | DeadLetter | None:
    raw = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    return decode_order(RawMessage(7, None if key is None else json.dumps(key).encode(), raw, AT_MS), "orders", 3)


def envelope(op: str, before: Any, after: Any) -> dict[str, Any]:
    return {"before": before, "after": after, "source": {"lsn": 99}, "op": op}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (GOOD, OrderChange("O/1", ORDER, None)),
        ({**GOOD, "op": "u", "lsn": 5, "quantity": 2.0}, OrderChange("O/1", ORDER, 5)),
        ({"order_id": "O/1", "op": "d", "lsn": 6}, OrderChange("O/1", None, 6)),
        ({**GOOD, "op": "d", "lsn": 6}, OrderChange("O/1", None, 6)),
        (envelope("c", None, GOOD), OrderChange("O/1", ORDER, 99)),
        (envelope("r", None, {**GOOD, "order_time": AT_MS}), OrderChange("O/1", ORDER, 99)),
        (envelope("u", None, {**GOOD, "order_time": AT_MS * 1000}), OrderChange("O/1", ORDER, 99)),
        (envelope("d", {"order_id": "O/1"}, None), OrderChange("O/1", None, 99)),
        ({"schema": {}, "payload": envelope("c", None, GOOD)}, OrderChange("O/1", ORDER, 99)),
    ],
)
def test_an_order_is_read(value: Any, expected: OrderChange) -> None:
    assert read(value) == expected


@pytest.mark.parametrize("key", [{"order_id": "O/1"}, {"schema": {}, "payload": {"order_id": "O/1"}}])
def test_the_tombstone_of_debezium_means_nothing(key: Any) -> None:
    assert read(None, key) is None


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "tombstone"),
        (b"{", "not_json"),
        (b"[]", "not_object"),
        ({}, "missing_field"),
        ({**GOOD, "product_id": "a b"}, "bad_product_id"),
        ({**GOOD, "order_id": "a\nb"}, "bad_text"),
        ({**GOOD, "order_id": "x" * 129}, "bad_text"),
        ({**GOOD, "order_time": "soon"}, "bad_timestamp"),
        ({**GOOD, "order_time": AT_MS + 301_000}, "from_the_future"),
        *(({**GOOD, "quantity": quantity}, "bad_quantity") for quantity in (0, -1, 1.5, 1e13)),
        ({**GOOD, "op": "x"}, "bad_event_type"),
        ({**GOOD, "lsn": -1}, "bad_number"),
        ({"order_id": "O", "op": "d", "lsn": 2**63}, "bad_number"),
    ],
)
def test_a_bad_order_is_a_letter(value: Any, code: str) -> None:
    letter = read(value)
    assert isinstance(letter, DeadLetter)
    assert (letter.error_code, letter.position.topic, letter.position.offset) == (code, "orders", 7)
