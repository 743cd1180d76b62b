"""Guardrails: bounds on a proposed price. They run after the rules, the safety bounds last, and fail closed.

To add one, write a function with this shape and add it to `GUARDRAILS` at the place where it should act.
"""

import math
from collections.abc import Callable

import msgspec

from core.errors import BoundsUnusableError
from core.money import CENT, PRICE_MAX, to_cents
from pricing.catalogue import CatalogueEntry
from pricing.policy import GuardrailPolicy


class Bounds(msgspec.Struct, frozen=True, gc=False):
    """Lowest and highest price allowed, in whole cents, both inclusive."""

    lowest: float
    highest: float


class GuardrailContext(msgspec.Struct, frozen=True, gc=False):
    """`previous_price` and the event time of its last change are None before the first price; both also are
    when a person's decision is priced, which no step or cooldown may delay."""

    policy: GuardrailPolicy
    bounds: Bounds
    previous_price: float | None
    changed_at_ms: int | None
    event_time_ms: int


Guardrail = Callable[[float, GuardrailContext], float]

_UNBOUNDED = Bounds(0.0, math.inf)


def resolve_bounds(policy: GuardrailPolicy, catalogue: CatalogueEntry | None) -> Bounds:
    """The bounds that the policy asks for, with this product's cost and base price.

    Raises BoundsUnusableError where the catalogue lacks what a bound needs, a bound is negative or not a
    number, and where the floor is above the ceiling.
    """
    if not policy.has_bounds:
        return _UNBOUNDED
    floors, ceilings = [], []
    if policy.floor is not None:
        floors.append(policy.floor)
    if policy.ceiling is not None:
        ceilings.append(policy.ceiling)
    if policy.floor_margin is not None:
        cost = catalogue.unit_cost if catalogue else None
        floors.append(_known(cost, "unit_cost") * (1 + policy.floor_margin))
    if policy.ceiling_ratio is not None:
        base_price = catalogue.base_price if catalogue else None
        ceilings.append(_known(base_price, "base_price") * policy.ceiling_ratio)
    lowest = _whole_cents(max(floors, default=0.0), up=True)
    highest = _whole_cents(min(ceilings), up=False) if ceilings else math.inf
    if lowest > PRICE_MAX:
        raise BoundsUnusableError("the floor is above the largest price there is")
    if lowest > highest:
        raise BoundsUnusableError("the floor is above the ceiling")
    return Bounds(lowest, highest)


def _known(amount: float | None, name: str) -> float:
    if amount is None:
        raise BoundsUnusableError(f"{name} is missing in the catalogue")
    if not 0 <= amount <= PRICE_MAX:
        raise BoundsUnusableError(f"{name} is negative or not a price")
    return amount


def _whole_cents(bound: float, *, up: bool) -> float:
    """The nearest whole cent inside the bound, so that it still holds after rounding."""
    rounded = to_cents(bound)
    if up and rounded < bound:
        return to_cents(rounded + CENT)
    if not up and rounded > bound:
        return to_cents(rounded - CENT)
    return rounded


def limit_step(price: float, context: GuardrailContext) -> float:
    previous, percent = context.previous_price, context.policy.max_step_percent
    if previous is None or percent is None:
        return price
    step = previous * percent / 100
    if abs(price - previous) <= step:
        return price
    # Whole cents towards the previous price, so that rounding cannot take the step past the limit.
    if price > previous:
        return max(previous, _whole_cents(previous + step, up=False))
    return min(previous, _whole_cents(previous - step, up=True))


def hold_during_cooldown(price: float, context: GuardrailContext) -> float:
    seconds = context.policy.cooldown_s
    if seconds is None or context.previous_price is None or context.changed_at_ms is None:
        return price
    return context.previous_price if context.event_time_ms - context.changed_at_ms < seconds * 1000 else price


def keep_above_floor(price: float, context: GuardrailContext) -> float:
    return max(price, context.bounds.lowest)


def keep_below_ceiling(price: float, context: GuardrailContext) -> float:
    return min(price, context.bounds.highest)


def snap_to_ending(price: float, context: GuardrailContext) -> float:
    """The nearest price with an allowed ending that every bound allows; ties go to the customer. Where no
    such price exists, the price as it is. A price that the cooldown holds, holds."""
    endings = context.policy.endings
    if not endings or price == context.previous_price:
        return price
    units = math.floor(price)
    candidates = [
        candidate
        for whole in (units - 1, units, units + 1)
        for ending in endings
        if (candidate := to_cents(whole + ending / 100)) > 0 and _allowed(candidate, context)
    ]
    return min(candidates, key=lambda candidate: (abs(candidate - price), candidate), default=price)


def _allowed(price: float, context: GuardrailContext) -> bool:
    inside = context.bounds.lowest <= price <= context.bounds.highest
    return inside and limit_step(price, context) == price


GUARDRAILS: tuple[tuple[str, Guardrail, str], ...] = (
    ("max_step", limit_step, "limited to the largest step from the last price"),
    ("cooldown", hold_during_cooldown, "held: the last change is too recent"),
    ("floor", keep_above_floor, "raised to the floor"),
    ("ceiling", keep_below_ceiling, "lowered to the ceiling"),
    ("ending", snap_to_ending, "moved to the nearest allowed price ending"),
)
"""Name (as in adjustments), function, and the reason that an analyst reads."""

OVERRIDE_GUARDRAILS = tuple(entry for entry in GUARDRAILS if entry[0] in {"floor", "ceiling"})
"""What binds a price that a person set: the safety bounds only."""

HELD = "held"
"""The rule name of the adjustment that keeps the last good price where bounds are unusable."""

BINDING = frozenset({name for name, _, _ in GUARDRAILS} | {HELD})

LABELS = {
    "max_step": "largest step",
    "cooldown": "cooldown",
    "floor": "floor",
    "ceiling": "ceiling",
    "ending": "price ending",
    HELD: "held",
}
"""The short text that people see for each name in BINDING. GET /status publishes it to the dashboard."""
