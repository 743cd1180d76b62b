"""A decision in words that an analyst can read, and which guardrail bound it."""

from collections.abc import Sequence

from pricing.decision import Adjustment
from pricing.guardrails import BINDING


def bound_by(adjustments: Sequence[Adjustment]) -> str | None:
    """The guardrail that had the last word on the price, if any changed it."""
    return next((a.rule for a in reversed(adjustments) if a.rule in BINDING), None)


def explain(
    price: float, previous_price: float | None, demand: float, source: str, adjustments: Sequence[Adjustment]
) -> str:
    """One or two sentences: the price, every amount in it, and how it moved."""
    parts = []
    for adjustment in adjustments:
        if adjustment.rule == "base":
            parts.append(f"{adjustment.amount:,.2f} ({adjustment.reason})")
        else:
            sign = "plus" if adjustment.amount >= 0 else "minus"
            parts.append(f"{sign} {abs(adjustment.amount):,.2f} ({adjustment.rule}: {adjustment.reason})")
    moved = ""
    if previous_price is None:
        moved = " It is the first price of this product."
    elif previous_price != price:
        direction = "up" if price > previous_price else "down"
        moved = f" It went {direction} from {previous_price:,.2f}."
    by = {"override": "set by a person", "base": "the base price"}.get(source, f"at demand {demand:g}")
    return f"The price is {price:,.2f}, {by}: {', '.join(parts)}.{moved}"
