"""Explanations: a decision in words that an analyst can read, and the guardrail that limited it."""

from collections.abc import Sequence
from typing import Protocol

from core.money import money_text
from core.text import close_directions
from pricing.decision import Adjustment
from pricing.engine import FREEZE_RULE
from pricing.guardrails import BINDING


class HasRule(Protocol):
    """An adjustment of any form, in the flow or from a store."""

    @property
    def rule(self) -> str: ...


def bound_by(adjustments: Sequence[HasRule]) -> str | None:
    """The last guardrail that changed the price, or the freeze that held it. None if neither did."""
    return next((a.rule for a in reversed(adjustments) if a.rule in BINDING or a.rule == FREEZE_RULE), None)


def explain(
    price: float,
    previous_price: float | None,
    demand: float,
    source: str,
    adjustments: Sequence[Adjustment],
    *,
    scale: int,
    first: bool = True,
) -> str:
    """One or two sentences: the price, every amount in it, and its last change.

    demand: at the decision. source: a `PriceSource`. previous_price: None if there was none or if it is not known.
    scale: of the currency. first: without a previous price, this is the product's first; false if the caller does
    not know the previous one."""
    parts = []
    for adjustment in adjustments:
        reason = close_directions(adjustment.reason)
        if adjustment.rule == "base":
            parts.append(f"{money_text(adjustment.amount, scale)} ({reason})")
        else:
            sign = "plus" if adjustment.amount >= 0 else "minus"
            parts.append(f"{sign} {money_text(abs(adjustment.amount), scale)} ({adjustment.rule}: {reason})")
    moved = ""
    if previous_price is None and first:
        moved = " It is the first price of this product."
    elif previous_price is not None and previous_price != price:
        direction = "up" if price > previous_price else "down"
        moved = f" It went {direction} from {money_text(previous_price, scale)}."
    by = {"override": "set by a person", "base": "the base price"}.get(source, f"at demand {demand:g}")
    return f"The price is {money_text(price, scale)}, {by}: {', '.join(parts)}.{moved}"
