"""The documents that hold a shard's state in the recovery store."""

from collections.abc import Mapping
from unicodedata import is_normalized, normalize

import msgspec
import msgspec.structs

from core.positions import SourcePosition
from pricing.commands import Freeze
from pricing.decision import Adjustment
from pricing.engine import BASE_REASON
from pricing.external_events import ExternalEvent
from pricing.guardrails import GUARDRAILS
from pricing.rules import RULES, SURGE
from pricing.state.forgetting import Withdrawal
from pricing.state.product import ProductState

FORMAT = 9
"""Version of the documents' layout. With every change of the layout, increase it and let `unpack_shard` read the
previous one too.

1: products. 2: each product's day and the price it began with; the shard's freezes. 3: products by their id,
because a document may hold only those that changed. 4: adjustments with all their fields.
5: the event time of each product's base price; the end of its last override; products to decide once more;
what is announced about products to forget. 6: forgotten products.
7: signals of stock, clicks and competitors; the shard's event time. 8: decay of demand by time.
9: forecasts, supply, external events."""

_USUAL_REASONS = {"base": BASE_REASON, **{name: reason for name, _, reason in (*RULES, *GUARDRAILS)}}


class _Packed(ProductState, array_like=True, gc=False):
    """A product in any format. Up to format 3, an adjustment was rule, amount and reason; a reason that the code
    knows was None."""

    adjustments: list[Adjustment | tuple[str, float, str | None]] = msgspec.field(  # type: ignore[assignment]
        default_factory=list
    )


class ShardDocument(msgspec.Struct, array_like=True):
    """A document of a shard: all of it, or its changes. A later document's products replace those of an earlier
    one, and its freezes replace all earlier freezes.

    products: by id; `GONE` for a removed product. lifted: scopes of freezes that have ended. settled: number of the
    last execution that has decided all products that were due (`pricing/state/replay.py`). unsettled: those of the
    document's products that are due, with the topic, partition and offset of the newest message applied to them.
    version_base, forget_before_ms: as in `Forgetting` (`pricing/state/forgetting.py`). forgotten: of the document's
    products, those that were forgotten. newest_ms: of `EventClock`.
    external: the shard's external events; None if they are those of the document before."""

    version: int
    products: dict[str, msgspec.Raw]
    freezes: list[Freeze] = []
    lifted: list[str] = []
    settled: int = 0
    unsettled: dict[str, tuple[str, int, int]] = {}
    version_base: int = 0
    forget_before_ms: int = 0
    forgotten: dict[str, Withdrawal] = {}
    newest_ms: int = 0
    external: list[ExternalEvent] | None = None


class _Head(msgspec.Struct, array_like=True):
    """The beginning of a document of any format."""

    version: int


class _ListDocument(msgspec.Struct, array_like=True):
    """`ShardDocument` of formats 1 and 2: always all products."""

    version: int
    products: list[msgspec.Raw]
    freezes: list[Freeze] = []
    lifted: list[str] = []


GONE = msgspec.Raw(b"\xc0")
"""A removed product: MessagePack's nil."""

_shared: dict[str, str] = {}

_encode = msgspec.msgpack.Encoder().encode
_decode_product = msgspec.msgpack.Decoder(_Packed).decode
_decode_head = msgspec.msgpack.Decoder(_Head).decode
_decode_document = msgspec.msgpack.Decoder(ShardDocument).decode
_decode_list = msgspec.msgpack.Decoder(_ListDocument).decode


def _share(text: str) -> str:
    """One string object for all equal texts: there are few texts, but a million products hold them."""
    return _shared.setdefault(text, text)


def unpack_product(packed: msgspec.Raw) -> ProductState:
    """The state of a product from its part of a document of any format."""
    state = _decode_product(packed)
    state.price_source, state.policy = _share(state.price_source), _share(state.policy)
    if state.catalogue is not None and not is_normalized("NFC", state.catalogue.category):
        # Of a version that kept texts as they came. Filters and freezes compare them in NFC.
        normal = {name: normalize("NFC", getattr(state.catalogue, name)) for name in ("name", "category")}
        state.catalogue = msgspec.structs.replace(state.catalogue, **normal)
    state.adjustments = [_unpack_adjustment(adjustment) for adjustment in state.adjustments]
    return ProductState(*msgspec.structs.astuple(state))


def _unpack_adjustment(packed: Adjustment | tuple[str, float, str | None]) -> Adjustment:
    if isinstance(packed, Adjustment):
        # Reasons of a surge have numbers, so there are too many to share.
        text = packed.reason if packed.rule == SURGE else _share(packed.reason)
        return Adjustment(_share(packed.rule), packed.amount, text)
    rule, amount, reason = packed
    return Adjustment(_share(rule), amount, _USUAL_REASONS[rule] if reason is None else reason)


def pack_shard(
    products: Mapping[str, ProductState | None],
    freezes: list[Freeze],
    lifted: list[str],
    settled: int,
    unsettled: Mapping[str, SourcePosition],
    *,
    version_base: int,
    forget_before_ms: int,
    forgotten: Mapping[str, Withdrawal],
    newest_ms: int = 0,
    external: list[ExternalEvent] | None = None,
) -> bytes:
    """A document, in MessagePack: the fields of `ShardDocument`. A product that is None was removed."""
    positions = {name: (at.topic, at.partition, at.offset) for name, at in unsettled.items()}
    # A tuple, because a `ShardDocument` takes products that are encoded already.
    announced = version_base, forget_before_ms, forgotten, newest_ms, external
    return _encode((FORMAT, products, freezes, lifted, settled, positions, *announced))


def unpack_shard(document: bytes) -> ShardDocument:
    """The content of a document of any known format. Raises ValueError for a newer format."""
    version = _decode_head(document).version
    if not 1 <= version <= FORMAT:
        raise ValueError(f"recovery snapshot has format {version}, this version reads up to {FORMAT}")
    if version >= 3:
        return _in_nfc(_decode_document(document))
    listed = _decode_list(document)
    products: dict[str, msgspec.Raw] = {_decode_product(packed).product_id: packed for packed in listed.products}
    return _in_nfc(ShardDocument(version, products, listed.freezes, listed.lifted))


def _in_nfc(document: ShardDocument) -> ShardDocument:
    """The document with scopes of freezes in NFC: an earlier version kept texts as they came."""
    scopes = [freeze.scope for freeze in document.freezes] + document.lifted
    if not all(is_normalized("NFC", scope) for scope in scopes):
        document.freezes = [
            msgspec.structs.replace(freeze, scope=normalize("NFC", freeze.scope)) for freeze in document.freezes
        ]
        document.lifted = [normalize("NFC", scope) for scope in document.lifted]
    return document
