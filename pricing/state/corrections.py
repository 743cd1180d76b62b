"""Corrections: the repair of a product whose state has times from the future."""

from core.positions import SourcePosition
from core.timestamps import DAY_MS
from pricing.commands import Freeze, ProductCorrection
from pricing.decision import Cause, PriceDecision
from pricing.state.product import Decider, ProductState, quote_state, record


def correct(
    state: ProductState,
    correction: ProductCorrection,
    decider: Decider,
    *,
    freeze: Freeze | None,
    position: SourcePosition,
    now_ms: int,
) -> PriceDecision:
    """Take times from the future out of a product's state, and decide its price again. Returns the decision.
    freeze: the one that holds the product, if any.

    All guardrails apply except the cooldown. Under an override or a freeze the price stays. A second correction
    changes only the version."""
    at_ms = correction.not_after_ms
    if correction.demand is not None:
        state.demand = correction.demand
    state.demand_time_ms = min(state.demand_time_ms, at_ms)
    state.base_time_ms = min(state.base_time_ms, at_ms)
    event_time_ms = min(state.event_time_ms, at_ms)
    if state.changed_at_ms is not None:
        state.changed_at_ms = min(state.changed_at_ms, at_ms)
    if state.day > at_ms // DAY_MS:
        state.day, state.day_open = at_ms // DAY_MS, state.price
    if state.override is not None or freeze is not None or state.base_price is None:
        state.held = state.held or freeze is not None
        state.version += 1
        state.event_time_ms, state.updated_at_ms = event_time_ms, now_ms
        return state.to_decision(Cause.UNDER_FREEZE if freeze else Cause.UNDER_OVERRIDE, position)
    state.held = False
    quote, source = quote_state(state, decider, None, event_time_ms, previous_price=state.price, aged=False)
    record(state, quote, decider, source=source, event_time_ms=event_time_ms, now_ms=now_ms, aged=False)
    return state.to_decision(Cause.CORRECTED, position)
