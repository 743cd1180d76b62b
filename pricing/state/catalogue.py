"""Changes of the catalogue, and their effect on a product."""

from core.positions import SourcePosition
from pricing.catalogue import CatalogueChange
from pricing.decision import Cause, PriceDecision, PriceSource
from pricing.engine import Quote, quote_base
from pricing.state.freezes import Freezes
from pricing.state.product import Decider, ProductState, record


def change_catalogue(
    state: ProductState,
    change: CatalogueChange,
    decider: Decider,
    *,
    freezes: Freezes,
    position: SourcePosition,
    now_ms: int,
) -> PriceDecision:
    """Keep the new entry in a product's state. Returns the decision that reports it to the sinks.

    A product without an event and without an override takes the entry's base price, unless a freeze holds its
    price. This does not count a version (docs/decisions/0004)."""
    state.catalogue = change.entry
    if state.price is not None and freezes.of(state):
        state.held = True
    elif state.event_price is None and state.override is None:
        inputs = state.inputs
        quote = quote_base(inputs, decider.policy, state.price) if inputs else Quote(None, [])
        record(
            state,
            quote,
            decider,
            source=PriceSource.BASE,
            event_time_ms=change.event_time_ms,
            now_ms=now_ms,
            is_change=False,
        )
    return state.to_decision(Cause.CATALOGUE, position, with_catalogue=True)
