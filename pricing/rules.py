"""Pricing rules: each takes the price so far to the price after it. To add one, write a function with this
shape, put its numbers in the policy, and add it to `RULES`; order matters."""

from collections.abc import Callable
from math import sqrt

import msgspec

from pricing.catalogue import CatalogueEntry
from pricing.policy import PricingPolicy


class PricingInputs(msgspec.Struct, frozen=True, gc=False):
    """All that a rule may look at. `base_price` is the event's price, not rounded."""

    base_price: float
    demand: float
    catalogue: CatalogueEntry | None


PricingRule = Callable[[float, PricingInputs, PricingPolicy], float]
"""(price so far, inputs, policy) -> price. Exact: rounding happens once, after the guardrails."""


def demand_surge(price: float, inputs: PricingInputs, policy: PricingPolicy) -> float:
    """`price + factor * sqrt(demand)`."""
    return price + policy.demand.factor * sqrt(inputs.demand)


RULES: tuple[tuple[str, PricingRule, str], ...] = (("demand", demand_surge, "square root of demand"),)
"""Name (as in adjustments), function, and the reason that an analyst reads."""
