"""Signals of product A, and Hypothesis strategies for prices and event types."""

from typing import Any

from hypothesis import strategies as st

from core.positions import SourcePosition
from pricing.catalogue import CatalogueChange, CatalogueEntry
from pricing.commands import PriceOverride
from pricing.decision import PriceDecision, PriceUpdate
from pricing.events import ProductEvent

T0 = 1_700_000_000_000
PRICES = st.floats(0.001, 999_999_999.99)
TYPES = st.sampled_from(["view", "cart", "purchase"])
POSITION = SourcePosition("commands", 0, 7)
WEIGHTS = {"view": 1, "cart": 3, "purchase": 5}


def event(price: float, event_type: str = "view", at_ms: int = T0, product: str = "A") -> ProductEvent:
    """Make an event at `at_ms` (event time)."""
    return ProductEvent(event_type, product, at_ms, price)


def override(
    price: float, offset: int = 100, expires_ms: int | None = None, at_ms: int = T0 + 1000
) -> PriceOverride:
    """Make an override that ends at `expires_ms`, or never."""
    return PriceOverride("A", price, "sale", "ann", at_ms, expires_ms, SourcePosition("overrides", 0, offset))


def entry(base_price: float = 4.0, **more: Any) -> CatalogueChange:
    """Make a catalogue entry of category kitchen; `more` sets other fields."""
    return CatalogueChange("A", CatalogueEntry("A", "Mug", "kitchen", base_price, **more), T0, 0)


def update_of(decision: PriceDecision) -> PriceUpdate:
    """Return the update of a decision. Asserts that its adjustments add up to the price and begin with `base`."""
    assert decision.update is not None
    assert round(sum(a.amount for a in decision.update.adjustments), 4) == decision.update.new_price
    assert decision.update.adjustments[0].rule == "base"
    return decision.update
