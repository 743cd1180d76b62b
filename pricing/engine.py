"""The engine: inputs to a price and its adjustments. Pure functions of their arguments: no clock, no state."""

import msgspec

from core.errors import BoundsUnusableError
from core.money import difference, round_money, to_minor_units
from pricing.decision import Adjustment
from pricing.guardrails import GUARDRAILS, HELD, OVERRIDE_GUARDRAILS, Guardrail, GuardrailContext, resolve_bounds
from pricing.policy import GuardrailPolicy, PricingPolicy
from pricing.rules import RULES, SIGNAL_RULES, SURGE, PricingInputs
from pricing.surge import surge_reason

BASE_REASON = "last event"
CATALOGUE_REASON = "catalogue"
NO_BASE_REASON = "no event or catalogue entry yet"
OVERRIDE_RULE = "override"
FREEZE_RULE = "freeze"
NO_GUARDRAILS = GuardrailPolicy()
_ALWAYS = tuple(entry for entry in RULES if entry[0] not in SIGNAL_RULES)


class Quote(msgspec.Struct, frozen=True, gc=False):
    """A price in whole minor units and the adjustments that add up to it.

    price: None if bounds are unusable and there is no last good price to keep. alert: the reason if bounds are
    unusable, else None."""

    price: float | None
    adjustments: list[Adjustment]
    alert: str | None = None


def quote_rules(
    inputs: PricingInputs, policy: PricingPolicy, base_reason: str = BASE_REASON
) -> tuple[float, float, list[Adjustment]]:
    """The result of the rules: the exact price, the price in whole minor units, and its adjustments."""
    exact, scale = inputs.base_price, policy.scale
    shown = to_minor_units(exact, scale)
    adjustments = [Adjustment("base", shown / scale, base_reason)]
    # The other rules look at signals only.
    signals = inputs.signals
    for name, rule, reason in RULES if signals is not None else _ALWAYS:
        exact = rule(exact, inputs, policy)
        rounded = to_minor_units(exact, scale)
        if rounded != shown:
            adjustments.append(Adjustment(name, (rounded - shown) / scale, reason))
            shown = rounded
    if signals is not None and signals.surge is not None and adjustments[-1].rule == SURGE:
        reason = surge_reason(signals.surge, policy.surge)
        adjustments[-1] = msgspec.structs.replace(adjustments[-1], reason=reason)
    return exact, shown / scale, adjustments


def quote_dynamic(
    inputs: PricingInputs,
    policy: PricingPolicy,
    last_good_price: float | None,
    *,
    previous_price: float | None,
    changed_at_ms: int | None,
    event_time_ms: int,
    direction: int = 0,
    from_catalogue: bool = False,
) -> Quote:
    """The price of a product from its base price, its demand and its signals, limited by all guardrails.

    last_good_price: kept if bounds are unusable. previous_price, changed_at_ms, direction: the price, and the event
    time and the direction (1 up, -1 down, 0 unknown) of its last change, for the guardrails that look at changes;
    None if these do not apply. from_catalogue: the base price is the catalogue's, not an event's."""
    exact, shown, adjustments = quote_rules(inputs, policy, CATALOGUE_REASON if from_catalogue else BASE_REASON)
    if policy.guardrails == NO_GUARDRAILS and policy.competitor.no_competitor == "rule":
        return Quote(shown, adjustments)
    return _guard(
        exact,
        adjustments,
        policy,
        inputs,
        last_good_price,
        previous_price=previous_price,
        changed_at_ms=changed_at_ms,
        event_time_ms=event_time_ms,
        direction=direction,
    )


def quote_override(
    override_price: float,
    reason: str,
    *,
    inputs: PricingInputs | None,
    from_catalogue: bool,
    policy: PricingPolicy,
    last_good_price: float | None,
) -> Quote:
    """The price that a person set, limited by floor and ceiling. inputs: None if the product has no base price.
    from_catalogue: the base price is the catalogue's, not an event's."""
    base = round_money(inputs.base_price, policy.scale) if inputs else 0.0
    base_reason = NO_BASE_REASON if not inputs else CATALOGUE_REASON if from_catalogue else BASE_REASON
    shown = round_money(override_price, policy.scale)
    adjustments = [
        Adjustment("base", base, base_reason),
        Adjustment(OVERRIDE_RULE, difference(shown, base, policy.scale), reason),
    ]
    inputs = inputs or PricingInputs(0.0, 0.0, None)
    return _guard(override_price, adjustments, policy, inputs, last_good_price, guardrails=OVERRIDE_GUARDRAILS)


def quote_frozen(held: float, inputs: PricingInputs, from_catalogue: bool, reason: str, scale: int) -> Quote:
    """The price that a freeze holds: `held`, in whole minor units, without rules and guardrails. scale: of the
    currency."""
    base = round_money(inputs.base_price, scale)
    adjustments = [Adjustment("base", base, CATALOGUE_REASON if from_catalogue else BASE_REASON)]
    if held != base:
        adjustments.append(Adjustment(FREEZE_RULE, difference(held, base, scale), f"frozen: {reason}"))
    return Quote(held, adjustments)


def _guard(
    exact: float,
    adjustments: list[Adjustment],
    policy: PricingPolicy,
    inputs: PricingInputs,
    last_good_price: float | None,
    *,
    guardrails: tuple[tuple[str, Guardrail, str], ...] = GUARDRAILS,
    previous_price: float | None = None,
    changed_at_ms: int | None = None,
    event_time_ms: int = 0,
    direction: int = 0,
) -> Quote:
    """Run guardrails on an exact price, then round. If bounds are unusable, the last good price stays."""
    scale = policy.scale
    shown = round_money(exact, scale)
    try:
        bounds = resolve_bounds(policy, inputs.catalogue)
    except BoundsUnusableError as problem:
        if last_good_price is not None and last_good_price != shown:
            adjustments.append(Adjustment(HELD, difference(last_good_price, shown, scale), f"held: {problem}"))
        return Quote(last_good_price, adjustments, alert=str(problem))
    signals, holds = inputs.signals, policy.competitor.no_competitor == "hold"
    context = GuardrailContext(
        policy.guardrails,
        scale,
        bounds,
        previous_price,
        changed_at_ms,
        event_time_ms,
        direction,
        holds and signals is not None and signals.lost_competitor,
    )
    for name, guardrail, reason in guardrails:
        bounded = guardrail(exact, context)
        if bounded != exact:
            rounded = round_money(bounded, scale)
            if rounded != shown:
                adjustments.append(Adjustment(name, difference(rounded, shown, scale), reason))
            exact, shown = bounded, rounded
    return Quote(shown, adjustments)
