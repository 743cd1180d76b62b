"""The freezes of a shard, and their effect on a product."""

from core.positions import SourcePosition
from pricing.commands import EVERYTHING, Freeze, FreezeLift
from pricing.decision import Cause, FreezeChange, PriceDecision
from pricing.engine import quote_frozen
from pricing.rules import PricingInputs
from pricing.state.product import Decider, ProductState, quote_state, record, source_of


class Freezes:
    """The freezes in force, `by_scope`, and the scopes of freezes that have ended. Belongs to the thread of its
    shard.

    Every shard holds all freezes. Only changes of freezes that are `recorded` here are reported to the sinks
    (`take_changes`)."""

    def __init__(self) -> None:
        self.by_scope: dict[str, Freeze] = {}
        self._lifted: set[str] = set()
        self._changes: list[FreezeChange] = []
        self.dirty = False
        """Changed since the last snapshot."""

    def restore(self, in_force: list[Freeze], lifted: list[str]) -> None:
        """Replace all freezes by those of a document."""
        self.by_scope = {freeze.scope: freeze for freeze in in_force}
        self._lifted = set(lifted)

    @property
    def in_force(self) -> list[Freeze]:
        """All freezes in force, one for each scope."""
        return list(self.by_scope.values())

    @property
    def lifted(self) -> list[str]:
        """The scopes of recorded freezes that have ended, sorted."""
        return sorted(self._lifted)

    def of(self, state: ProductState) -> Freeze | None:
        """The freeze that holds a product; None if there is none. Of several, the one with the narrowest scope."""
        freezes = self.by_scope
        category = state.catalogue.category if state.catalogue else None
        return (
            freezes.get(f"product:{state.product_id}")
            or (freezes.get(f"category:{category}") if category is not None else None)
            or freezes.get(EVERYTHING)
        )

    def set(self, freeze: Freeze) -> None:
        """Put a freeze in force, in place of the one of the same scope."""
        replaced = self.by_scope.get(freeze.scope)
        self.by_scope[freeze.scope] = freeze
        self.dirty = True
        self._lifted.discard(freeze.scope)
        if freeze.recorded:
            self._changes.append(FreezeChange(freeze.scope, freeze, replaced, freeze.set_at_ms))

    def lift(self, lift: FreezeLift) -> bool:
        """End a freeze. Returns True if it was in force."""
        ended = self.by_scope.pop(lift.scope, None)
        if ended is None:
            return False
        self.dirty = True
        if lift.recorded:
            self._lifted.add(lift.scope)
            self._changes.append(FreezeChange(lift.scope, None, ended, lift.event_time_ms))
        return True

    def report_again(self) -> None:
        """Report again all recorded freezes in force, and all that have ended, for a store that lost its data."""
        self._changes += [
            FreezeChange(freeze.scope, freeze, None, freeze.set_at_ms)
            for freeze in self.by_scope.values()
            if freeze.recorded
        ]
        self._changes += [FreezeChange(scope, None, None, 0) for scope in self.lifted]

    def take_changes(self) -> list[FreezeChange]:
        """The changes of recorded freezes since the last call."""
        changes, self._changes = self._changes, []
        return changes


def covers(scope: str, state: ProductState) -> bool:
    """True if a product is in the scope of a freeze."""
    category = state.catalogue.category if state.catalogue else None
    return scope in (EVERYTHING, f"product:{state.product_id}", f"category:{category}")


def hold(state: ProductState, freeze: Freeze, position: SourcePosition, scale: int) -> PriceDecision:
    """The decision for an event of a frozen product. Its demand and version are counted already. The price stays.
    scale: of the currency.

    A product without a price gets none: a late price is better than a wrong one."""
    state.held = True
    if state.price is not None and state.base_price is not None:
        inputs = PricingInputs(state.base_price, state.demand, state.catalogue)
        quote = quote_frozen(state.price, inputs, False, freeze.reason, scale)
        state.adjustments, state.price_source = quote.adjustments, source_of(quote)
    return state.to_decision(Cause.UNDER_FREEZE, position)


def release(
    state: ProductState,
    lift: FreezeLift,
    decider: Decider,
    *,
    freezes: Freezes,
    position: SourcePosition,
    now_ms: int,
) -> PriceDecision | None:
    """The decision for a product in the scope of a freeze that was lifted.

    If a signal came for the product during the freeze, and no other freeze and no override holds it, the product
    gets its price at once. All guardrails apply except the cooldown. Otherwise the result is None. The version
    counts in both cases, so that versions do not depend on the order in which topics are read."""
    free = state.held and state.override is None and freezes.of(state) is None
    if not free:
        if state.updated_at_ms:
            # It was decided before.
            state.version += 1
        return None
    state.held = False
    at_ms = lift.event_time_ms
    quote, source = quote_state(state, decider, None, at_ms, previous_price=state.price)
    record(state, quote, decider, source=source, event_time_ms=at_ms, now_ms=now_ms)
    return state.to_decision(Cause.FREEZE_LIFTED, position)
