"""What is kept of a product, and its compact form for recovery snapshots."""

import msgspec

from pricing.decision import Adjustment, PriceSource, PriceUpdate
from pricing.engine import BASE_REASON
from pricing.events import CatalogueEntry, Freeze, PriceOverride
from pricing.guardrails import GUARDRAILS
from pricing.rules import RULES

FORMAT = 3
"""Version of the snapshot's layout. Raise it with every change, and teach `unpack_shard` the previous one.

1: products. 2: each product's day and the price it began with; the shard's freezes. 3: products by their id, as a
document may hold those that changed."""

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


class ShardDocument(msgspec.Struct, array_like=True):
    """What is written of a shard: all of it, or what changed. Where there are several, a later one's products take
    the place of an earlier one's, and its freezes that of all before.

    products: by id; `GONE` for one that is no more. lifted: scopes of freezes that have ended."""

    version: int
    products: dict[str, msgspec.Raw]
    freezes: list[Freeze] = []
    lifted: list[str] = []


class _Head(msgspec.Struct, array_like=True):
    """What documents of all formats begin with."""

    version: int


class _ListDocument(msgspec.Struct, array_like=True):
    """`ShardDocument` of formats 1 and 2: always all products."""

    version: int
    products: list[msgspec.Raw]
    freezes: list[Freeze] = []
    lifted: list[str] = []


GONE = msgspec.Raw(b"\xc0")  # MessagePack's nil.

_shared: dict[str, str] = {}

_encode = msgspec.msgpack.Encoder().encode
_decode_product = msgspec.msgpack.Decoder(_Packed).decode
_decode_head = msgspec.msgpack.Decoder(_Head).decode
_decode_document = msgspec.msgpack.Decoder(ShardDocument).decode
_decode_list = msgspec.msgpack.Decoder(_ListDocument).decode


def _share(text: str) -> str:
    """One string for all that are equal: of these there are few, and a million products."""
    return _shared.setdefault(text, text)


def pack_product(state: ProductState) -> msgspec.Raw:
    # A tuple in the order of `_Packed`: every product that changed passes here at every snapshot.
    return msgspec.Raw(
        _encode(
            (
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
    fields = _decode_product(packed)
    return ProductState(
        fields.product_id,
        fields.event_price,
        fields.demand,
        fields.demand_time_ms,
        fields.version,
        fields.price,
        fields.previous_price,
        _share(fields.price_source),
        fields.changed_at_ms,
        fields.event_time_ms,
        fields.updated_at_ms,
        _share(fields.policy),
        [
            Adjustment(_share(rule), amount, _USUAL_REASONS[rule] if reason is None else reason)
            for rule, amount, reason in fields.adjustments
        ],
        fields.override,
        fields.catalogue,
        fields.day,
        fields.day_open,
        fields.held,
    )


def pack_shard(products: dict[str, msgspec.Raw], freezes: list[Freeze], lifted: list[str]) -> bytes:
    return _encode(ShardDocument(FORMAT, products, freezes, lifted))


def unpack_shard(document: bytes) -> ShardDocument:
    """What a document holds. Raises ValueError for a layout that this version does not know."""
    version = _decode_head(document).version
    if not 1 <= version <= FORMAT:
        raise ValueError(f"recovery snapshot has format {version}, this version reads up to {FORMAT}")
    if version >= 3:
        return _decode_document(document)
    listed = _decode_list(document)
    products: dict[str, msgspec.Raw] = {_decode_product(packed).product_id: packed for packed in listed.products}
    return ShardDocument(version, products, listed.freezes, listed.lifted)
