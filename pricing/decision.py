"""What pricing says: a price, where it came from, and the amounts that add up to it."""

from collections.abc import Sequence
from typing import Final

import msgspec

from core.positions import SourcePosition
from pricing.catalogue import CatalogueEntry
from pricing.commands import Freeze, PriceOverride


class PriceSource:
    """Where a price comes from. Plain strings: they are compared and hashed for every event."""

    BASE: Final = "base"
    DYNAMIC: Final = "dynamic"
    OVERRIDE: Final = "override"


class Cause:
    """Why a decision was made. The first five are published and kept as history; the rest only refresh the
    latest state: an event under an active override or freeze, a catalogue change, the refilling of a store. A
    repeat is published, and is no history: see `Shard.repeat`."""

    EVENT: Final = "event"
    OVERRIDE_SET: Final = "override_set"
    OVERRIDE_REMOVED: Final = "override_removed"
    OVERRIDE_EXPIRED: Final = "override_expired"
    FREEZE_LIFTED: Final = "freeze_lifted"
    UNDER_OVERRIDE: Final = "under_override"
    CATALOGUE: Final = "catalogue"
    UNDER_FREEZE: Final = "under_freeze"
    REPEAT: Final = "repeat"
    REFILL: Final = "refill"


PUBLISHED = frozenset(
    {Cause.EVENT, Cause.OVERRIDE_SET, Cause.OVERRIDE_REMOVED, Cause.OVERRIDE_EXPIRED, Cause.FREEZE_LIFTED}
)


class Adjustment(msgspec.Struct, frozen=True, gc=False):
    """One amount of a price, in the currency: what a rule or a guardrail added, and why."""

    rule: str
    amount: float
    reason: str


class PriceUpdate(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="price_update"):
    """The message on `price-updates`, field by field. `timestamp` is `event_time_ms` in whole seconds."""

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


class OverrideEnd(msgspec.Struct, frozen=True, gc=False):
    """`override` stopped being the active one at `removed_at_ms`: removed, expired or replaced."""

    override: PriceOverride
    removed_at_ms: int


class PriceDecision(msgspec.Struct, frozen=True, gc=False):
    """An update with what the sinks need beside it.

    `update` is None where the product has no price any more (an override ended on a product that neither an
    event nor the catalogue knows): the latest price is then withdrawn. `override` is the one active after
    the decision, `ended` the one that the decision ended. `catalogue` is set where it changed (`forgotten`
    where it was removed). `updated_at_ms` is the processing time, `day_open` the price that the product's day
    began with.
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


class PricedEvents(msgspec.Struct, gc=False):
    """Decisions for events of one topic partition, each field a list with one entry an event. Nearly all decisions
    are such, and a `PriceDecision` for each would cost as much again as to make them.

    offsets: of the events, ascending. keys: product ids, UTF-8. updates: as they go on the wire, encoded while they
    are at hand. day_opens, updated_at_ms: as in `PriceDecision`."""

    topic: str
    partition: int
    updated_at_ms: int
    offsets: list[int]
    keys: list[bytes]
    updates: list[bytes]
    day_opens: list[float | None]


class FreezeChange(msgspec.Struct, frozen=True, gc=False):
    """A freeze began, ended or was replaced. `freeze` is the one in force in `scope` after it, `ended` the one
    that it ended, at `at_ms`."""

    scope: str
    freeze: Freeze | None
    ended: Freeze | None
    at_ms: int


_encode_json = msgspec.json.Encoder().encode


def encode_update(update: PriceUpdate) -> bytes:
    """The update as it goes on the wire: compact JSON, fields in the order of the contract."""
    return _encode_json(update)


class Priced(msgspec.Struct, gc=False):
    """The result of pricing one batch of a shard: what every sink encodes its rows from.

    decisions: in order; `updates` has the update of each as it goes on the wire, None where there is none. events:
    the prices of events, which are of other products than the decisions. kafka_time_ms: Kafka's time stamp of the
    first message that they come from, 0 for a timer's."""

    decisions: list[PriceDecision]
    updates: list[bytes | None]
    kafka_time_ms: int
    freezes: list[FreezeChange]
    events: PricedEvents | None = None


def to_priced(
    decisions: list[PriceDecision],
    *,
    kafka_time_ms: int = 0,
    freezes: Sequence[FreezeChange] = (),
    events: PricedEvents | None = None,
) -> Priced:
    """Encodes every update once, for all sinks."""
    updates = [None if decision.update is None else encode_update(decision.update) for decision in decisions]
    return Priced(decisions, updates, kafka_time_ms, list(freezes), events)
