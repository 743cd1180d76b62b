"""Changes of the catalogue, and their effect on a product."""

from core.errors import BoundsUnusableError
from core.positions import SourcePosition
from pricing.catalogue import CatalogueChange, CatalogueEntry
from pricing.decision import Cause, PriceDecision
from pricing.engine import Quote
from pricing.guardrails import HELD, resolve_bounds
from pricing.policy import PricingPolicy
from pricing.state.freezes import Freezes
from pricing.state.product import Decider, ProductState, quote_state, record

BOUND_RULES = frozenset({"floor", "ceiling", HELD})
"""Adjustments that depend on the catalogue entry."""


def is_outdated(state: ProductState, change: CatalogueChange) -> bool:
    """True for a change that is not newer than one that was applied, by its position in the database: a database is
    read at least once. Otherwise the change's position is the newest from now on.

    A removal without a position does not remove an entry that has one. It is the tombstone that Debezium sends
    behind each removal, and when it comes again, the product may be there again."""
    if change.lsn is None:
        if change.entry is None:
            return state.lsn >= 0
        state.lsn = -1
        return False
    if change.lsn <= state.lsn:
        return True
    state.lsn = change.lsn
    return False


def change_catalogue(
    state: ProductState,
    change: CatalogueChange,
    decider: Decider,
    *,
    freezes: Freezes,
    position: SourcePosition,
    now_ms: int,
) -> PriceDecision:
    """Keep the new entry in a product's state. Returns the decision that reports it to the sinks
    (docs/decisions/0028).

    If the entry changes the price, the decision counts a version (cause `catalogue`). The entry sets the price of a
    product without an event and without an override. It changes any other price by its bounds and its stock. A
    freeze holds the price, unless the entry is removed: a product that nothing knows any more has no price. An
    entry that changes no price is `described` to the store."""
    restocked = decider.uses_signals and _level_of(state.catalogue) != _level_of(change.entry)
    if decider.uses_surge and decider.external.by_id:
        # Events of another category may be on.
        restocked = restocked or _category_of(state.catalogue) != _category_of(change.entry)
    state.catalogue = change.entry
    freeze = freezes.of(state)
    if state.base_price is None and state.override is None:
        if state.price is None:
            return state.to_decision(Cause.DESCRIBED, position, with_catalogue=True)
        quote, source = Quote(None, []), state.price_source
    elif freeze is not None and state.override is None and state.price is not None:
        state.held = True
        return state.to_decision(Cause.DESCRIBED, position, with_catalogue=True)
    else:
        if not (restocked or _depends_on_entry(state, decider.policy)):
            return state.to_decision(Cause.DESCRIBED, position, with_catalogue=True)
        # A catalogue message has no event time, so that of the last signal stays.
        quote, source = quote_state(state, decider, None, state.event_time_ms, previous_price=state.price)
        if quote.price == state.price:
            decider.note(quote)
            state.adjustments, state.price_source = quote.adjustments, source
            return state.to_decision(Cause.DESCRIBED, position, with_catalogue=True)
    record(
        state,
        quote,
        decider,
        source=source,
        event_time_ms=state.event_time_ms or change.event_time_ms,
        now_ms=now_ms,
        moves_time=False,
    )
    return state.to_decision(Cause.CATALOGUE, position, with_catalogue=True)


def _level_of(entry: CatalogueEntry | None) -> float | None:
    return None if entry is None else entry.stock_level


def _category_of(entry: CatalogueEntry | None) -> str | None:
    return None if entry is None else entry.category


def _depends_on_entry(state: ProductState, policy: PricingPolicy) -> bool:
    """True if the entry may change the price: it is the base of the price, or its bounds hold the price, or do not
    allow it."""
    if state.price is None or (state.event_price is None and state.override is None):
        return True
    if any(adjustment.rule in BOUND_RULES for adjustment in state.adjustments):
        return True
    try:
        bounds = resolve_bounds(policy, state.catalogue)
    except BoundsUnusableError:
        return True
    return not bounds.lowest <= state.price <= bounds.highest
