"""The decoders of stock, clicks and competitors: every bad message is one letter with its reason."""

import json
from typing import Any

import pytest

from connectors.decode.signals import ProductSignalKind, decode_signal, decode_usual_clicks
from connectors.decode.wire import RawMessage
from core.dead_letter import DeadLetter
from pricing.clicks import Click
from pricing.competitors import CompetitorQuote
from pricing.inventory import StockMove
from pricing.signals import Signal

AT_S = 1_700_000_000
AT = "2023-11-14 22:13:20Z"
CLICK: dict[str, Any] = {"event_time": AT, "product_id": "A", "event_type": "view"}
QUOTE: dict[str, Any] = {"ts": AT, "product_id": "A", "competitor": "Shop & Söhne", "competitor_price": 9.5}
PURCHASE: dict[str, Any] = {"purchase_time": AT, "product_id": "A", "quantity_purchased": 3, "customer_id": "c"}
RESTOCK: dict[str, Any] = {"restock_time": AT, "product_id": "A", "quantity_restocked": 3}
KINDS = {
    ProductSignalKind.CLICKS: CLICK,
    ProductSignalKind.COMPETITORS: QUOTE,
    ProductSignalKind.PURCHASES: PURCHASE,
    ProductSignalKind.RESTOCKS: RESTOCK,
}


def read(kind: ProductSignalKind, value: Any) -> Signal | DeadLetter:
    raw = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    return decode_signal(kind, RawMessage(7, None, raw, AT_S * 1000), "topic", 3)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (ProductSignalKind.CLICKS, CLICK, Click("A", AT_S)),
        (ProductSignalKind.CLICKS, {**CLICK, "event_type": "remove_from_cart", "product_id": 7}, Click("7", AT_S)),
        (ProductSignalKind.COMPETITORS, QUOTE, CompetitorQuote("A", AT_S, "Shop & Söhne", 9.5)),
        (ProductSignalKind.PURCHASES, PURCHASE, StockMove("A", AT_S, -3)),
        (ProductSignalKind.RESTOCKS, {**RESTOCK, "quantity_restocked": 3.0}, StockMove("A", AT_S, 3)),
        # Whole seconds, cut.
        (ProductSignalKind.RESTOCKS, {**RESTOCK, "restock_time": AT_S * 1000 + 999}, StockMove("A", AT_S, 3)),
    ],
)
def test_a_signal_is_read(kind: ProductSignalKind, value: Any, expected: Signal) -> None:
    assert read(kind, value) == expected


def usual(*values: Any, at_ms: int = AT_S * 1000) -> list[Click] | None:
    raw = [value if isinstance(value, bytes | None) else json.dumps(value).encode() for value in values]
    return decode_usual_clicks(raw, [at_ms] * len(raw))


def test_clicks_of_the_usual_form_are_read_at_once() -> None:
    other = {**CLICK, "product_id": "B:1", "event_time": "2023-11-14T22:13:21.999Z", "more": 1}
    assert usual(CLICK, other) == [read(ProductSignalKind.CLICKS, each) for each in (CLICK, other)]
    # Up to the limit ahead of Kafka's time stamp.
    assert usual(CLICK, at_ms=AT_S * 1000 - 300_000) == [Click("A", AT_S)]


@pytest.mark.parametrize(
    "odd",
    [
        None,
        b"{",
        b"[]",
        b'{"event_time":"2023-11-14 22:13:20Z","product_id":"A","event_type":"view","x":"\xff"}',
        {**CLICK, "product_id": 7},
        {**CLICK, "product_id": ""},
        {**CLICK, "product_id": "a b"},
        {**CLICK, "product_id": "a\nb"},
        {**CLICK, "product_id": "ä"},
        {**CLICK, "product_id": "x" * 65},
        {**CLICK, "event_type": "buy"},
        {**CLICK, "event_time": AT_S},
        {**CLICK, "event_time": "soon"},
        {**CLICK, "event_time": "2023-11-14 22:18:21Z"},
        {**CLICK, "event_time": "2123-11-14 22:18:21Z"},
    ],
)
def test_a_batch_with_another_click_needs_a_closer_look(odd: Any) -> None:
    assert usual(CLICK, odd, CLICK) is None


def test_a_time_stamp_of_kafka_that_is_none_needs_a_closer_look() -> None:
    assert usual(CLICK, at_ms=-1) is None


BAD_QUANTITIES = (0, -1, 1.5, 1e13)

bad = [
    *((kind, None, "tombstone") for kind in KINDS),
    *((kind, b"{", "not_json") for kind in KINDS),
    *((kind, b"[]", "not_object") for kind in KINDS),
    *((kind, b"\xff", "not_utf8") for kind in KINDS),
    *((kind, {}, "missing_field") for kind in KINDS),
    *((kind, {**good, "product_id": "a b"}, "bad_product_id") for kind, good in KINDS.items()),
    *((kind, {**good, next(iter(good)): "soon"}, "bad_timestamp") for kind, good in KINDS.items()),
    *((kind, {**good, next(iter(good)): AT_S + 400}, "from_the_future") for kind, good in KINDS.items()),
    (ProductSignalKind.CLICKS, {**CLICK, "event_type": "purchase"}, "bad_event_type"),
    (ProductSignalKind.COMPETITORS, {**QUOTE, "competitor": ""}, "bad_text"),
    (ProductSignalKind.COMPETITORS, {**QUOTE, "competitor": "x" * 65}, "bad_text"),
    (ProductSignalKind.COMPETITORS, {**QUOTE, "competitor": "a\nb"}, "bad_text"),
    (ProductSignalKind.COMPETITORS, {**QUOTE, "competitor_price": 0}, "bad_price"),
    (ProductSignalKind.COMPETITORS, {**QUOTE, "competitor_price": "9.5"}, "wrong_type"),
    *((ProductSignalKind.PURCHASES, {**PURCHASE, "quantity_purchased": n}, "bad_quantity") for n in BAD_QUANTITIES),
    *((ProductSignalKind.RESTOCKS, {**RESTOCK, "quantity_restocked": n}, "bad_quantity") for n in BAD_QUANTITIES),
]


@pytest.mark.parametrize(("kind", "value", "code"), bad)
def test_a_bad_message_is_one_letter(kind: ProductSignalKind, value: Any, code: str) -> None:
    letter = read(kind, value)
    assert isinstance(letter, DeadLetter)
    assert (letter.error_code, letter.position.offset) == (code, 7)
