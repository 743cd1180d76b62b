"""Guardrails: limits on a proposed price. They run after the rules, in the order of `GUARDRAILS`. They fail closed:
if a bound is unusable, the price does not change.

To add one, write a function of type `Guardrail`, add it to `GUARDRAILS` at its place in the order (the safety
bounds floor and ceiling come after it), and give it a label in `LABELS`. If it limits a step, `_allowed` must
respect it, so that a price ending does not break it."""

import math
from collections.abc import Callable

import msgspec

from core.errors import BoundsUnusableError
from core.money import PRICE_MAX, round_money, to_minor_units
from pricing.catalogue import CatalogueEntry
from pricing.policy import GuardrailPolicy, PricingPolicy, ending_block


class Bounds(msgspec.Struct, frozen=True, gc=False):
    """Lowest and highest price allowed, in whole minor units, both inclusive."""

    lowest: float
    highest: float


class GuardrailContext(msgspec.Struct, frozen=True, gc=False):
    """The inputs of a guardrail besides the price. scale: of the currency (`core/money.py`).

    previous_price, changed_at_ms: the price before and the event time of its last change. Both are None before the
    first price. They are also None for a person's decision, which no step or cooldown may delay. direction: of that
    change, 1 up and -1 down; 0 before the first. lost_competitor: as in `SignalInputs`."""

    policy: GuardrailPolicy
    scale: int
    bounds: Bounds
    previous_price: float | None
    changed_at_ms: int | None
    event_time_ms: int
    direction: int = 0
    lost_competitor: bool = False


Guardrail = Callable[[float, GuardrailContext], float]
"""(price so far, context) -> price, neither of them rounded."""

_UNBOUNDED = Bounds(0.0, math.inf)


def resolve_bounds(pricing: PricingPolicy, catalogue: CatalogueEntry | None) -> Bounds:
    """The bounds of the policy for a product, from its unit cost and base price in the catalogue.

    Raises BoundsUnusableError if the catalogue lacks an amount that a bound needs, if that amount is negative or
    not a number, or if the floor is above the ceiling."""
    policy, scale = pricing.guardrails, pricing.scale
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
    if policy.min_margin is not None:
        cost = catalogue.unit_cost if catalogue else None
        floors.append(_known(cost, "unit_cost") / (1 - policy.min_margin))
    if policy.floor_ratio is not None:
        base_price = catalogue.base_price if catalogue else None
        floors.append(_known(base_price, "base_price") * policy.floor_ratio)
    if policy.map_price and catalogue and catalogue.map_price is not None:
        floors.append(catalogue.map_price)
    if policy.list_price and catalogue and catalogue.list_price is not None:
        ceilings.append(catalogue.list_price)
    if policy.ceiling_ratio is not None:
        base_price = catalogue.base_price if catalogue else None
        ceilings.append(_known(base_price, "base_price") * policy.ceiling_ratio)
    lowest = _whole(max(floors, default=0.0), scale, up=True)
    highest = _whole(min(ceilings), scale, up=False) if ceilings else math.inf
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


def _whole(bound: float, scale: int, *, up: bool) -> float:
    """The nearest whole minor unit inside the bound, so that it still holds after rounding."""
    rounded = round_money(bound, scale)
    if up and rounded < bound:
        return round_money(rounded + 1 / scale, scale)
    if not up and rounded > bound:
        return round_money(rounded - 1 / scale, scale)
    return rounded


def limit_step(price: float, context: GuardrailContext) -> float:
    """The price, moved at most `max_step_percent` of the previous price away from it."""
    previous, percent = context.previous_price, context.policy.max_step_percent
    if previous is None or percent is None:
        return price
    step = previous * percent / 100
    if abs(price - previous) <= step:
        return price
    # Whole minor units towards the previous price, so that rounding cannot take the step past the limit.
    if price > previous:
        return max(previous, _whole(previous + step, context.scale, up=False))
    return min(previous, _whole(previous - step, context.scale, up=True))


def hold_during_cooldown(price: float, context: GuardrailContext) -> float:
    """The previous price if it changed less than `cooldown_s` of event time ago, else the price so far."""
    seconds = context.policy.cooldown_s
    if seconds is None or context.previous_price is None or context.changed_at_ms is None:
        return price
    return context.previous_price if context.event_time_ms - context.changed_at_ms < seconds * 1000 else price


