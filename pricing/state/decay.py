"""The decay of demand by time alone, under a half-life: the moment at which it lowers a price, and the decision."""

from math import ceil, log2, sqrt

from core.money import to_minor_units
from pricing.decision import Cause, PriceDecision
from pricing.engine import quote_rules
from pricing.guardrails import LOOK_BACK, ending_below
from pricing.policy import PricingPolicy
from pricing.state.freezes import Freezes
from pricing.state.product import Decider, ProductState, quote_now, record, source_of

SURGE_REST = 0.001
"""Minor units: under a policy with a surge, what is left of the effect of demand and does not matter."""


def step_s(state: ProductState, decider: Decider) -> int:
    """The earliest event time at which decay may lower the price, UTC seconds."""
    return max(decider.at_s + 1, state.decayed_at_s + ceil(decider.policy.demand.decay_step_s))


def next_decay_s(state: ProductState, decider: Decider, *, looked: bool = False) -> int | None:
    """The event time, UTC seconds, at which decay may lower the price next. It may be early, never late. None if
    it never does, and then the product forgets its last event. Under an override or a freeze, the time of the
    next look. looked: true if the price was looked at in this second, and stayed.

    The price follows from the one of the rules and from the price before. So it can fall when that of the rules
    falls by a minor unit, when the time of a guardrail that holds it ends, and once more right after a change that
    was limited to a step."""
    if not decider.decays or state.event_position is None or state.price is None:
        return None
    if state.override is not None or state.held:
        return decider.at_s + ceil(decider.policy.demand.decay_step_s)
    decided_s = state.event_time_ms // 1000
    # The last look: not now, if it was too early for one.
    from_s = decider.at_s if looked and step_s(state, decider) == decider.at_s + 1 else decided_s
    dues = []
    if (falls_s := _falls_s(state, decider, from_s)) is not None:
        dues.append(falls_s)
    dues += [each for each in _unheld_s(state, decider) if each > from_s]
    if from_s <= decided_s and _is_stepped(state, decider):
        dues.append(from_s)
    if not dues:
        state.event_position = None
        return None
    return max(step_s(state, decider), min(dues))


def _falls_s(state: ProductState, decider: Decider, from_s: int) -> int | None:
    """The event time from which on a price without a step is lower than at `from_s`; early by up to a second, and
    by more where a guardrail holds it. None if the surge that is left is too small for that.

    The surge falls as `2^(-age / (2 half_life))`. The rules behind it multiply the price."""
    policy, now_s = decider.policy, decider.at_s
    decider.at_s = from_s
    inputs = state.inputs_at(decider)
    decider.at_s = now_s
    assert inputs is not None
    assert decider.half_life_ms is not None
    assert state.price is not None
    surge = policy.demand.factor * sqrt(inputs.demand)
    if surge == 0:
        return None
    if policy.competitor.factor > 1 and inputs.signals is not None:
        # A price that falls below the cheapest competitor's loses this factor at once.
        return from_s
    if decider.uses_surge:
        # The next step of the price may be as near as that.
        return from_s if surge * policy.surge.max * policy.scale > SURGE_REST else None
    exact = quote_rules(inputs, policy)[0]
    multiple = exact / (inputs.base_price + surge)
    fall = exact - _next_below(exact, state.price, policy)
    if fall >= surge * multiple:
        return None
    left = surge - fall / multiple
    since_ms = max(from_s * 1000, state.demand_time_ms)
    return int((since_ms + 2 * decider.half_life_ms * log2(surge / left)) // 1000)


def _next_below(exact: float, price: float, policy: PricingPolicy) -> float:
    """The highest price of the rules, not rounded, at or below which the rounded one may be lower than now."""
    scale, guardrails = policy.scale, policy.guardrails
    # Rounding turns at halves of a minor unit; the nearest price ending also at whole ones, midway between two.
    below = (to_minor_units(exact, scale) - 0.5) / scale
    if guardrails.endings:
        below = (ceil(exact * scale * 2) - 1) / (scale * 2)
        ending = ending_below(price, guardrails.endings, scale)
        if ending is not None and (price + ending) / 2 < exact:
            below = (price + ending) / 2
    if guardrails.min_change_percent is not None:
        enough = price * (1 - guardrails.min_change_percent / 100)
        return max(below, enough) if enough < exact else below
    return below


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
    if not looks_back(state, decider.policy):
        # From the last decision on: most looks come before the price of the rules has fallen.
        falls_s = _falls_s(state, decider, state.event_time_ms // 1000)
        if falls_s is None or falls_s > at_s:
            return None
    inputs = state.inputs_at(decider)
    assert inputs is not None
    quote = quote_now(state, inputs, decider, at_s * 1000)
    if quote.price is None or quote.price >= state.price:
        return None
    state.decayed_at_s = at_s
    record(state, quote, decider, source=source_of(quote), event_time_ms=at_s * 1000, now_ms=now_ms)
    return state.to_decision(Cause.DECAYED, state.event_position)


def looks_back(state: ProductState, policy: PricingPolicy) -> bool:
    """True if a guardrail may have shaped the price by the one before, or by the time of its change. Otherwise the
    price follows from the inputs alone."""
    steps = policy.guardrails.max_step_percent is not None
    return any(each.rule in LOOK_BACK or (steps and each.rule == "ending") for each in state.adjustments)


def _is_stepped(state: ProductState, decider: Decider) -> bool:
    """True if the last change may have been limited to a step, so that the next one may follow at once."""
    return decider.policy.guardrails.max_step_percent is not None and looks_back(state, decider.policy)


def _unheld_s(state: ProductState, decider: Decider) -> list[int]:
    """The event times from which on a guardrail does not hold the price because of its last change."""
    guardrails = decider.policy.guardrails
    changed_at_ms = state.changed_at_ms or 0
    lengths = (guardrails.cooldown_s, guardrails.reversal_s)
    return [ceil(changed_at_ms / 1000 + length_s) for length_s in lengths if length_s is not None]
