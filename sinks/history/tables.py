"""Tables as data, and rows as bytes: a tag, then one line of tab-separated text, as Postgres' COPY reads it.

Rows are bytes, because they are sent to other processes, and stored in snapshots and in the backlog topic. No value
has a tab or a line break (identifiers, numbers, JSON, text without control characters), so only a backslash needs
escaping.

A system describes its tables and encodes its rows in `sinks/history/SYSTEM.py`. The writers of Postgres and Oracle
make their statements from the description."""

from collections.abc import Iterable
from typing import Literal

import msgspec

NULL = b"\\N"
TAB = b"\t"

Kind = Literal["text", "price", "amount", "double", "integer", "time", "micros", "json", "boolean"]
"""Kind of a column. In rows, a price and an amount are decimal text, a time is UTC milliseconds, micros are UTC
microseconds, json is its text, a boolean is `t` or `f`. A price has the decimals of the currency."""

PRICE_DECIMALS = 2
"""Decimals of prices in new tables."""

PRICE_INTEGERS = 10
"""Digits of prices before the decimal point."""

Value = str | float | int | None


class Column(msgspec.Struct, frozen=True):
    """A column of a table: its name, and the kind of its values."""

    name: str
    kind: Kind


class Table(msgspec.Struct, frozen=True):
    """A table and the form of its rows.

    tag: one byte, the first of every row. key: columns, or SQL expressions of columns, that identify a row; if a
    key is stored already, the stored row does not change. end: the exception, a column that a later row of the same
    key fills in if it is empty. Both rows are complete, so they may arrive in any order. document: columns whose
    values are in a JSON document, the first field of the row, with their names there. The other columns are the
    fields after it. decimals: of prices. If the columns of a table have fewer, writers widen them. version: an
    exception too, a column by which the newest row of a key stays. days: a column of times; Postgres has a
    partition of the table for each UTC day of it. keep_days: days before today that are kept; 0 keeps all."""

    tag: bytes
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    end: str | None = None
    document: dict[str, str] = {}
    decimals: int = PRICE_DECIMALS
    version: str | None = None
    days: str | None = None
    keep_days: int = 0

    @property
    def keeps_first(self) -> bool:
        """True if a stored row never changes."""
        return self.end is None and self.version is None

    @property
    def fields(self) -> tuple[Column, ...]:
        """The columns that are fields of a row."""
        return tuple(column for column in self.columns if column.name not in self.document)


def columns(**kinds: Kind) -> tuple[Column, ...]:
    """Columns from keyword arguments, name to kind, in order."""
    return tuple(Column(name, kind) for name, kind in kinds.items())


def with_decimals(tables: tuple[Table, ...], decimals: int) -> tuple[Table, ...]:
    """The tables for a currency with this number of decimals. Prices keep at least `PRICE_DECIMALS`."""
    return tuple(msgspec.structs.replace(table, decimals=max(decimals, PRICE_DECIMALS)) for table in tables)


def prices_to_widen(table: Table, scales: dict[str, int | None]) -> list[str]:
    """The columns of prices that have too few decimals. scales: column to its decimals, None for any number."""
    prices = [column.name for column in table.columns if column.kind == "price"]
    return [name for name in prices if (scale := scales.get(name)) is not None and scale < table.decimals]


def escape(text: bytes) -> bytes:
    """Text in the form of COPY: backslashes doubled."""
    return text.replace(b"\\", b"\\\\") if b"\\" in text else text


DAY_US = 86_400_000_000


def days_of(table: Table, rows: Iterable[bytes]) -> set[int]:
    """The days of rows without their tags, as numbers since 1970. Empty for a table without `days`."""
    if table.days is None:
        return set()
    index = [column.name for column in table.fields].index(table.days)
    return {int(row.split(TAB, index + 1)[index]) // DAY_US for row in rows}


def encode_fields(values: Iterable[str | int | None]) -> bytes:
    """Fields of a row, separated by tabs, text escaped, None as `NULL`."""
    return TAB.join(
        NULL if value is None else b"%d" % value if isinstance(value, int) else escape(value.encode())
        for value in values
    )


def split_by_table(tables: tuple[Table, ...], rows: list[bytes]) -> list[tuple[Table, list[bytes]]]:
    """The rows of each table that has any, in order, without their tags."""
    first, *others = tables
    tag = first.tag + TAB
    found = [row[2:] for row in rows if row.startswith(tag)]
    if len(found) == len(rows):
        # The usual case: all rows are prices.
        return [(first, found)] if found else []
    split = [(first, found)]
    split += [(table, [row[2:] for row in rows if row.startswith(table.tag + TAB)]) for table in others]
    return [(table, found) for table, found in split if found]


_decode_document = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode


def parse_row(table: Table, row: bytes) -> list[Value]:
    """The values of a row without its tag, in the order of the table's columns."""
    fields = row.split(TAB)
    values: dict[str, Value] = {}
    if table.document:
        document = _decode_document(fields.pop(0).replace(b"\\\\", b"\\"))
        for column in table.columns:
            if column.name in table.document:
                values[column.name] = _from_json(column.kind, document[table.document[column.name]])
    for column, field in zip(table.fields, fields, strict=True):
        values[column.name] = (
            None if field == NULL else _from_text(column.kind, field.replace(b"\\\\", b"\\").decode())
        )
    return [values[column.name] for column in table.columns]


def _from_json(kind: Kind, raw: msgspec.Raw) -> Value:
    if kind == "text":
        return _decode_text(raw)
    return _from_text(kind, bytes(raw).decode())


def _from_text(kind: Kind, text: str) -> Value:
    if kind == "double":
        return float(text)
    if kind == "boolean":
        return int(text == "t")
    return int(text) if kind in ("integer", "time", "micros") else text