def hold_without_competitor(price: float, context: GuardrailContext) -> float:
    """The previous price while no competitor's quote counts any more. Only policies with `no_competitor = "hold"`
    have the flag."""
    return context.previous_price if context.lost_competitor and context.previous_price is not None else price


def hold_small_changes(price: float, context: GuardrailContext) -> float:
    """The previous price if the change is smaller than `min_change_percent`, else the price so far."""
    previous, percent = context.previous_price, context.policy.min_change_percent
    if previous is None or percent is None:
        return price
    return previous if abs(price - previous) < previous * percent / 100 else price


def hold_reversals(price: float, context: GuardrailContext) -> float:
    """The previous price if the price would turn around less than `reversal_s` of event time after its last change,
    else the price so far."""
    previous, seconds = context.previous_price, context.policy.reversal_s
    if previous is None or seconds is None or context.changed_at_ms is None:
        return price
    turns = (price - previous) * context.direction < 0
    return previous if turns and context.event_time_ms - context.changed_at_ms < seconds * 1000 else price


def keep_above_floor(price: float, context: GuardrailContext) -> float:
    """The price so far, or the floor if that is higher."""
    return max(price, context.bounds.lowest)


def keep_below_ceiling(price: float, context: GuardrailContext) -> float:
    """The price so far, or the ceiling if that is lower."""
    return min(price, context.bounds.highest)


def snap_to_ending(price: float, context: GuardrailContext) -> float:
    """The nearest price with an allowed ending, within all bounds and the largest step. Of two at the same
    distance, the lower one.

    If there is no such price, the price stays as it is. So does a price that equals the previous one: the cooldown
    may hold it."""
    endings = context.policy.endings
    if not endings or price == context.previous_price:
        return price
    scale = context.scale
    block = ending_block(scale)
    nearest = math.floor(price * scale / block)
    candidates = [
        (whole * block + ending) / scale for whole in (nearest - 1, nearest, nearest + 1) for ending in endings
    ]
    candidates.sort(key=lambda candidate: (abs(candidate - price), candidate))
    return next((each for each in candidates if each > 0 and _allowed(each, context)), price)


def ending_below(price: float, endings: tuple[int, ...], scale: int) -> float | None:
    """The next lower price with an allowed ending. None if the price itself has none, or is the lowest."""
    whole, ending = divmod(to_minor_units(price, scale), ending_block(scale))
    if ending not in endings:
        return None
    lower = [each for each in endings if each < ending]
    below = max(lower) if lower else max(endings) - ending_block(scale)
    found = (whole * ending_block(scale) + below) / scale
    return found if found > 0 else None


def _allowed(price: float, context: GuardrailContext) -> bool:
    inside = context.bounds.lowest <= price <= context.bounds.highest
    return inside and limit_step(price, context) == price


GUARDRAILS: tuple[tuple[str, Guardrail, str], ...] = (
    ("max_step", limit_step, "limited to the largest step from the last price"),
    ("cooldown", hold_during_cooldown, "held: the last change is too recent"),
    ("no_competitor", hold_without_competitor, "held: no competitor's quote counts any more"),
    ("min_change", hold_small_changes, "held: the change is too small"),
    ("reversal", hold_reversals, "held: the price would turn around too soon"),
    ("floor", keep_above_floor, "raised to the floor"),
    ("ceiling", keep_below_ceiling, "lowered to the ceiling"),
    ("ending", snap_to_ending, "moved to the nearest allowed price ending"),
)
"""Name (as in adjustments), function, and the reason that an analyst reads."""

LOOK_BACK = frozenset({"max_step", "cooldown", "no_competitor", "min_change", "reversal"})
"""The guardrails that look at the price before, or at its last change. An ending does too, under a largest step."""

OVERRIDE_GUARDRAILS = tuple(entry for entry in GUARDRAILS if entry[0] in {"floor", "ceiling"})
"""The guardrails for a price that a person set: the safety bounds only."""

HELD = "held"
"""The rule name of the adjustment that keeps the last good price if bounds are unusable."""

BINDING = frozenset({name for name, _, _ in GUARDRAILS} | {HELD})
"""The rule names of adjustments that limited a price."""

LABELS = {
    "max_step": "largest step",
    "cooldown": "cooldown",
    "no_competitor": "no competitor",
    "min_change": "smallest change",
    "reversal": "reversal",
    "floor": "floor",
    "ceiling": "ceiling",
    "ending": "price ending",
    HELD: "held",
}
"""The short text that people see for each name in BINDING. GET /status publishes it to the dashboard."""
