"""Prices, overrides and freezes in the history database: their tables and their rows.

A row of `price_history` is the update as published on `price-updates`, with its cause and position. The update is
encoded once for all sinks, and the database takes it apart."""

from functools import lru_cache

import msgspec

from core.positions import SourcePosition
from pricing.commands import Freeze, PriceOverride
from pricing.decision import PUBLISHED, Cause, FreezeChange, Priced, PriceDecision, PricedEvents
from pricing.signals import ShownSignals
from sinks.history.tables import Table, columns, encode_fields, escape

MINUTE_MS = 60_000
POSITION = ("source_topic", "source_partition", "source_offset")

PRICES = Table(
    b"P",
    "price_history",
    columns(
        product_id="text",
        price="price",
        demand="double",
        price_source="text",
        event_time="time",
        version="integer",
        policy="text",
        adjustments="json",
        cause="text",
        source_topic="text",
        source_partition="integer",
        source_offset="integer",
    ),
    # A restart may decide a product once more at the same position, and demand may decay in steps after one event.
    # Readers take the newest version.
    key=(
        *POSITION,
        "cause",
        "product_id",
        f"(CASE WHEN cause IN ('{Cause.RESTORED}', '{Cause.DECAYED}') THEN version ELSE 0 END)",
    ),
    document={
        "product_id": "product_id",
        "price": "new_price",
        "demand": "demand",
        "price_source": "price_source",
        "event_time": "event_time_ms",
        "version": "version",
        "policy": "policy",
        "adjustments": "adjustments",
    },
)

OVERRIDES = Table(
    b"O",
    "price_overrides",
    columns(
        product_id="text",
        override_price="price",
        reason="text",
        set_by="text",
        set_time="time",
        expires_time="time",
        removed_time="time",
        source_topic="text",
        source_partition="integer",
        source_offset="integer",
    ),
    key=POSITION,
    end="removed_time",
)

FREEZES = Table(
    b"F",
    "price_freezes",
    columns(
        scope="text",
        reason="text",
        set_by="text",
        set_time="time",
        lifted_time="time",
        source_topic="text",
        source_partition="integer",
        source_offset="integer",
    ),
    key=POSITION,
    end="lifted_time",
)

SIGNALS = Table(
    b"S",
    "signal_history",
    columns(
        product_id="text",
        at_time="time",
        stock="double",
        clicks_15m="integer",
        min_competitor_price="price",
    ),
    # The first values of a minute, at its beginning.
    key=("product_id", "at_time"),
)

TABLES = (PRICES, OVERRIDES, FREEZES, SIGNALS)
_PRICE, _OVERRIDE, _FREEZE, _SIGNALS = (table.tag + b"\t" for table in TABLES)

_encode_json = msgspec.json.Encoder().encode


def encode_history(priced: Priced) -> list[bytes]:
    """The rows of decisions and freezes that are history, in order."""
    rows = encode_events(priced.events) if priced.events else []
    for decision, update in zip(priced.decisions, priced.updates, strict=True):
        if decision.cause in PUBLISHED:
            rows += encode_rows(decision, update)
    for change in priced.freezes:
        rows += encode_freeze(change)
    rows += [encode_signals(shown) for shown in priced.signals if shown.is_recorded and shown.at_ms]
    return rows


def encode_events(events: PricedEvents) -> list[bytes]:
    """The rows of events' prices. They are those of `encode_price`, at a fifth of the cost.

    Nothing is escaped, because ids, numbers and the reasons of rules and guardrails have no backslash."""
    places = {each: _cause_and_partition(Cause.EVENT, events.topic, each) for each in set(events.partitions)}
    # All numbers in one call, then split: no number has a comma.
    offsets = _encode_json(events.offsets)[1:-1].split(b",")
    return [
        b"".join((_PRICE, update, places[partition], offset))
        for update, partition, offset in zip(events.updates, events.partitions, offsets, strict=True)
    ]


def encode_rows(decision: PriceDecision, update: bytes | None) -> list[bytes]:
    """The rows of a decision that is history: its price, and the overrides that it began and ended. update: the
    decision's update as JSON, None if the product has no price."""
    rows = []
    if update is not None:
        rows.append(encode_price(decision.position, decision.cause, update))
    if decision.cause == Cause.OVERRIDE_SET and decision.override is not None:
        rows.append(_encode_override(decision.override, None))
    if decision.ended is not None:
        rows.append(_encode_override(decision.ended.override, decision.ended.removed_at_ms))
    return rows


def encode_price(position: SourcePosition, cause: str, update: bytes) -> bytes:
    """A row of `price_history`. update: JSON of a `PriceUpdate`."""
    place = _cause_and_partition(cause, position.topic, position.partition)
    return _PRICE + escape(update) + place + b"%d" % position.offset


def encode_freeze(change: FreezeChange) -> list[bytes]:
    """The rows of a freeze that begins, ends or is replaced."""
    rows = []
    if change.freeze is not None:
        rows.append(_encode_freeze(change.freeze, None))
    if change.ended is not None:
        rows.append(_encode_freeze(change.ended, change.at_ms))
    return rows


def encode_signals(shown: ShownSignals) -> bytes:
    """A row of `signal_history`. The stock may be below 0."""
    stock = None if shown.stock is None else repr(float(shown.stock - shown.oversold))
    competitor = None if shown.min_competitor_price is None else repr(shown.min_competitor_price)
    minute_ms = shown.at_ms // MINUTE_MS * MINUTE_MS
    return _SIGNALS + encode_fields((shown.product_id, minute_ms, stock, shown.clicks_15m, competitor))


@lru_cache(maxsize=1024)
def _cause_and_partition(cause: str, topic: str, partition: int) -> bytes:
    return f"\t{cause}\t{topic}\t{partition}\t".encode()


def _encode_override(override: PriceOverride, removed_at_ms: int | None) -> bytes:
    return _OVERRIDE + encode_fields(
        (
            override.product_id,
            repr(override.override_price),
            override.reason,
            override.set_by,
            override.set_at_ms,
            override.expires_at_ms,
            removed_at_ms,
            *_position(override.position),
        )
    )


def _encode_freeze(freeze: Freeze, lifted_at_ms: int | None) -> bytes:
    start = (freeze.scope, freeze.reason, freeze.set_by, freeze.set_at_ms, lifted_at_ms)
    return _FREEZE + encode_fields((*start, *_position(freeze.position)))


def _position(position: SourcePosition) -> tuple[str, int, int]:
    return position.topic, position.partition, position.offset
