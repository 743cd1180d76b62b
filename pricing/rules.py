"""Pricing rules: each takes the price so far and returns the price after it.

To add one, write a function of type `PricingRule`, put its numbers in the policy, and add it to `RULES`, in the
order in which it acts."""

from collections.abc import Callable
from math import sqrt

import msgspec

from pricing.catalogue import CatalogueEntry
from pricing.inventory import category_of
from pricing.policy import PricingPolicy
from pricing.surge import SurgeInputs, surge_of, surge_price


class SignalInputs(msgspec.Struct, frozen=True, gc=False):
    """The stock, clicks and competitors of a product, as far as they are known. stock: may be below 0; None if it
    is not known. competitor_price: the cheapest quote that counts. lost_competitor: there were quotes, and none
    counts any more. surge: None under a policy without one."""

    stock: float | None = None
    clicks_15m: int = 0
    competitor_price: float | None = None
    lost_competitor: bool = False
    surge: SurgeInputs | None = None


class PricingInputs(msgspec.Struct, frozen=True, gc=False):
    """The inputs of a rule. `base_price` is the last event's price, not rounded; before the first event it is the
    catalogue's. signals: None for a product that had none."""

    base_price: float
    demand: float
    catalogue: CatalogueEntry | None
    signals: SignalInputs | None = None


SURGE = "surge"
"""The name of the rule that is the last one."""

PricingRule = Callable[[float, PricingInputs, PricingPolicy], float]
"""(price so far, inputs, policy) -> price. Not rounded: that happens once, after the guardrails."""


def demand_surge(price: float, inputs: PricingInputs, policy: PricingPolicy) -> float:
    """The price plus the surge: `price + factor * sqrt(demand)`."""
    return price + policy.demand.factor * sqrt(inputs.demand)


def scarcity(price: float, inputs: PricingInputs, policy: PricingPolicy) -> float:
    """The price times the factor of the stock's category. Without a stock, the price."""
    stock = inputs.signals.stock if inputs.signals else None
    if stock is None:
        return price
    numbers = policy.stock
    factors = {"Low": numbers.low_factor, "Medium": numbers.medium_factor, "High": numbers.high_factor}
    return price * factors[category_of(stock, numbers)]


def heat(price: float, inputs: PricingInputs, policy: PricingPolicy) -> float:
    """The price times the factor of a product that many click on, if no competitor is below its base price."""
    return price * policy.clicks.factor if _is_hot(inputs, policy) else price


def undercut(price: float, inputs: PricingInputs, policy: PricingPolicy) -> float:
    """The price times the factor for one that is above the cheapest competitor's. `heat` goes first: where it
    acts, this does not."""
    cheapest = inputs.signals.competitor_price if inputs.signals else None
    if cheapest is None or price <= cheapest or _is_hot(inputs, policy):
        return price
    return price * policy.competitor.factor


def raise_by_surge(price: float, inputs: PricingInputs, policy: PricingPolicy) -> float:
    """The price times the multiplier of the surge, to the nearest step of the policy."""
    known = inputs.signals.surge if inputs.signals else None
    if known is None or not policy.surge.enabled:
        return price
    return surge_price(price, surge_of(known, policy.surge).multiplier, policy.surge.round_to)


def _is_hot(inputs: PricingInputs, policy: PricingPolicy) -> bool:
    signals = inputs.signals
    if policy.clicks.factor == 1.0 or signals is None or signals.competitor_price is None:
        return False
    return signals.clicks_15m > policy.clicks.above and inputs.base_price <= signals.competitor_price


RULES: tuple[tuple[str, PricingRule, str], ...] = (
    # In the order in which they act.
    ("demand", demand_surge, "square root of demand"),
    ("stock", scarcity, "stock on hand"),
    ("clicks", heat, "clicks of the last 15 minutes"),
    ("competitor", undercut, "above the cheapest competitor"),
    (SURGE, raise_by_surge, "demand, supply, time of day and external events"),
)
"""Name (as in adjustments), function, and the reason that an analyst reads."""

SIGNAL_RULES = frozenset({"stock", "clicks", "competitor", SURGE})
"""The rules that leave the price of a product without signals as it is."""
