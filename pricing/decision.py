"""Decisions: a price, its source, and the amounts that add up to it."""

from collections.abc import Sequence
from typing import Final

import msgspec

from core.dead_letter import DeadLetter
from core.positions import SourcePosition
from pricing.catalogue import CatalogueEntry
from pricing.commands import Freeze, PriceOverride
from pricing.signals import ShownSignals


class PriceSource:
    """The sources of a price. Plain strings, because every event compares and hashes them."""

    BASE: Final = "base"
    DYNAMIC: Final = "dynamic"
    OVERRIDE: Final = "override"


class Cause:
    """The causes of a decision.

    Decisions of the first causes, up to `hour`, are published and kept as history (`PUBLISHED`). A repeat is
    published but is not history: see `Shard.repeat`. The other causes only refresh the latest state: an event under
    an active override or freeze, a late event that only counts, a catalogue message that changes no price
    (`described`), an override that the tombstone of an earlier one does not end (`kept`), the refilling of a
    store."""

    EVENT: Final = "event"
    OVERRIDE_SET: Final = "override_set"
    OVERRIDE_REMOVED: Final = "override_removed"
    OVERRIDE_EXPIRED: Final = "override_expired"
    FREEZE_LIFTED: Final = "freeze_lifted"
    CORRECTED: Final = "corrected"
    CATALOGUE: Final = "catalogue"
    RESTORED: Final = "restored"
    FORGOTTEN: Final = "forgotten"
    STOCK: Final = "stock"
    CLICKS: Final = "clicks"
    COMPETITOR: Final = "competitor"
    COOLED: Final = "cooled"
    STALE: Final = "stale"
    DECAYED: Final = "decayed"
    FORECAST: Final = "forecast"
    SUPPLY: Final = "supply"
    EXTERNAL: Final = "external"
    EXTERNAL_STARTED: Final = "external_started"
    EXTERNAL_ENDED: Final = "external_ended"
    HOUR: Final = "hour"
    UNDER_OVERRIDE: Final = "under_override"
    DESCRIBED: Final = "described"
    UNDER_FREEZE: Final = "under_freeze"
    LATE: Final = "late"
    KEPT: Final = "kept"
    NEVER_IN_FORCE: Final = "never_in_force"
    REPEAT: Final = "repeat"
    REFILL: Final = "refill"


PUBLISHED = frozenset(
    {
        Cause.EVENT,
        Cause.OVERRIDE_SET,
        Cause.OVERRIDE_REMOVED,
        Cause.OVERRIDE_EXPIRED,
        Cause.FREEZE_LIFTED,
        Cause.CORRECTED,
        Cause.CATALOGUE,
        Cause.RESTORED,
        Cause.FORGOTTEN,
        Cause.STOCK,
        Cause.CLICKS,
        Cause.COMPETITOR,
        Cause.COOLED,
        Cause.STALE,
        Cause.DECAYED,
        Cause.FORECAST,
        Cause.SUPPLY,
        Cause.EXTERNAL,
        Cause.EXTERNAL_STARTED,
        Cause.EXTERNAL_ENDED,
        Cause.HOUR,
    }
)
"""Causes of the decisions that are published on `price-updates` and kept as history."""


class Adjustment(msgspec.Struct, frozen=True, gc=False):
    """One amount of a price, in the currency. `rule` is the rule or guardrail that added it, `reason` the text that
    an analyst reads."""

    rule: str
    amount: float
    reason: str


class PriceUpdate(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="price_update"):
    """The message on `price-updates`, field by field. `timestamp` is `event_time_ms` in whole seconds. `policy` is
    the version of the policy."""

    product_id: str
    new_price: float
    timestamp: int
    version: int
    previous_price: float | None
    demand: float
    price_source: str
    event_time_ms: int
    policy: str
    adjustments: list[Adjustment]


