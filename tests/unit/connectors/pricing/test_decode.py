import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.decode.pricing import SignalKind, decode, decode_usual_events
from connectors.decode.wire import DEFAULT_LIMITS, InputLimits, RawMessage
from core.dead_letter import DeadLetter, ErrorCode
from pricing.batches import Signal
from pricing.catalogue import CatalogueChange
from pricing.commands import OverrideRemoval, PriceOverride, ProductCorrection
from pricing.events import ProductEvent
from tests.support.bad_messages import (
    BAD_CORRECTION_FIELDS,
    BAD_ENTRY_FIELDS,
    BAD_EVENT_FIELDS,
    BAD_FREEZE_FIELDS,
    BAD_OVERRIDE_FIELDS,
    CORRECTION,
    ENTRY,
    EVENT,
    FREEZE,
    NO_EVENTS,
    OVERRIDE,
)

KAFKA_MS = 1_700_000_000_000


def read(
    kind: SignalKind,
    value: Any,
    key: bytes | None = b"A1",
    kafka_ms: int = KAFKA_MS,
    limits: InputLimits = DEFAULT_LIMITS,
) -> Signal | DeadLetter:
    raw = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return decode(kind, RawMessage(7, key, raw, kafka_ms), "topic", 3, limits=limits)


def fields_of(event: ProductEvent) -> tuple[str, str, int, float]:
    return event.event_type, event.product_id, event.event_time_ms, event.price


def code_of(kind: SignalKind, value: Any, key: bytes | None = b"A1") -> ErrorCode:
    letter = read(kind, value, key)
    assert isinstance(letter, DeadLetter), letter
    if kind is SignalKind.PRODUCT_EVENTS:
        raw = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
        assert decode_usual_events([key], [raw], [KAFKA_MS]) is None
        assert decode_usual_events([b"A1", key], [json.dumps(EVENT).encode(), raw], [KAFKA_MS] * 2) is None
    assert letter.detail
    assert (letter.position.topic, letter.position.partition, letter.position.offset) == ("topic", 3, 7)
    return letter.error_code


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"quantity": 2},
        {"quantity": 0.5},
        {"quantity": None},
        {"user_id": None},
        {"user_id": {"nested": [1, 2.5, "x"]}},
        {"user_id": "Zoë"},
        {"user_id": "\ud800"},
        {"user_id": ["x" * 1000]},
        {"unknown": True},
        {"timestamp": 1_700_000_000_000},
        {"timestamp": "2023-11-14T22:13:20+00:00"},
        {"price": 999_999_999.99},
        {"price": 1},
        {"price": 5e-324},
        {"product_id": "a.b:c-d_E"},
        {"product_id": "x" * 64},
    ],
)
def test_good_events_are_read(change: dict[str, Any]) -> None:
    event = read(SignalKind.PRODUCT_EVENTS, {**EVENT, **change})
    assert isinstance(event, ProductEvent), event
    value = json.dumps({**EVENT, **change}).encode()
    for others in ([], [json.dumps(EVENT).encode()]):
        keys = [event.product_id.encode()] + [b"A1"] * len(others)
        usual = decode_usual_events(keys, [value, *others], [KAFKA_MS] * len(keys))
        assert usual is None or (fields_of(usual[0]), len(usual)) == (fields_of(event), 1 + len(others))
    assert event.event_time_ms == 1_700_000_000_000


@pytest.mark.parametrize(("number", "text"), [(42, "42"), (-7, "-7"), (10**63, str(10**63))])
def test_an_integer_id_is_its_decimal_text(number: int, text: str) -> None:
    event = read(SignalKind.PRODUCT_EVENTS, {**EVENT, "product_id": number})
    assert isinstance(event, ProductEvent)
    assert event.product_id == text


@pytest.mark.parametrize(
    ("change", "code"),
    BAD_EVENT_FIELDS,
)
def test_bad_fields_of_events_are_dead_letters(change: dict[str, Any], code: ErrorCode) -> None:
    assert code_of(SignalKind.PRODUCT_EVENTS, {**EVENT, **change}) == code


