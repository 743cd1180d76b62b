"""Debezium's envelope on the topic of the catalogue: with and without `schema`, all operations, tombstones."""

import json
from typing import Any

import pytest

from connectors.decode.pricing import decode_catalogue
from connectors.decode.wire import RawMessage
from core.errors import BadInputError
from pricing.catalogue import CatalogueChange, CatalogueEntry

AT_MS = 1_700_000_000_000
ROW = {
    "product_id": 7,
    "product_name": "Mug",
    "stock_level": 30,
    "reorder_threshold": 10,
    "supplier": "S",
    "base_price": "10.50",
}
ENTRY = CatalogueEntry("7", "Mug", "", 10.5, None, 30.0, 10.0, supplier="S")


def envelope(op: str, before: Any = None, after: Any = None, lsn: int | None = 99) -> dict[str, Any]:
    source = {"connector": "postgresql", "table": "product_inventory", "lsn": lsn, "snapshot": "false"}
    return {"before": before, "after": after, "source": source, "op": op, "ts_ms": AT_MS}


def read(value: Any, key: Any = None) -> CatalogueChange:
    raw = None if value is None else json.dumps(value).encode()
    return decode_catalogue(RawMessage(5, None if key is None else json.dumps(key).encode(), raw, AT_MS))


@pytest.mark.parametrize("wrap", [lambda each: each, lambda each: {"schema": {"type": "struct"}, "payload": each}])
@pytest.mark.parametrize("op", ["c", "u", "r"])
def test_a_row_is_an_entry(op: str, wrap: Any) -> None:
    found = read(wrap(envelope(op, None, ROW)))
    assert (found.entry, found.lsn) == (ENTRY, 99)
    # Decimals as doubles.
    assert read(wrap(envelope(op, None, {**ROW, "base_price": 10.5}))).entry == ENTRY


@pytest.mark.parametrize("wrap", [lambda each: each, lambda each: {"schema": {"type": "struct"}, "payload": each}])
def test_a_deletion_and_its_tombstone_remove_the_entry(wrap: Any) -> None:
    removal = CatalogueChange("7", None, AT_MS, 5)
    assert read(wrap(envelope("d", {"product_id": 7}))) == CatalogueChange("7", None, AT_MS, 5, 99)
    assert read(None, wrap({"product_id": 7})) == removal
    assert decode_catalogue(RawMessage(5, b"7", None, AT_MS)) == removal


def test_a_row_as_it_is_without_an_envelope() -> None:
    assert read({**ROW, "base_price": 10.5, "lsn": 99}).entry == ENTRY


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (envelope("c", None, {**ROW, "base_price": "cheap"}), "wrong_type"),
        (envelope("c", None, {**ROW, "base_price": "-1"}), "bad_price"),
        (envelope("c", None, {**ROW, "product_id": None}), "wrong_type"),
        (envelope("c", None, {"product_id": 7, "product_name": "Mug"}), "missing_field"),
        (envelope("c", None, None), "missing_field"),
        (envelope("d", {"name": "Mug"}), "missing_field"),
        # An entry with a field `op` is no envelope.
        ({"op": "c", "product_id": 7}, "missing_field"),
    ],
)
def test_a_bad_row_is_refused(value: Any, code: str) -> None:
    with pytest.raises(BadInputError) as refusal:
        read(value)
    assert refusal.value.code == code


def test_a_connector_that_does_not_say_the_position() -> None:
    assert read(envelope("r", None, ROW, None)).entry is not None
