"""The decoders of ticks: numbers keep their digits, and every bad message is one letter with its reason."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.decode.market import TickKind, decode
from connectors.decode.wire import RawMessage
from core.dead_letter import DeadLetter
from market.ticks import Tick

AT_US = 1_723_161_255_342_000


def read(value: bytes | None, kind: TickKind = TickKind.PRICE_TICKS) -> Tick | DeadLetter:
    return decode(kind, RawMessage(7, b"any key", value, 1), "price_ticks", 3)


def code_of(value: bytes | None, kind: TickKind = TickKind.PRICE_TICKS) -> str:
    letter = read(value, kind)
    assert isinstance(letter, DeadLetter)
    assert letter.raw == (value or b"")
    assert (letter.position.topic, letter.position.partition, letter.position.offset) == ("price_ticks", 3, 7)
    return letter.error_code


@pytest.mark.parametrize(
    "value",
    [
        '{"symbol":"BTC/USD","price":61837.63,"volume":0.02,"ts":1723161255342}',
        '{"symbol":"BTC/USD","price":"61837.63","volume":"2e-2","ts":"2024-08-08T23:54:15.342Z"}',
        ' {"ts": 1723161255.342, "volume": 0.02000000000000001, "price": 6183763e-2, "symbol": "BTC/USD", "x": {}}',
    ],
)
def test_a_tick_is_read_in_all_its_forms(value: str) -> None:
    assert read(value.encode()) == Tick("BTC/USD", 6_183_763_000_000, 2_000_000, AT_US)


numbers = st.one_of(
    st.from_regex(r"-?[0-9]{1,12}(\.[0-9]{1,10})?", fullmatch=True),
    st.from_regex(r'"?(0|[1-9][0-9]{0,9})(\.[0-9]{1,8})?(e-?[0-9])?"?', fullmatch=True),
)
times = st.one_of(
    st.from_regex(r"[0-9]{8,20}", fullmatch=True),
    st.integers(946_684_800, 4_102_444_800).map(str),
    st.datetimes().map(lambda at: f'"{at.isoformat()}Z"'),
    st.sampled_from(['"2024-08-08T23:54:15.342Z"', '"2024-13-08T23:54:15.342Z"', '"2024\\u002d08-08T23:54:15Z"']),
)


@given(st.text("Aa/^\\é ", min_size=1, max_size=4), numbers, numbers, times, st.sampled_from(["", " "]))
def test_the_usual_form_is_read_as_any_other(symbol: str, price: str, volume: str, at: str, space: str) -> None:
    for kind, fields in (
        (TickKind.PRICE_TICKS, {"price": price, "volume": volume, "ts": at}),
        (TickKind.STOCK_PRICES, {"price": price, "timestamp": at}),
    ):
        parts = [f'"symbol":{space}"{symbol}"', *(f'"{name}":{space}{value}' for name, value in fields.items())]
        usual = ("{" + f",{space}".join(parts) + "}").encode()
        # With a space before it, a message is in another form.
        found, other = read(usual, kind), read(b" " + usual, kind)
        if isinstance(found, DeadLetter) and isinstance(other, DeadLetter):
            assert found.error_code == other.error_code
        else:
            assert found == other


def test_digits_beyond_a_double_are_kept() -> None:
    value = b'{"symbol":"X","price":9999999999.12345678,"volume":1234567890.87654321,"ts":1723161255342.123456}'
    assert read(value) == Tick("X", 999_999_999_912_345_678, 123_456_789_087_654_321, AT_US + 123)


@pytest.mark.parametrize("volume", ["", ',"volume":null'])
def test_a_missing_volume_is_none(volume: str) -> None:
    tick = read(f'{{"symbol":"X","price":1,"ts":1723161255{volume}}}'.encode())
    assert isinstance(tick, Tick)
    assert tick.volume == 0


def test_a_stock_price_has_no_volume() -> None:
    value = b'{"symbol":"RDS.A","price":1.5,"timestamp":1723161255,"volume":"what","ts":"other"}'
    assert read(value, TickKind.STOCK_PRICES) == Tick("RDS.A", 150_000_000, 0, 1_723_161_255_000_000)
    assert code_of(b'{"symbol":"X","price":1,"ts":1723161255}', TickKind.STOCK_PRICES) == "missing_field"


@pytest.mark.parametrize("symbol", ["BTC/USD", "^GSPC", "EURUSD=X", "RDS.A", "a:b_c-d", "X" * 32])
def test_symbols_of_all_markets_are_taken(symbol: str) -> None:
    assert isinstance(read(json.dumps({"symbol": symbol, "price": 1, "ts": 1723161255}).encode()), Tick)


def changed(**fields: Any) -> bytes:
    return json.dumps({"symbol": "X", "price": 1, "volume": 1, "ts": 1723161255, **fields}).encode()


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "tombstone"),
        (b"", "not_json"),
        (b"[1]", "not_object"),
        (b"null", "not_object"),
        (b"\xff", "not_utf8"),
        (b'{"symbol":"X","price":1,"ts":1723161255,"other":"\xff"}', "not_utf8"),
        (b'{"symbol":"X","price":NaN,"ts":1723161255}', "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"symbol":"X","price":1,"ts":1723161255,"x":"' + b"x" * 1024 * 1024 + b'"}', "too_large"),
        (b'{"symbol":"X","price":1}', "missing_field"),
        (b'{"symbol":"X","ts":1723161255}', "missing_field"),
        (b'{"price":1,"ts":1723161255}', "missing_field"),
        (changed(symbol=5), "wrong_type"),
        (changed(symbol=None), "wrong_type"),
        (changed(symbol=""), "bad_symbol"),
        (changed(symbol="X" * 33), "bad_symbol"),
        (changed(symbol="A B"), "bad_symbol"),
        (changed(symbol="é"), "bad_symbol"),
        (changed(symbol="\ud800"), "bad_symbol"),
        (changed(price=0), "bad_price"),
        (changed(price="5e-9"), "bad_price"),
        (changed(price=-1), "bad_price"),
        (changed(price="1e10"), "bad_price"),
        (changed(price=" 1"), "bad_price"),
        (changed(price="0x1"), "bad_price"),
        (changed(price=True), "wrong_type"),
        (changed(price=None), "wrong_type"),
        (changed(price=[1]), "wrong_type"),
        (changed(volume=-1), "bad_quantity"),
        (changed(volume="many"), "bad_quantity"),
        (changed(volume={}), "wrong_type"),
        (changed(ts="yesterday"), "bad_timestamp"),
        (changed(ts="1723161255"), "bad_timestamp"),
        (changed(ts=0), "bad_timestamp"),
        (changed(ts=None), "wrong_type"),
    ],
)
def test_a_bad_tick_is_a_letter_with_its_reason(value: bytes | None, code: str) -> None:
    assert code_of(value) == code


@given(
    st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["symbol", "price", "volume", "ts"]), inner)
        ),
    ).map(lambda document: json.dumps(document).encode())
)
def test_no_input_raises(value: bytes) -> None:
    for kind in TickKind:
        assert isinstance(read(value, kind), Tick | DeadLetter)