@pytest.mark.parametrize("field", EVENT)
def test_a_missing_field_is_a_dead_letter(field: str) -> None:
    event = {name: value for name, value in EVENT.items() if name != field}
    assert code_of(SignalKind.PRODUCT_EVENTS, event) == ErrorCode.MISSING_FIELD


@pytest.mark.parametrize(
    ("value", "code"),
    NO_EVENTS,
)
def test_what_is_not_an_event_at_all_is_a_dead_letter(value: bytes | None, code: ErrorCode) -> None:
    assert code_of(SignalKind.PRODUCT_EVENTS, value) == code


def test_an_override_is_read_and_null_removes_it() -> None:
    override = read(SignalKind.OVERRIDES, {**OVERRIDE, "expires_at": 1_800_000_000})
    assert isinstance(override, PriceOverride)
    assert (override.override_price, override.expires_at_ms) == (9.99, 1_800_000_000_000)
    for nothing in (None, b"null"):
        removal = read(SignalKind.OVERRIDES, nothing)
        assert isinstance(removal, OverrideRemoval)
        assert (removal.product_id, removal.event_time_ms) == ("A1", 1_700_000_000_000)


@pytest.mark.parametrize(
    ("change", "code"),
    BAD_OVERRIDE_FIELDS,
)
def test_bad_overrides_are_dead_letters(change: dict[str, Any], code: ErrorCode) -> None:
    assert code_of(SignalKind.OVERRIDES, {**OVERRIDE, **change}) == code


@pytest.mark.parametrize("key", [None, b"", b"a/b", b"\xff"])
def test_a_removal_needs_a_product_as_its_key(key: bytes | None) -> None:
    assert code_of(SignalKind.OVERRIDES, None, key) == ErrorCode.BAD_PRODUCT_ID


def test_catalogue_entries_are_read_and_null_removes_them() -> None:
    change = read(SignalKind.CATALOGUE, ENTRY)
    assert isinstance(change, CatalogueChange)
    assert change.entry is not None
    assert (change.entry.name, change.entry.unit_cost) == ("Café", None)
    removal = read(SignalKind.CATALOGUE, None)
    assert isinstance(removal, CatalogueChange)
    assert removal.entry is None


@pytest.mark.parametrize(("change", "code"), BAD_ENTRY_FIELDS)
def test_bad_catalogue_entries_are_dead_letters(change: dict[str, Any], code: ErrorCode) -> None:
    assert code_of(SignalKind.CATALOGUE, {**ENTRY, **change}) == code


@pytest.mark.parametrize(("change", "code"), BAD_FREEZE_FIELDS)
def test_bad_freezes_are_dead_letters(change: dict[str, Any], code: ErrorCode) -> None:
    assert code_of(SignalKind.FREEZES, {**FREEZE, **change}) == code


@pytest.mark.parametrize(("change", "code"), BAD_CORRECTION_FIELDS)
def test_bad_corrections_are_dead_letters(change: dict[str, Any], code: ErrorCode) -> None:
    assert code_of(SignalKind.CORRECTIONS, {**CORRECTION, **change}) == code


def test_a_correction_is_read_and_null_is_none() -> None:
    expected = ProductCorrection("A1", 1_700_000_000_000, 12.5, 7)
    assert read(SignalKind.CORRECTIONS, CORRECTION) == expected
    assert code_of(SignalKind.CORRECTIONS, None) == ErrorCode.TOMBSTONE


TIMED = [(SignalKind.PRODUCT_EVENTS, EVENT, "timestamp"), (SignalKind.OVERRIDES, OVERRIDE, "set_at")]
TIMED += [(SignalKind.FREEZES, FREEZE, "set_at"), (SignalKind.CORRECTIONS, CORRECTION, "not_after")]


