"""What is kept of a product, and its compact form for recovery snapshots."""

from collections.abc import Mapping

import msgspec
import msgspec.structs

from pricing.catalogue import CatalogueEntry
from pricing.commands import Freeze, PriceOverride
from pricing.decision import Adjustment, PriceSource, PriceUpdate
from pricing.engine import BASE_REASON
from pricing.guardrails import GUARDRAILS
from pricing.rules import RULES

FORMAT = 4
"""Version of the snapshot's layout. Raise it with every change, and teach `unpack_shard` the previous one.

1: products. 2: each product's day and the price it began with; the shard's freezes. 3: products by their id, as a
document may hold those that changed. 4: adjustments with all their fields."""

_USUAL_REASONS = {"base": BASE_REASON, **{name: reason for name, _, reason in (*RULES, *GUARDRAILS)}}


class ProductState(msgspec.Struct, array_like=True, gc=False):
    """State of one product. In snapshots an array: every product that changed is in one every second, so bytes and
    the steps to them count.

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


class _Packed(ProductState, array_like=True, gc=False):
    """Up to format 3, an adjustment was rule, amount and reason, without the reasons that the code knows."""

    adjustments: list[Adjustment | tuple[str, float, str | None]] = []  # type: ignore[assignment]


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


def unpack_product(packed: msgspec.Raw) -> ProductState:
    state = _decode_product(packed)
    state.price_source, state.policy = _share(state.price_source), _share(state.policy)
    state.adjustments = [_unpack_adjustment(adjustment) for adjustment in state.adjustments]
    return ProductState(*msgspec.structs.astuple(state))


def _unpack_adjustment(packed: Adjustment | tuple[str, float, str | None]) -> Adjustment:
    if isinstance(packed, Adjustment):
        return Adjustment(_share(packed.rule), packed.amount, _share(packed.reason))
    rule, amount, reason = packed
    return Adjustment(_share(rule), amount, _USUAL_REASONS[rule] if reason is None else reason)


def pack_shard(products: Mapping[str, ProductState | None], freezes: list[Freeze], lifted: list[str]) -> bytes:
    """A document of these products; None is one that is no more."""
    # As a tuple, since `ShardDocument` has products as they are read: packed.
    return _encode((FORMAT, products, freezes, lifted))


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
