"""A decision in words that an analyst can read, and which guardrail bound it."""

from collections.abc import Sequence
from typing import Protocol

from pricing.decision import Adjustment
from pricing.engine import FREEZE_RULE
from pricing.guardrails import BINDING


class HasRule(Protocol):
    @property
    def rule(self) -> str: ...


def bound_by(adjustments: Sequence[HasRule]) -> str | None:
    """The guardrail, or the freeze, that had the last word on the price, if any changed it."""
    return next((a.rule for a in reversed(adjustments) if a.rule in BINDING or a.rule == FREEZE_RULE), None)


def explain(
    price: float,
    previous_price: float | None,
    demand: float,
    source: str,
    adjustments: Sequence[Adjustment],
    *,
    first: bool = True,
) -> str:
    """One or two sentences: the price, every amount in it, and how it moved. Without a previous price it is the
    first one, if `first`; else nobody knows here."""
    parts = []
    for adjustment in adjustments:
        if adjustment.rule == "base":
            parts.append(f"{adjustment.amount:,.2f} ({adjustment.reason})")
        else:
            sign = "plus" if adjustment.amount >= 0 else "minus"
            parts.append(f"{sign} {abs(adjustment.amount):,.2f} ({adjustment.rule}: {adjustment.reason})")
    moved = ""
    if previous_price is None and first:
        moved = " It is the first price of this product."
    elif previous_price is not None and previous_price != price:
        direction = "up" if price > previous_price else "down"
        moved = f" It went {direction} from {previous_price:,.2f}."
    by = {"override": "set by a person", "base": "the base price"}.get(source, f"at demand {demand:g}")
    return f"The price is {price:,.2f}, {by}: {', '.join(parts)}.{moved}"
