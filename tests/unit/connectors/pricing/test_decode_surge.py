"""The decoders of forecasts, supply and external events: every bad message is one letter with its reason."""

import json
from typing import Any

import pytest

from connectors.decode.pricing import SignalKind, decode
from connectors.decode.signals import ProductSignalKind, decode_signal
from connectors.decode.wire import RawMessage
from core.dead_letter import DeadLetter
from core.positions import SourcePosition
from pricing.external_events import ExternalEvent, removal
from pricing.forecasts import Forecast, Supply

AT_S = 1_700_000_000
AT = "2023-11-14T22:13:20.250Z"
HORIZON = {"p10": 1.0, "p50": 2.0, "p90": 4.0, "mean": 2.5}
FORECAST: dict[str, Any] = {
    "type": "forecast",
    "product_id": "city:bike",
    "made_at": AT,
    "model": "7c1f",
    "source": "model",
    "horizons": {"1": {**HORIZON, "mean": 0.1}, "60": HORIZON, "1440": {**HORIZON, "mean": 40}},
    "demand_score": 0.75,
    "version": 12,
}
SUPPLY: dict[str, Any] = {"product_id": "city:bike", "available": 3.5, "timestamp": AT}
EXTERNAL: dict[str, Any] = {
    "event_id": "concert-1",
    "category": "bikes",
    "score": 0.8,
    "starts": AT_S + 86_400,
    "ends": "2023-11-16T22:13:20Z",
    "name": "Concert in the park",
}
KINDS = {ProductSignalKind.FORECASTS: FORECAST, ProductSignalKind.SUPPLY: SUPPLY}
POSITION = SourcePosition("topic", 3, 7)


def read(kind: ProductSignalKind | SignalKind, value: Any, key: bytes | None = None) -> Any:
    raw = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    message = RawMessage(7, key, raw, AT_S * 1000)
    if isinstance(kind, SignalKind):
        return decode(kind, message, "topic", 3)
    return decode_signal(kind, message, "topic", 3)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, Forecast("city:bike", AT_S * 1000 + 250, 12, "model", 0.75, 2.5, 40.0)),
        ({"more": [1], "model": None}, Forecast("city:bike", AT_S * 1000 + 250, 12, "model", 0.75, 2.5, 40.0)),
        ({"made_at": AT_S, "horizons": {}}, Forecast("city:bike", AT_S * 1000, 12, "model", 0.75, None, None)),
        (
            {"made_at": AT_S * 1000 + 1, "horizons": {"60": {"mean": 0}}, "product_id": 7, "source": "base"},
            Forecast("7", AT_S * 1000 + 1, 12, "base", 0.75, 0.0, None),
        ),
        ({"horizons": {"1440": HORIZON}}, Forecast("city:bike", AT_S * 1000 + 250, 12, "model", 0.75, None, 2.5)),
    ],
)
def test_a_forecast_is_read(change: dict[str, Any], expected: Forecast) -> None:
    assert read(ProductSignalKind.FORECASTS, {**FORECAST, **change}) == expected


def test_supply_is_read() -> None:
    assert read(ProductSignalKind.SUPPLY, SUPPLY) == Supply("city:bike", AT_S, 3.5)
    assert read(ProductSignalKind.SUPPLY, {**SUPPLY, "available": 0}) == Supply("city:bike", AT_S, 0.0)


def test_an_external_event_is_read() -> None:
    starts_s, ends_s = AT_S + 86_400, AT_S + 2 * 86_400
    name = EXTERNAL["name"]
    of_category = ExternalEvent("concert-1", None, "bikes", 0.8, starts_s, ends_s, name, POSITION)
    assert read(SignalKind.EXTERNAL_EVENTS, EXTERNAL) == of_category
    changed = {**EXTERNAL, "category": None, "product_id": 7, "event_id": 5, "more": 1}
    of_product = ExternalEvent("5", "7", None, 0.8, starts_s, ends_s, name, POSITION)
    assert read(SignalKind.EXTERNAL_EVENTS, changed) == of_product
    # Categories are compared in NFC, as those of the catalogue are.
    assert read(SignalKind.EXTERNAL_EVENTS, {**EXTERNAL, "category": "Cafe\u0301"}).category == "Caf\u00e9"


