"""Rows of the tables, and the messages that are made of them."""

import json
from typing import Any

import pytest

from connectors.postgres_cdc.decoding import TableDecoding
from connectors.postgres_cdc.pgoutput import Column, Delete, Insert, Relation, Unchanged, Update
from connectors.postgres_cdc.published import Published, name_order, name_product
from connectors.postgres_cdc.rows import INVENTORY, ORDERS, Row, RowChange, encode_inventory, encode_order
from connectors.postgres_cdc.tables import FoundTable
from core.errors import ReadRefusedError

ROW = {"product_id": "A", "product_name": "Mug", "stock_level": "5", "supplier": None, "base_price": "10.50"}
ORDER = {"order_id": "O", "order_time": "2026-01-01 10:00:00", "product_id": "A", "quantity": "2"}
NAMES = ("product_id", "base_price", "supplier", "other")


def shown(commands: list[Any]) -> list[tuple[str, Any]]:
    """Return key and value of each, and assert the header."""
    found = []
    for key, value, time_ms, headers in commands:
        assert time_ms == 0
        lsn = int(dict(headers)["lsn"])
        document = None if value is None else json.loads(value)
        if document is not None:
            assert document.pop("lsn") == lsn
        found.append((key.decode(), document))
    return found


def test_a_row_is_an_entry_and_its_removal_a_tombstone() -> None:
    entry = {"product_id": "A", "name": "Mug", "stock_level": 5, "base_price": 10.5}
    assert shown(encode_inventory(RowChange(ROW, None, 7))) == [("A", entry)]
    assert shown(encode_inventory(RowChange(None, {"product_id": "A"}, 8))) == [("A", None)]
    renamed = RowChange({**ROW, "product_id": "B"}, {"product_id": "A"}, 9, is_update=True)
    assert shown(encode_inventory(renamed)) == [("A", None), ("B", {**entry, "product_id": "B"})]
    assert shown(encode_inventory(RowChange(ROW, {**ROW}, 9, is_update=True))) == [("A", entry)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12345678901234567890.123456789", b"12345678901234567890.123456789"),
        ("1e+20", b"1e+20"),
        ("-0.5", b"-0.5"),
        ("NaN", b'"NaN"'),
        ("$1,000.00", b'"$1,000.00"'),
        ("007", b'"007"'),
    ],
)
def test_a_number_keeps_its_digits_and_what_is_none_stays_a_text(text: str, value: bytes) -> None:
    ((_, found, _, _),) = encode_inventory(RowChange({**ROW, "base_price": text}, None, 1))
    assert b'"base_price":' + value + b"," in (found or b"")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-01-01 10:00:00", "2026-01-01T10:00:00Z"),
        ("2026-01-01 10:00:00.123456", "2026-01-01T10:00:00.123456Z"),
        ("2026-01-01 10:00:00+00", "2026-01-01T10:00:00Z"),
        ("2026-01-01", "2026-01-01T00:00:00Z"),
        ("1767261600", 1767261600),
        ("infinity", "infinity"),
        ("0044-03-15 12:00:00 BC", "0044-03-15 12:00:00 BC"),
    ],
)
def test_a_time_is_iso(text: str, value: Any) -> None:
    ((_, found),) = shown(encode_order(RowChange({**ORDER, "order_time": text}, None, 1)))
    assert found["order_time"] == value


def test_orders_and_their_operations() -> None:
    order = {"order_id": "O", "order_time": "2026-01-01T10:00:00Z", "product_id": "A", "quantity": 2}
    assert shown(encode_order(RowChange(ORDER, None, 1))) == [("A", {**order, "op": "c"})]
    assert shown(encode_order(RowChange(ORDER, None, 1, is_update=True))) == [("A", {**order, "op": "u"})]
    moved = RowChange({**ORDER, "product_id": "B"}, ORDER, 2, is_update=True)
    expected = [("A", {**order, "op": "d"}), ("B", {**order, "product_id": "B", "op": "c"})]
    assert shown(encode_order(moved)) == expected
    # Only the key of the old row is known.
    key = {"order_id": "O", "order_time": None, "product_id": None, "quantity": None}
    assert shown(encode_order(RowChange(None, key, 3))) == [("O", {"order_id": "O", "op": "d"})]
    renamed = RowChange({**ORDER, "order_id": "P"}, key, 4, is_update=True)
    assert [key for key, _ in shown(encode_order(renamed))] == ["O", "A"]


