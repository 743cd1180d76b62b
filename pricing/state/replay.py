"""The replay after a start: what was applied since the snapshot, until all messages of before are read again.

The products to decide once more are part of every snapshot. An example: an execution reads all messages again in
one epoch, which is committed, decides in the next one, and is killed before that one is committed. The next
execution reads none of those messages, but readers have the versions that the first one decided."""

from core.positions import SourcePosition
from pricing.batches import Change, ChangeBatch, Shared
from pricing.catalogue import CatalogueChange
from pricing.commands import PriceOverride
from pricing.state.product import ProductState

VERSION_LIFT = 1_000_000
"""The most versions of a product that one execution can publish before it settles."""


def lift_of(execution: int, settled: int) -> int:
    """The number to add to a version of the snapshot, to be above every version that can have been published since.

    execution: number of this execution, from 0. settled: the last one whose settling is in the snapshot. Each
    execution between them may have settled without a commit, with a lift that is less by `VERSION_LIFT` or more."""
    return VERSION_LIFT * max(1, execution - settled)


class Replay:
    """The products that changed since the snapshot. Belongs to the thread of its shard, which notes every signal
    before it applies it.

    version_base: the version of a product before its first change. at_snapshot: product to its version in the
    snapshot, the base if it was not there. catalogued: product that a catalogue message, a signal of its own, an
    external event, or time alone has touched, to the position of the newest message that was applied to it. It
    begins with those that the execution before did not settle."""

    def __init__(self, version_base: int = 0) -> None:
        self._version_base = version_base
        self.at_snapshot: dict[str, int] = {}
        self.catalogued: dict[str, SourcePosition] = {}

    def restore(self, state: ProductState, position: SourcePosition) -> None:
        """Note a product that the snapshot has as not settled."""
        self.at_snapshot[state.product_id] = state.version
        self.catalogued[state.product_id] = position

    def note_event(self, state: ProductState, position: SourcePosition) -> None:
        """Note an event of a product. state: the one before it."""
        self.at_snapshot.setdefault(state.product_id, state.version)
        if state.product_id in self.catalogued:
            self.catalogued[state.product_id] = position

    def note_signal(self, product_id: str, state: ProductState | None, position: SourcePosition) -> None:
        """Note a signal of the product, an external event, or time that ran out. state: the product's before it."""
        self.at_snapshot.setdefault(product_id, state.version if state else self._version_base)
        self.catalogued[product_id] = position

    def note_change(self, batch: ChangeBatch, change: Change, state: ProductState | None) -> None:
        """Note a change of one product. state: the product's before it."""
        assert not isinstance(change, Shared)
        product_id = change.product_id
        self.at_snapshot.setdefault(product_id, state.version if state else self._version_base)
        if isinstance(change, CatalogueChange) and (state is not None or change.entry is not None):
            self.catalogued[product_id] = SourcePosition(batch.topic, batch.partition, change.offset)
        elif product_id in self.catalogued:
            offset = change.position.offset if isinstance(change, PriceOverride) else change.offset
            self.catalogued[product_id] = SourcePosition(batch.topic, batch.partition, offset)