def refused(result: Any) -> ErrorCode | None:
    return result.error_code if isinstance(result, DeadLetter) else None


@pytest.mark.parametrize(("kind", "whole", "field"), TIMED)
def test_a_time_may_be_ahead_of_kafka_by_the_limit_and_not_by_a_millisecond_more(
    kind: SignalKind, whole: dict[str, Any], field: str
) -> None:
    for limit_ms in (300_000, 0):
        limits = InputLimits(limit_ms)
        for ahead_ms, code in ((limit_ms, None), (limit_ms + 1, ErrorCode.FROM_THE_FUTURE), (-(10**12), None)):
            value = {**whole, field: KAFKA_MS + ahead_ms if ahead_ms >= 0 else 10**9}
            assert refused(read(kind, value, limits=limits)) == code
            if kind is SignalKind.PRODUCT_EVENTS:
                raw = json.dumps(value).encode()
                usual = decode_usual_events([b"A1"], [raw], [KAFKA_MS], limits)
                assert (usual is None) == (code is not None)


def test_each_event_of_a_batch_has_the_limit_of_its_own_message() -> None:
    hour_ms = 3_600_000
    values = [json.dumps({**EVENT, "timestamp": KAFKA_MS + hours * hour_ms}).encode() for hours in range(4)]
    times = [KAFKA_MS + hours * hour_ms for hours in range(4)]
    assert len(decode_usual_events([b"A1"] * 4, values, times) or []) == 4
    assert decode_usual_events([b"A1"] * 4, values, [*times[:3], times[2]]) is None


NOT_A_TIME = [(-1, ErrorCode.BAD_TIMESTAMP), (0, ErrorCode.BAD_TIMESTAMP), (1_700_000_000, ErrorCode.BAD_TIMESTAMP)]
NOT_A_TIME += [(4_102_444_800_000, ErrorCode.FROM_THE_FUTURE), (2**62, ErrorCode.FROM_THE_FUTURE)]


@pytest.mark.parametrize(("kafka_ms", "code"), NOT_A_TIME)
def test_a_kafka_time_stamp_out_of_range_is_no_time(kafka_ms: int, code: ErrorCode) -> None:
    """It bounds the times in a message, and is itself the time of a removal, a lift and a catalogue entry."""
    for kind, whole, _ in TIMED:
        assert refused(read(kind, whole, kafka_ms=kafka_ms)) == code
    for kind, value, key in (
        (SignalKind.CATALOGUE, ENTRY, b"A1"),
        (SignalKind.CATALOGUE, None, b"A1"),
        (SignalKind.OVERRIDES, None, b"A1"),
        (SignalKind.FREEZES, b"null", b"all"),
    ):
        assert refused(read(kind, value, key, kafka_ms)) == code
    raw = json.dumps(EVENT).encode()
    assert decode_usual_events([b"A1"] * 2, [raw] * 2, [KAFKA_MS, kafka_ms]) is None


@given(
    st.sampled_from(list(SignalKind)),
    st.none() | st.binary(max_size=300),
    st.none() | st.binary(max_size=70),
)
def test_any_bytes_give_a_signal_or_a_dead_letter(kind: SignalKind, value: bytes | None, key: bytes | None) -> None:
    assert read(kind, value, key) is not None


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(list(SignalKind)), st.sampled_from([*EVENT, *OVERRIDE, *ENTRY, "quantity"]), _json)
def test_any_json_in_any_field_gives_a_signal_or_a_dead_letter(kind: SignalKind, field: str, value: Any) -> None:
    whole = {**EVENT, **OVERRIDE, **ENTRY, field: value}
    raw = json.dumps(whole).encode()
    assert read(kind, raw) is not None
    event = read(SignalKind.PRODUCT_EVENTS, raw)
    if usual := decode_usual_events([b"A1"], [raw], [KAFKA_MS]):
        assert isinstance(event, ProductEvent)
        assert [fields_of(each) for each in usual] == [fields_of(event)]