class PriceWithdrawn(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="price_withdrawn"):
    """The message on `price-updates` for a product that has no price any more. `timestamp` is `event_time_ms` in
    whole seconds."""

    product_id: str
    timestamp: int
    version: int
    previous_price: float | None
    event_time_ms: int


class OverrideEnd(msgspec.Struct, frozen=True, gc=False):
    """The end of an override, at `removed_at_ms`: it was removed or replaced, or it expired."""

    override: PriceOverride
    removed_at_ms: int


class PriceDecision(msgspec.Struct, frozen=True, gc=False):
    """An update, and the facts that the sinks need with it.

    update: None if the product has no price any more. Sinks then withdraw its latest price. This happens if its
    catalogue entry is removed before any event, or if an override ends on a product that neither an event nor the
    catalogue knows. override: active after the decision. ended: the override that the decision ended. catalogue:
    set if the entry changed. forgotten: the entry was removed. updated_at_ms: processing time. day_open: the price
    at the beginning of the product's day. withdrawn: the message for readers, if the decision took the price away.
    is_over: the decision set an override that had ended before it was read. It is history, but no reader sees it.
    """

    product_id: str
    version: int
    update: PriceUpdate | None
    cause: str
    position: SourcePosition
    updated_at_ms: int
    day_open: float | None = None
    override: PriceOverride | None = None
    ended: OverrideEnd | None = None
    catalogue: CatalogueEntry | None = None
    forgotten: bool = False
    withdrawn: PriceWithdrawn | None = None
    is_over: bool = False


class PricedEvents(msgspec.Struct, gc=False):
    """Decisions for events of one topic. Each list has one entry for each event.

    Nearly all decisions are of this kind. A `PriceDecision` for each would double the cost of making them. offsets:
    of the events, those of each partition ascending. keys: product ids, UTF-8. updates: each as JSON of a
    `PriceUpdate`. day_opens, updated_at_ms: as in `PriceDecision`."""

    topic: str
    partitions: list[int]
    updated_at_ms: int
    offsets: list[int]
    keys: list[bytes]
    updates: list[bytes]
    day_opens: list[float | None]


class FreezeChange(msgspec.Struct, frozen=True, gc=False):
    """The start, end or replacement of a freeze. `freeze` is in force in `scope` after it (None if it ended).
    `ended` is the freeze that it ended at `at_ms`."""

    scope: str
    freeze: Freeze | None
    ended: Freeze | None
    at_ms: int


_encode_json = msgspec.json.Encoder().encode


def encode_update(update: PriceUpdate | PriceWithdrawn) -> bytes:
    """The message of an update: compact JSON, fields in the order of the contract."""
    return _encode_json(update)


class Priced(msgspec.Struct, gc=False):
    """The result of pricing one batch of a shard. Every sink encodes its rows from it.

    decisions: in order. updates: the update of each decision as JSON, None if it has none. events: prices of
    events; a decision for one of their products, if there is one, is newer. kafka_time_ms: Kafka's time stamp of
    the first message behind the result, 0 if a timer made it. dead_letters: of messages that were refused. signals:
    of products whose stock, clicks or competitors changed."""

    decisions: list[PriceDecision]
    updates: list[bytes | None]
    kafka_time_ms: int
    freezes: list[FreezeChange]
    events: PricedEvents | None = None
    dead_letters: Sequence[DeadLetter] = ()
    signals: Sequence[ShownSignals] = ()


def to_priced(
    decisions: list[PriceDecision],
    *,
    kafka_time_ms: int = 0,
    freezes: Sequence[FreezeChange] = (),
    events: PricedEvents | None = None,
    dead_letters: Sequence[DeadLetter] = (),
    signals: Sequence[ShownSignals] = (),
) -> Priced:
    """A `Priced` of these decisions. Encodes every update once, for all sinks."""
    updates = [None if decision.update is None else encode_update(decision.update) for decision in decisions]
    return Priced(decisions, updates, kafka_time_ms, list(freezes), events, dead_letters, signals)
