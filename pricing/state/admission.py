"""The bound on the number of products: signals that would make one too many are refused."""

from collections.abc import Container, Sequence

import msgspec.structs

from core.dead_letter import DeadLetter, ErrorCode
from core.positions import SourcePosition
from pricing.batches import Change, ChangeBatch
from pricing.catalogue import CatalogueChange
from pricing.commands import Freeze, PriceOverride
from pricing.external_events import ExternalEvent

STAGE = "price"
DETAIL = "the flow holds as many products as it may (PRODUCTS_MAX), and this is one more"


def admit_changes(batch: ChangeBatch, known: Container[str], room: int) -> tuple[ChangeBatch, list[DeadLetter]]:
    """The batch without changes of products beyond the room, and letters for those. known: the products that the
    shard has. room: the number of products that may be added. Only catalogue entries and overrides add a product;
    `price_events` admits events."""
    added: set[str] = set()
    kept: list[Change] = []
    letters: list[DeadLetter] = []
    for index, change in enumerate(batch.changes):
        product_id = _added_by(change)
        if product_id is None or product_id in known or product_id in added:
            kept.append(change)
        elif len(added) < room:
            added.add(product_id)
            kept.append(change)
        else:
            letters.append(
                refuse(SourcePosition(batch.topic, batch.partition, _offset_of(change)), batch.values, index)
            )
    return (msgspec.structs.replace(batch, changes=kept), letters) if letters else (batch, [])


def _added_by(change: Change) -> str | None:
    if isinstance(change, PriceOverride) or (isinstance(change, CatalogueChange) and change.entry is not None):
        return change.product_id
    return None


def _offset_of(change: Change) -> int:
    return change.position.offset if isinstance(change, PriceOverride | Freeze | ExternalEvent) else change.offset


def refuse(position: SourcePosition, values: Sequence[bytes | None], index: int) -> DeadLetter:
    """The letter for a signal that was refused. values: the messages of its batch. index: of its own."""
    raw = (values[index] if values else None) or b""
    return DeadLetter(ErrorCode.TOO_MANY_PRODUCTS, STAGE, DETAIL, position, raw)
