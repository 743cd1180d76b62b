"""What is kept of a product, and its compact form for recovery snapshots."""

from typing import Any

import msgspec

from pricing.decision import Adjustment, PriceSource, PriceUpdate
from pricing.engine import BASE_REASON
from pricing.events import CatalogueEntry, Freeze, PriceOverride
from pricing.guardrails import GUARDRAILS
from pricing.rules import RULES

FORMAT = 2
"""Version of the snapshot's layout. Raise it with every change, and teach `unpack` the previous one.

1: products. 2: each product's day and the price it began with; the shard's freezes."""

_USUAL_REASONS = {"base": BASE_REASON, **{name: reason for name, _, reason in (*RULES, *GUARDRAILS)}}


class ProductState(msgspec.Struct, gc=False):
    """State of one product.

    event_price: price of the last event, exact; None before the first. demand: weighted sum, valid at event
    time demand_time_ms. version: counts every change from 1; 0 while only the catalogue knows the product.
    price, previous_price: the last two prices decided, None where there was none. changed_at_ms: event time
    of the last change of price. event_time_ms, updated_at_ms: event and processing time of the last decision.
    day, day_open: the latest day of event time (UTC, since the epoch) and the price in force when it began, or
    its first. held: a freeze kept the price from changing since it was decided.
    """

    product_id: str
    event_price: float | None = None
    demand: float = 0.0
    demand_time_ms: int = 0
    version: int = 0
    price: float | None = None
    previous_price: float | None = None
    price_source: str = PriceSource.BASE
    changed_at_ms: int | None = None
    event_time_ms: int = 0
    updated_at_ms: int = 0
    policy: str = ""
    adjustments: list[Adjustment] = []
    override: PriceOverride | None = None
    catalogue: CatalogueEntry | None = None
    day: int = -1
    day_open: float | None = None
    held: bool = False

    def to_update(self) -> PriceUpdate | None:
        """The state as a message for readers; None where the product has no price."""
        if self.price is None:
            return None
        return PriceUpdate(
            self.product_id,
            self.price,
            self.event_time_ms // 1000,
            self.version,
            self.previous_price,
            self.demand,
            self.price_source,
            self.event_time_ms,
            self.policy,
            self.adjustments,
        )


class _Packed(msgspec.Struct, array_like=True, gc=False):
    """`ProductState` as an array. Reasons that the code knows by the rule's name are left out: snapshots are
    written every second, so bytes count."""

    product_id: str
    event_price: float | None
    demand: float
    demand_time_ms: int
    version: int
    price: float | None
    previous_price: float | None
    price_source: str
    changed_at_ms: int | None
    event_time_ms: int
    updated_at_ms: int
    policy: str
    adjustments: list[tuple[str, float, str | None]]
    override: PriceOverride | None
    catalogue: CatalogueEntry | None
    day: int = -1
    day_open: float | None = None
    held: bool = False


class ShardSnapshot(msgspec.Struct, array_like=True):
    """What a shard's snapshot holds. `lifted` are the scopes of freezes that have ended."""

    version: int
    products: list[msgspec.Raw]
    freezes: list[Freeze] = []
    lifted: list[str] = []


_encode = msgspec.msgpack.Encoder().encode
_decode_product = msgspec.msgpack.Decoder(_Packed).decode
_decode_document = msgspec.msgpack.Decoder(ShardSnapshot).decode


def pack_product(state: ProductState) -> msgspec.Raw:
    return msgspec.Raw(
        _encode(
            _Packed(
                state.product_id,
                state.event_price,
                state.demand,
                state.demand_time_ms,
                state.version,
                state.price,
                state.previous_price,
                state.price_source,
                state.changed_at_ms,
                state.event_time_ms,
                state.updated_at_ms,
                state.policy,
                [
                    (a.rule, a.amount, None if _USUAL_REASONS.get(a.rule) == a.reason else a.reason)
                    for a in state.adjustments
                ],
                state.override,
                state.catalogue,
                state.day,
                state.day_open,
                state.held,
            )
        )
    )


def unpack_product(packed: msgspec.Raw) -> ProductState:
    fields: dict[str, Any] = msgspec.structs.asdict(_decode_product(packed))
    fields["adjustments"] = [
        Adjustment(rule, amount, _USUAL_REASONS[rule] if reason is None else reason)
        for rule, amount, reason in fields["adjustments"]
    ]
    return ProductState(**fields)


def pack_shard(products: list[msgspec.Raw], freezes: list[Freeze], lifted: list[str]) -> bytes:
    return _encode(ShardSnapshot(FORMAT, products, freezes, lifted))


def unpack_shard(snapshot: bytes) -> ShardSnapshot:
    """What a snapshot holds. Raises ValueError for a layout that this version does not know."""
    document = _decode_document(snapshot)
    if not 1 <= document.version <= FORMAT:
        raise ValueError(f"recovery snapshot has format {document.version}, this version reads up to {FORMAT}")
    # A slice of the snapshot would keep all of it alive.
    document.products = [product.copy() for product in document.products]
    return document