def test_a_text_that_no_topic_takes_is_cut() -> None:
    long = "x" * 100_000
    ((key, value, _, _),) = encode_inventory(RowChange({**ROW, "product_id": long, "product_name": long}, None, 1))
    assert len(key) == 512
    assert len(value or b"") < 10_000


def decoding() -> TableDecoding:
    found = FoundTable(1, "public", "t", ("product_id", "base_price", "supplier"))
    made = TableDecoding("public.t", INVENTORY, found, {*found.columns})
    made.learn(relation(*NAMES))
    return made


def relation(*names: str) -> Relation:
    return Relation(1, "public", "t", tuple(Column(name, name == "product_id") for name in names))


def no_fetch(row_id: str) -> Row | None:
    raise AssertionError(row_id)


def test_rows_have_the_columns_in_use_only() -> None:
    table = decoding()
    inserted = table.change(Insert(1, ("A", "1", None, "x")), 5, no_fetch)
    assert inserted == RowChange({"product_id": "A", "base_price": "1", "supplier": None}, None, 5)
    removed = table.change(Delete(1, ("A", None, None, None), is_whole=False), 6, no_fetch)
    assert removed is not None
    assert removed.new is None
    assert (removed.old or {})["product_id"] == "A"


@pytest.mark.parametrize(
    ("old", "fetched", "expected"),
    [
        (("A", "1", "from the old row", "x"), None, "from the old row"),
        (None, {"product_id": "A", "base_price": "9", "supplier": "from the table"}, "from the table"),
        (
            ("A", None, None, None),
            {"product_id": "A", "base_price": "9", "supplier": "from the table"},
            "from the table",
        ),
        # The row is gone: its removal comes later.
        (None, None, None),
    ],
)
def test_a_value_that_the_stream_leaves_out_is_found(old: Any, fetched: Row | None, expected: str | None) -> None:
    found = decoding().change(Update(1, old, ("A", "2", Unchanged.VALUE, Unchanged.VALUE)), 5, lambda _: fetched)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert found.new == {"product_id": "A", "base_price": "2", "supplier": expected}


def test_only_values_in_use_are_looked_for() -> None:
    found = decoding().change(Update(1, None, ("A", "2", "S", Unchanged.VALUE)), 5, no_fetch)
    assert found == RowChange({"product_id": "A", "base_price": "2", "supplier": "S"}, None, 5, is_update=True)


def test_columns_that_go_and_names_that_change_are_refused_and_new_columns_are_used() -> None:
    table = decoding()
    table.learn(relation(*NAMES, "category", "another"))
    assert table.in_use == {"product_id", "base_price", "supplier", "category"}
    with pytest.raises(ReadRefusedError, match="no column category any more"):
        table.learn(relation(*NAMES))
    with pytest.raises(ReadRefusedError, match=r"is called public\.u now"):
        table.learn(Relation(1, "public", "u", ()))


class Sent:
    """A message in a topic."""

    def __init__(self, key: str, value: Any, lsn: int | None) -> None:
        self._key, self._value = key.encode(), None if value is None else json.dumps(value).encode()
        self._headers = None if lsn is None else [("other", b"1"), ("lsn", str(lsn).encode())]

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> list[tuple[str, bytes]] | None:
        return self._headers


def test_the_rows_of_a_topic_are_those_of_the_newest_messages_with_a_position() -> None:
    products = Published({})
    for key, value, lsn in (
        ("A", {}, 5),
        ("A", None, 4),
        ("B", {}, 6),
        ("B", None, 7),
        ("C", {}, None),
        ("D", {}, 9),
    ):
        products.note(Sent(key, value, lsn), name_product)  # type: ignore[arg-type]
    assert products.highest == 9
    products.keep_before(9)
    assert [*products.rows] == ["A"]
    orders = Published({})
    # Of equal positions, a removal is the older, in any order.
    for op, product, lsn in (("c", "B", 5), ("d", "A", 5), ("c", "A", 1)):
        orders.note(Sent(product, {"order_id": 1, "product_id": product, "op": op}, lsn), name_order)  # type: ignore[arg-type]
    assert {key: (known.product, known.removed) for key, known in orders.rows.items()} == {"1": ("B", False)}


def test_the_tables_need_the_columns_of_the_contract() -> None:
    assert set(INVENTORY.needed) == {
        *("product_id", "product_name", "stock_level", "reorder_threshold", "supplier", "base_price")
    }
    assert {*ORDERS.columns} == {"order_id", "order_time", "product_id", "quantity", "customer_id"}
