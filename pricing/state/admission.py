"""The bound on the number of products: signals that would make one too many are refused."""

from collections.abc import Container, Sequence

import msgspec.structs

from core.dead_letter import DeadLetter, ErrorCode
from core.positions import SourcePosition
from pricing.batches import Batch, Change, ChangeBatch, EventBatch
from pricing.catalogue import CatalogueChange
from pricing.commands import PriceOverride

STAGE = "price"
DETAIL = "the flow holds as many products as it may (PRODUCTS_MAX), and this is one more"


def admit_events(batch: EventBatch, known: Container[str], room: int) -> tuple[EventBatch, list[DeadLetter]]:
    """The batch without events of products beyond the room, and letters for those. known: the products that the
    shard has. room: the number of products that may be added."""
    added: set[str] = set()
    kept, refused = [], []
    for index, event in enumerate(batch.events):
        is_new = event.product_id not in known and event.product_id not in added
        if is_new and len(added) >= room:
            refused.append(index)
        else:
            kept.append(index)
            if is_new:
                added.add(event.product_id)
    if not refused:
        return batch, []
    letters = [_letter(batch, batch.offsets[index], index) for index in refused]
    return msgspec.structs.replace(
        batch,
        offsets=[batch.offsets[index] for index in kept],
        keys=[batch.keys[index] for index in kept],
        events=[batch.events[index] for index in kept],
        values=[batch.values[index] for index in kept] if batch.values else (),
    ), letters


def admit_changes(batch: ChangeBatch, known: Container[str], room: int) -> tuple[ChangeBatch, list[DeadLetter]]:
    """As `admit_events`, for catalogue entries and overrides. No other change adds a product."""
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
            letters.append(_letter(batch, _offset_of(change), index))
    return (msgspec.structs.replace(batch, changes=kept), letters) if letters else (batch, [])


def _added_by(change: Change) -> str | None:
    if isinstance(change, PriceOverride) or (isinstance(change, CatalogueChange) and change.entry is not None):
        return change.product_id
    return None


def _offset_of(change: Change) -> int:
    return change.position.offset if isinstance(change, PriceOverride) else change.offset  # type: ignore[union-attr]


def _letter(batch: Batch, offset: int, index: int) -> DeadLetter:
    values: Sequence[bytes | None] = batch.values
    raw = (values[index] if values else None) or b""
    position = SourcePosition(batch.topic, batch.partition, offset)
    return DeadLetter(ErrorCode.TOO_MANY_PRODUCTS, STAGE, DETAIL, position, raw)
