"""Pricing rules: each takes the price so far and returns the price after it.

To add one, write a function of type `PricingRule`, put its numbers in the policy, and add it to `RULES`, in the
order in which it acts."""

from collections.abc import Callable
from math import sqrt

import msgspec

from pricing.catalogue import CatalogueEntry
from pricing.policy import PricingPolicy


class PricingInputs(msgspec.Struct, frozen=True, gc=False):
    """The inputs of a rule. `base_price` is the last event's price, not rounded; before the first event it is the
    catalogue's."""

    base_price: float
    demand: float
    catalogue: CatalogueEntry | None


PricingRule = Callable[[float, PricingInputs, PricingPolicy], float]
"""(price so far, inputs, policy) -> price. Not rounded: that happens once, after the guardrails."""


def demand_surge(price: float, inputs: PricingInputs, policy: PricingPolicy) -> float:
    """The price plus the surge: `price + factor * sqrt(demand)`."""
    return price + policy.demand.factor * sqrt(inputs.demand)


RULES: tuple[tuple[str, PricingRule, str], ...] = (
    # In the order in which they act.
    ("demand", demand_surge, "square root of demand"),
)
"""Name (as in adjustments), function, and the reason that an analyst reads."""
