"""Products that are forgotten: no signal of theirs came for a long time, and nothing else holds them.

It takes two steps, and the first is committed before the second. The first announces the products that are due, by
the time of their last change. The second forgets those that are still due. So an execution that follows a crash
knows every product whose price may have been withdrawn for readers although its snapshot still has it.

Readers drop an update that is not newer. So a product that comes back counts versions from above those of all
products that were forgotten. This base is announced too, and holds from the snapshot on: an execution that begins
there gives new products the same versions.

A store that was away, or comes back with older data, may still show a product that is forgotten. So the ids of
forgotten products are kept for a month, and a refill withdraws their prices again."""

from collections.abc import Iterable

from core.positions import NO_POSITION
from core.timestamps import DAY_MS
from pricing.decision import Cause, PriceDecision
from pricing.state.product import ProductState

KEPT_MS = 30 * DAY_MS
"""Time for which the id of a forgotten product is kept, in milliseconds."""

Withdrawal = tuple[int, int]
"""Version and processing time (UTC milliseconds) at which the price of a forgotten product was withdrawn."""


class Forgetting:
    """The announcement of one shard, and the products that it has forgotten. Belongs to its thread.

    before_ms: products that did not change since this time are forgotten next, UTC milliseconds; 0 if nothing is
    announced. version_base: no product that was forgotten, or is next, has a higher version. forgotten: by product
    id; one that has come back may be among them. dirty: it changed since the last snapshot."""

    def __init__(self) -> None:
        self.before_ms = 0
        self.version_base = 0
        self.forgotten: dict[str, Withdrawal] = {}
        self.dirty = False

    def restore(self, before_ms: int, version_base: int) -> None:
        """Set the announcement to that of a snapshot."""
        self.before_ms, self.version_base = before_ms, version_base

    def is_due(self, state: ProductState) -> bool:
        """True if the product was announced and may still be forgotten, a freeze aside. Processing time and event
        time of its last change must both be old, because a clock may have been wrong."""
        signals = state.signals
        return (
            state.updated_at_ms < self.before_ms
            and state.event_time_ms < self.before_ms
            and state.catalogue is None
            and state.override is None
            and (signals is None or max(signals.updated_at_ms, signals.newest_ms) < self.before_ms)
        )

    def announce(self, products: Iterable[ProductState], before_ms: int) -> None:
        """Announce those of these products that did not change since `before_ms`, if there are any."""
        announced, self.before_ms = self.before_ms, before_ms
        due = [state.version for state in products if self.is_due(state)]
        if not due:
            self.before_ms = 0
        self.version_base = max([self.version_base, *(version + 1 for version in due)])
        self.dirty = self.dirty or self.before_ms != announced

    def clear(self) -> None:
        """Take back what was announced."""
        self.dirty = self.dirty or self.before_ms != 0
        self.before_ms = 0

    def withdraw(self, state: ProductState, now_ms: int) -> PriceDecision:
        """The decision that withdraws the price of a product that is forgotten."""
        state.version += 1
        state.previous_price, state.price = state.price, None
        state.updated_at_ms = now_ms
        self.forgotten[state.product_id] = state.version, now_ms
        return state.to_decision(Cause.FORGOTTEN, NO_POSITION, with_catalogue=True)

    def withdraw_again(self, product_id: str) -> PriceDecision | None:
        """The decision that withdraws the price of a forgotten product from a store that may have it still. None if
        the product was not forgotten, or too long ago."""
        if product_id not in self.forgotten:
            return None
        version, at_ms = self.forgotten[product_id]
        return PriceDecision(product_id, version, None, Cause.REFILL, NO_POSITION, at_ms, forgotten=True)

    def drop_old(self, now_ms: int) -> None:
        """Drop the ids of products that were forgotten more than `KEPT_MS` ago."""
        old = [name for name, (_, at_ms) in self.forgotten.items() if at_ms < now_ms - KEPT_MS]
        for product_id in old:
            del self.forgotten[product_id]
