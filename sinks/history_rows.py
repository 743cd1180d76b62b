"""Rows of history as bytes: tab-separated text as Postgres' COPY reads it, after a letter for the table.

Bytes, because rows may cross processes, wait in a snapshot or in the backlog topic. A row of `price_history`
is the update as it went on `price-updates`, with its cause and position: it is encoded once for all sinks,
and taken apart where it is written. No value holds a tab or a line break (identifiers, numbers, JSON,
printable text), so a backslash is all that needs escaping.
"""

from functools import lru_cache

import msgspec

from core.positions import SourcePosition
from pricing.commands import Freeze, PriceOverride
from pricing.decision import PUBLISHED, Cause, FreezeChange, OverrideEnd, PriceDecision, PricedEvents

PRICE = b"P\t"
OVERRIDE = b"O\t"
FREEZE = b"F\t"
NULL = b"\\N"


class PriceRow(msgspec.Struct, frozen=True):
    """A row of `price_history`. `adjustments` is JSON."""

    product_id: str
    price: float
    demand: float
    price_source: str
    event_time_ms: int
    version: int
    policy: str
    adjustments: str
    cause: str
    source_topic: str
    source_partition: int
    source_offset: int


class OverrideRow(msgspec.Struct, frozen=True):
    """A row of `price_overrides`, with its end where it has one; both writes of an override are whole, so
    that they may arrive in any order."""

    product_id: str
    override_price: str
    reason: str
    set_by: str
    set_time_ms: int
    expires_time_ms: int | None
    removed_time_ms: int | None
    source_topic: str
    source_partition: int
    source_offset: int


class FreezeRow(msgspec.Struct, frozen=True):
    """A row of `price_freezes`; its start and its end are whole, as with `OverrideRow`."""

    scope: str
    reason: str
    set_by: str
    set_time_ms: int
    lifted_time_ms: int | None
    source_topic: str
    source_partition: int
    source_offset: int


def encode_rows(decision: PriceDecision, encoded_update: bytes | None) -> list[bytes]:
    """The rows of a decision: none, where it is not history."""
    rows = []
    if encoded_update is not None and decision.cause in PUBLISHED:
        rows.append(encode_price(decision.position, decision.cause, encoded_update))
    if decision.cause == Cause.OVERRIDE_SET and decision.override is not None:
        rows.append(_encode_override(decision.override, None))
    if decision.ended is not None:
        rows.append(_encode_end(decision.ended))
    return rows


def encode_price(position: SourcePosition, cause: str, encoded_update: bytes) -> bytes:
    """A row of `price_history`."""
    place = _place(cause, position.topic, position.partition)
    return PRICE + _escape(encoded_update) + place + b"%d" % position.offset


def encode_events(events: PricedEvents) -> list[bytes]:
    """Rows of events' prices: as `encode_price`, at a fifth of its cost. Ids, numbers and the reasons of rules and
    guardrails hold nothing that must be escaped."""
    place = _place(Cause.EVENT, events.topic, events.partition)
    # All numbers in one call, and apart again: no number has a comma.
    offsets = _encode_json(events.offsets)[1:-1].split(b",")
    return [
        b"".join((PRICE, update, place, offset)) for update, offset in zip(events.updates, offsets, strict=True)
    ]


_encode_json = msgspec.json.Encoder().encode


@lru_cache(maxsize=1024)
def _place(cause: str, topic: str, partition: int) -> bytes:
    return f"\t{cause}\t{topic}\t{partition}\t".encode()


def encode_freeze(change: FreezeChange) -> list[bytes]:
    """The rows of a freeze that begins, ends, or takes another's place."""
    rows = []
    if change.freeze is not None:
        rows.append(_encode_freeze(change.freeze, None))
    if change.ended is not None:
        rows.append(_encode_freeze(change.ended, change.at_ms))
    return rows


def _encode_freeze(freeze: Freeze, lifted_at_ms: int | None) -> bytes:
    position = freeze.position
    fields = (
        _escape(freeze.scope.encode()),
        _escape(freeze.reason.encode()),
        _escape(freeze.set_by.encode()),
        b"%d" % freeze.set_at_ms,
        NULL if lifted_at_ms is None else b"%d" % lifted_at_ms,
        position.topic.encode(),
        b"%d" % position.partition,
        b"%d" % position.offset,
    )
    return FREEZE + b"\t".join(fields)


def _encode_end(end: OverrideEnd) -> bytes:
    return _encode_override(end.override, end.removed_at_ms)


def _encode_override(override: PriceOverride, removed_at_ms: int | None) -> bytes:
    position = override.position
    fields = (
        override.product_id.encode(),
        repr(override.override_price).encode(),
        _escape(override.reason.encode()),
        _escape(override.set_by.encode()),
        b"%d" % override.set_at_ms,
        NULL if override.expires_at_ms is None else b"%d" % override.expires_at_ms,
        NULL if removed_at_ms is None else b"%d" % removed_at_ms,
        position.topic.encode(),
        b"%d" % position.partition,
        b"%d" % position.offset,
    )
    return OVERRIDE + b"\t".join(fields)


def _escape(text: bytes) -> bytes:
    return text.replace(b"\\", b"\\\\") if b"\\" in text else text


class Tables(msgspec.Struct, frozen=True):
    """Rows of each table, in order, without the letter."""

    prices: list[bytes]
    overrides: list[bytes]
    freezes: list[bytes]


def split_by_table(rows: list[bytes]) -> Tables:
    prices = [row[2:] for row in rows if row.startswith(PRICE)]
    if len(prices) == len(rows):
        # Nearly always.
        return Tables(prices, [], [])
    return Tables(prices, *([row[2:] for row in rows if row.startswith(letter)] for letter in (OVERRIDE, FREEZE)))


class _StoredUpdate(msgspec.Struct):
    product_id: str
    new_price: float
    demand: float
    price_source: str
    event_time_ms: int
    version: int
    policy: str
    adjustments: msgspec.Raw


_decode_update = msgspec.json.Decoder(_StoredUpdate).decode


def parse_price(row: bytes) -> PriceRow:
    """A row without its letter, for stores that take values instead of text."""
    update_json, cause, topic, partition, offset = row.replace(b"\\\\", b"\\").split(b"\t")
    update = _decode_update(update_json)
    return PriceRow(
        update.product_id,
        update.new_price,
        update.demand,
        update.price_source,
        update.event_time_ms,
        update.version,
        update.policy,
        bytes(update.adjustments).decode(),
        cause.decode(),
        topic.decode(),
        int(partition),
        int(offset),
    )


def parse_override(row: bytes) -> OverrideRow:
    return msgspec.convert(_named(row, OverrideRow), OverrideRow, strict=False)


def parse_freeze(row: bytes) -> FreezeRow:
    return msgspec.convert(_named(row, FreezeRow), FreezeRow, strict=False)


def _named(row: bytes, row_type: type[msgspec.Struct]) -> dict[str, str | None]:
    values = (None if field == NULL else field.decode().replace("\\\\", "\\") for field in row.split(b"\t"))
    return dict(zip(row_type.__struct_fields__, values, strict=True))