@pytest.mark.parametrize(
    "value", [None, b"null", {**EXTERNAL, "ends": AT_S}, {**EXTERNAL, "ends": EXTERNAL["starts"]}]
)
def test_a_tombstone_or_an_end_by_the_start_removes_an_external_event(value: Any) -> None:
    found = read(SignalKind.EXTERNAL_EVENTS, value, b"concert-1")
    assert found == removal("concert-1", POSITION)
    assert found.is_removal


bad = [
    *((kind, None, "tombstone") for kind in KINDS),
    *((kind, b"{", "not_json") for kind in KINDS),
    *((kind, b"[]", "not_object") for kind in KINDS),
    *((kind, b"\xff", "not_utf8") for kind in KINDS),
    *((kind, {**good, "product_id": "a b"}, "bad_product_id") for kind, good in KINDS.items()),
    *(
        (kind, {name: each for name, each in good.items() if name != left_out}, "missing_field")
        for kind, good in KINDS.items()
        for left_out in good
        if left_out != "model"
    ),
    (ProductSignalKind.FORECASTS, {**FORECAST, "type": "price_update"}, "bad_event_type"),
    (ProductSignalKind.FORECASTS, {**FORECAST, "source": "guess"}, "bad_text"),
    (ProductSignalKind.FORECASTS, {**FORECAST, "demand_score": 1.01}, "bad_number"),
    (ProductSignalKind.FORECASTS, {**FORECAST, "demand_score": -0.01}, "bad_number"),
    (ProductSignalKind.FORECASTS, {**FORECAST, "demand_score": "high"}, "wrong_type"),
    (ProductSignalKind.FORECASTS, {**FORECAST, "version": -1}, "bad_number"),
    (ProductSignalKind.FORECASTS, {**FORECAST, "version": 2**63}, "bad_number"),
    (ProductSignalKind.FORECASTS, {**FORECAST, "version": 1.5}, "wrong_type"),
    (ProductSignalKind.FORECASTS, {**FORECAST, "horizons": {"60": {"mean": -1}}}, "bad_number"),
    (ProductSignalKind.FORECASTS, {**FORECAST, "horizons": {"60": {}}}, "missing_field"),
    (ProductSignalKind.FORECASTS, {**FORECAST, "horizons": [1]}, "wrong_type"),
    (ProductSignalKind.FORECASTS, {**FORECAST, "made_at": "soon"}, "bad_timestamp"),
    (ProductSignalKind.FORECASTS, {**FORECAST, "made_at": AT_S + 400}, "from_the_future"),
    (ProductSignalKind.SUPPLY, {**SUPPLY, "available": -1}, "bad_quantity"),
    (ProductSignalKind.SUPPLY, {**SUPPLY, "available": 1e13}, "bad_quantity"),
    (ProductSignalKind.SUPPLY, {**SUPPLY, "available": None}, "wrong_type"),
    (ProductSignalKind.SUPPLY, {**SUPPLY, "available": True}, "wrong_type"),
    (ProductSignalKind.SUPPLY, {**SUPPLY, "timestamp": "soon"}, "bad_timestamp"),
    (ProductSignalKind.SUPPLY, {**SUPPLY, "timestamp": AT_S + 400}, "from_the_future"),
]


@pytest.mark.parametrize(("kind", "value", "code"), bad)
def test_a_bad_message_is_one_letter(kind: ProductSignalKind, value: Any, code: str) -> None:
    letter = read(kind, value)
    assert isinstance(letter, DeadLetter)
    assert (letter.error_code, letter.position.offset) == (code, 7)


@pytest.mark.parametrize("key", [None, b"", b"a b", b"\xff", b"x" * 65])
def test_a_tombstone_without_the_id_of_an_event_is_one_letter(key: bytes | None) -> None:
    letter = read(SignalKind.EXTERNAL_EVENTS, None, key)
    assert isinstance(letter, DeadLetter)
    assert letter.error_code == "bad_text"
