"""The replay after a start: what was applied since the snapshot, until all messages of before are read again."""

from collections.abc import Mapping

from core.positions import SourcePosition
from pricing.batches import Change, ChangeBatch, EventBatch
from pricing.catalogue import CatalogueChange
from pricing.commands import Freeze, FreezeLift, PriceOverride
from pricing.state.product import ProductState


class Replay:
    """The products that changed since the snapshot. Belongs to the thread of its shard, which notes every batch
    before it applies it.

    at_snapshot: product to its version in the snapshot, 0 if it was not there. catalogued: product that a catalogue
    message has touched to the position of the newest message that was applied to it."""

    def __init__(self) -> None:
        self.at_snapshot: dict[str, int] = {}
        self.catalogued: dict[str, SourcePosition] = {}

    def note_events(self, batch: EventBatch, products: Mapping[str, ProductState]) -> None:
        """Note a batch of events. products: the states before it."""
        at_snapshot, catalogued = self.at_snapshot, self.catalogued
        for offset, event in zip(batch.offsets, batch.events, strict=True):
            product_id = event.product_id
            if product_id not in at_snapshot:
                state = products.get(product_id)
                at_snapshot[product_id] = state.version if state else 0
            if product_id in catalogued:
                catalogued[product_id] = SourcePosition(batch.topic, batch.partition, offset)

    def note_change(self, batch: ChangeBatch, change: Change, state: ProductState | None) -> None:
        """Note a change of one product. state: the product's before it."""
        assert not isinstance(change, Freeze | FreezeLift)
        product_id = change.product_id
        self.at_snapshot.setdefault(product_id, state.version if state else 0)
        if isinstance(change, CatalogueChange) and (state is not None or change.entry is not None):
            self.catalogued[product_id] = SourcePosition(batch.topic, batch.partition, change.offset)
        elif product_id in self.catalogued:
            offset = change.position.offset if isinstance(change, PriceOverride) else change.offset
            self.catalogued[product_id] = SourcePosition(batch.topic, batch.partition, offset)
