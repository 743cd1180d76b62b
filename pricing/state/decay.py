"""The decay of demand by time alone, under a half-life: the moment at which it lowers a price, and the decision."""

from math import ceil, log2, sqrt

from pricing.decision import Cause, PriceDecision
from pricing.state.freezes import Freezes
from pricing.state.product import Decider, ProductState, quote_now, record, source_of

NEGLIGIBLE = 0.001
"""A surge below this part of a minor unit changes no price."""


def step_s(state: ProductState, decider: Decider) -> int:
    """The earliest event time at which decay may lower the price, UTC seconds."""
    return max(decider.at_s + 1, state.decayed_at_s + ceil(decider.policy.demand.decay_step_s))


def next_decay_s(state: ProductState, decider: Decider) -> int | None:
    """The event time at which decay lowers the price by a minor unit or more, UTC seconds; None if it never does,
    and then the product forgets its last event. Under an override or a freeze, the time of the next look.

    The price is taken to fall, or to stay, as time passes. If a rule raises it again when demand is low, a later
    moment may be found, or none."""
    if not decider.decays or state.event_position is None or state.price is None:
        return None
    if state.override is not None or state.held:
        return decider.at_s + ceil(decider.policy.demand.decay_step_s)
    earliest_s = step_s(state, decider)
    last_s = max(earliest_s, _fades_s(state, decider), _unheld_s(state, decider))
    if _is_lower(state, decider, earliest_s):
        return earliest_s
    if not _is_lower(state, decider, last_s):
        state.event_position = None
        return None
    while last_s - earliest_s > 1:
        middle_s = (earliest_s + last_s) // 2
        if _is_lower(state, decider, middle_s):
            last_s = middle_s
        else:
            earliest_s = middle_s
    return last_s


def decay(state: ProductState, decider: Decider, freezes: Freezes, now_ms: int) -> PriceDecision | None:
    """The decision of the time that has passed: None unless it lowers the price. now_ms: processing time."""
    at_s = decider.at_s
    if not decider.decays or state.event_position is None or state.price is None:
        return None
    if at_s < state.decayed_at_s + decider.policy.demand.decay_step_s or state.override is not None:
        return None
    if freezes.by_scope and freezes.of(state) is not None:
        state.held = True
        return None
    inputs = state.inputs_at(decider)
    assert inputs is not None
    quote = quote_now(state, inputs, decider, at_s * 1000)
    if quote.price is None or quote.price >= state.price:
        return None
    state.decayed_at_s = at_s
    record(state, quote, decider, source=source_of(quote), event_time_ms=at_s * 1000, now_ms=now_ms)
    return state.to_decision(Cause.DECAYED, state.event_position)


def _is_lower(state: ProductState, decider: Decider, at_s: int) -> bool:
    """True if the price would be lower at an event time."""
    now_s, decider.at_s = decider.at_s, at_s
    try:
        inputs = state.inputs_at(decider)
        assert inputs is not None
        price = quote_now(state, inputs, decider, at_s * 1000).price
    finally:
        decider.at_s = now_s
    return price is not None and state.price is not None and price < state.price


def _fades_s(state: ProductState, decider: Decider) -> int:
    """The event time from which on the surge is negligible. It falls as `2^(-age / (2 half_life))`."""
    policy = decider.policy
    surge = policy.demand.factor * sqrt(state.demand) * policy.scale
    if surge <= NEGLIGIBLE or decider.half_life_ms is None:
        return 0
    return (state.demand_time_ms + ceil(2 * decider.half_life_ms * log2(surge / NEGLIGIBLE))) // 1000 + 1


def _unheld_s(state: ProductState, decider: Decider) -> int:
    """The event time from which on no guardrail holds the price because of its last change."""
    guardrails = decider.policy.guardrails
    longest_s = max(guardrails.cooldown_s or 0, guardrails.reversal_s or 0)
    return ceil((state.changed_at_ms or 0) / 1000 + longest_s)
