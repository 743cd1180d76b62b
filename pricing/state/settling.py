"""Settling: the decisions after a restart that make all readers agree."""

from collections.abc import Mapping

from core.positions import NO_POSITION
from pricing.decision import Cause, PriceDecision
from pricing.state.product import ProductState
from pricing.state.replay import Replay


def settled_decisions(
    replay: Replay, products: Mapping[str, ProductState], forgotten_base: int, lift: int
) -> list[PriceDecision]:
    """The decisions for products whose readers may not agree. forgotten_base: as `Forgetting.version_base`. lift:
    of versions, above all that can have been published since the snapshot.

    First problem: catalogue messages, signals and events come on different topics, and a replay may take them in
    another order, and time may pass otherwise. One version may then have two prices. So each product that a
    catalogue message, a signal of stock, clicks or competitors, or time alone has touched since the last snapshot
    that was settled is decided once more, with a version above all before (cause `restored`, docs/decisions/0028).

    Second problem: events of a product under an override or a freeze count versions but publish nothing. Before
    the crash, the events may have been read and published first, and the override read after them. In the
    replay the override may come first. It then has a lower version than the published events, so readers drop
    it and keep a price that is not in force. So the product is published at its current version (cause
    `repeat`).

    Third problem: the executions before may have forgotten a product that the snapshot still has. Readers then
    know its price as withdrawn, at a version above the snapshot's. So each product that was due to be forgotten
    is published with a version above all before, too (cause `repeat` if no message came for it)."""
    decisions = []
    for product_id, position in replay.catalogued.items():
        state = products[product_id]
        if state.base_price is None and state.price is None and not state.updated_at_ms:
            # Signals alone: no reader has heard of it.
            continue
        # A product that was due may have been forgotten, and have come back above the base.
        before = max(replay.at_snapshot.get(product_id, 0), forgotten_base)
        state.version = max(state.version + 1, before + lift)
        cause = Cause.REPEAT if position == NO_POSITION else Cause.RESTORED
        decisions.append(state.to_decision(cause, position, with_catalogue=True))
    for product_id, state in products.items():
        if (state.override is not None or state.held) and product_id not in replay.catalogued:
            decisions.append(state.to_decision(Cause.REPEAT, NO_POSITION))
    return decisions
