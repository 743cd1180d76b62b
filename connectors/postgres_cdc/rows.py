"""The rows of the two tables, and the messages that are made of them. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from clients.kafka_producer import KEY_BYTES_MAX, NOW, Command
from connectors.decode.wire import LSN
from connectors.postgres_cdc.pgoutput import Unchanged

TEXT_MAX_CHARS = 4_096
"""A longer value is cut here. No field of a topic takes one of this length, so its message becomes a dead letter,
and does not stop the flow as one that Kafka refuses."""

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(\+00)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

Row = Mapping[str, str | Unchanged | None]
"""Column to value, for the columns in use that are known."""

_encode = msgspec.json.Encoder().encode


class RowChange(msgspec.Struct, frozen=True, gc=False):
    """A change of one row. new: the row after it; None if it is removed. old: what is known of the row before; None
    for nothing. lsn: its position: of two changes of a row, the greater is the newer. is_update: false also for a
    row of the first reading of a table."""

    new: Row | None
    old: Row | None
    lsn: int
    is_update: bool = False


class Table(msgspec.Struct, frozen=True):
    """A table that is read. key: the column that names a row. needed, optional: columns. encode: makes the messages
    of a change, in order."""

    key: str
    needed: tuple[str, ...]
    optional: tuple[str, ...]
    encode: Callable[[RowChange], list[Command]]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are used if the table has them."""
        return self.needed + self.optional


def encode_inventory(change: RowChange) -> list[Command]:
    """Messages of `product-catalogue`: an entry or, for a row that is gone, a tombstone. A product whose id changes
    is removed under its old one."""
    old = None if change.old is None else _text(change.old.get("product_id"))
    if change.new is None:
        return [_command(old, None, change.lsn)]
    new = _text(change.new.get("product_id"))
    fields = {
        "product_id": new,
        "name": _text(change.new.get("product_name")),
        "category": _text(change.new.get("category")),
        "supplier": _text(change.new.get("supplier")),
        **{name: _number(change.new.get(name)) for name in _INVENTORY_NUMBERS},
    }
    entry = _command(new, fields, change.lsn)
    return [entry] if old is None or old == new else [_command(old, None, change.lsn), entry]


def encode_order(change: RowChange) -> list[Command]:
    """Messages of `orders`. An order that changes its product or its id, and is known as it was, is removed under
    the old one and created under the new one. Without a known product, the key is the order's id."""
    old, new = change.old, change.new
    if new is None:
        return [] if old is None else [_order(old, "d", change.lsn)]
    if old is None:
        return [_order(new, "u" if change.is_update else "c", change.lsn)]
    names = ("order_id", "product_id")
    # Only the key may be known of the old row. Its other columns are None then.
    moved = any(old.get(name) is not None and old.get(name) != new.get(name) for name in names)
    if not moved:
        return [_order(new, "u", change.lsn)]
    return [_order(old, "d", change.lsn), _order(new, "c", change.lsn)]


def _order(row: Row, operation: str, lsn: int) -> Command:
    fields = {
        "order_id": _text(row.get("order_id")),
        "order_time": _time(row.get("order_time")),
        "product_id": _text(row.get("product_id")),
        "quantity": _number(row.get("quantity")),
        "customer_id": _text(row.get("customer_id")),
        "op": operation,
    }
    return _command(fields["product_id"] or fields["order_id"], fields, lsn)


def _command(key: str | None, fields: dict[str, Any] | None, lsn: int) -> Command:
    value = None
    if fields is not None:
        value = _encode({name: each for name, each in fields.items() if each is not None} | {LSN: lsn})
    return (key or "").encode()[:KEY_BYTES_MAX], value, NOW, [(LSN, str(lsn).encode())]


def _text(value: str | Unchanged | None) -> str | None:
    return value[:TEXT_MAX_CHARS] if isinstance(value, str) else None


def _number(value: str | Unchanged | None) -> Any:
    """The number with all its digits. A text that is no JSON number, such as NaN, stays a text, so that readers
    refuse it."""
    text = _text(value)
    return msgspec.Raw(text.encode()) if text is not None and _NUMBER.fullmatch(text) else text


def _time(value: str | Unchanged | None) -> Any:
    """A time in ISO form, UTC. A number stays a number. Any other text stays as it is."""
    text = _text(value)
    if text is None or _NUMBER.fullmatch(text):
        return _number(text)
    if match := _TIME.fullmatch(text):
        return f"{match[1]}T{match[2]}Z"
    return f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text


_INVENTORY_NUMBERS = ("base_price", "stock_level", "reorder_threshold", "unit_cost", "list_price", "map_price")

INVENTORY = Table(
    "product_id",
    ("product_id", "product_name", "stock_level", "reorder_threshold", "supplier", "base_price"),
    ("category", "unit_cost", "list_price", "map_price"),
    encode_inventory,
)
ORDERS = Table("order_id", ("order_id", "order_time", "product_id", "quantity"), ("customer_id",), encode_order)
