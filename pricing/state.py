"""What is kept of a product, and its compact form for recovery snapshots."""

from typing import Any

import msgspec

from pricing.decision import Adjustment, PriceSource, PriceUpdate
from pricing.engine import BASE_REASON
from pricing.events import CatalogueEntry, PriceOverride
from pricing.guardrails import GUARDRAILS
from pricing.rules import RULES

FORMAT = 1
"""Version of the snapshot's layout. Raise it with every change, and teach `unpack` the previous one."""

_USUAL_REASONS = {"base": BASE_REASON, **{name: reason for name, _, reason in (*RULES, *GUARDRAILS)}}


class ProductState(msgspec.Struct, gc=False):
    """State of one product.

    event_price: price of the last event, exact; None before the first. demand: weighted sum, valid at event
    time demand_time_ms. version: counts every change from 1; 0 while only the catalogue knows the product.
    price, previous_price: the last two prices decided, None where there was none. changed_at_ms: event time
    of the last change of price. event_time_ms, updated_at_ms: event and processing time of the last decision.
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


_encode = msgspec.msgpack.Encoder().encode
_decode_product = msgspec.msgpack.Decoder(_Packed).decode
_decode_document = msgspec.msgpack.Decoder(tuple[int, list[msgspec.Raw]]).decode


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


def pack_shard(products: list[msgspec.Raw]) -> bytes:
    return _encode((FORMAT, products))


def unpack_shard(snapshot: bytes) -> list[msgspec.Raw]:
    """The packed products of a snapshot. Raises ValueError for a layout that this version does not know."""
    version, products = _decode_document(snapshot)
    if version != FORMAT:
        raise ValueError(f"recovery snapshot has format {version}, this version reads format {FORMAT}")
    # A slice of the snapshot would keep all of it alive.
    return [product.copy() for product in products]
