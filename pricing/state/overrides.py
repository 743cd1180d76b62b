"""Overrides: a price that a person set, from its start to its end."""

import heapq
from collections.abc import Iterator

from core.money import difference, round_money
from core.positions import SourcePosition
from pricing.commands import Freeze, PriceOverride
from pricing.decision import Adjustment, Cause, OverrideEnd, PriceDecision
from pricing.engine import BASE_REASON
from pricing.state.product import Decider, ProductState, quote_state, record


class Expiries:
    """The ends of overrides, in order of time. Belongs to the thread of its shard. It may hold ends of overrides
    that have been replaced or removed since."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []

    def watch(self, override: PriceOverride) -> None:
        """Add the end of an override, if it has one."""
        if override.expires_at_ms is not None:
            heapq.heappush(self._heap, (override.expires_at_ms, override.product_id))

    def next_ms(self) -> int | None:
        """The time of the next end, UTC milliseconds; None if there is none. It may be early, never late."""
        return self._heap[0][0] if self._heap else None

    def take(self, now_ms: int) -> Iterator[tuple[int, str]]:
        """Remove every end that is not after `now_ms`. Yields its time and its product."""
        while self._heap and self._heap[0][0] <= now_ms:
            yield heapq.heappop(self._heap)


def set_override(
    state: ProductState, override: PriceOverride, decider: Decider, now_ms: int, *, was_over: bool = False
) -> PriceDecision:
    """Make an override the active one. Returns the decision; its `ended` is the replaced override. was_over: it
    ended before it was read, so readers must not see its price."""
    replaced = state.override
    ended = OverrideEnd(replaced, override.set_at_ms) if replaced else None
    state.override = override
    at_ms = override.set_at_ms
    quote, source = quote_state(state, decider, None, at_ms, previous_price=None, aged=False)
    record(state, quote, decider, source=source, event_time_ms=at_ms, now_ms=now_ms, aged=False)
    return state.to_decision(Cause.OVERRIDE_SET, override.position, ended=ended, is_over=was_over)


def end_override(
    state: ProductState,
    decider: Decider,
    *,
    freeze: Freeze | None,
    cause: str,
    position: SourcePosition,
    at_ms: int,
    now_ms: int,
) -> PriceDecision:
    """End the active override, by a command or by time. Returns the decision. freeze: the one that holds the
    product, if any. at_ms: time of the end, UTC milliseconds."""
    assert state.override is not None
    ended = OverrideEnd(state.override, at_ms)
    state.override = None
    state.held = freeze is not None
    # Without step and cooldown, so that the right price is back at once.
    quote, source = quote_state(state, decider, freeze, at_ms, previous_price=None)
    record(state, quote, decider, source=source, event_time_ms=at_ms, now_ms=now_ms)
    return state.to_decision(cause, position, ended=ended)


def is_over(override: PriceOverride, at_ms: int) -> bool:
    """True if an override ends at a time that is not after `at_ms`."""
    return override.expires_at_ms is not None and override.expires_at_ms <= at_ms


def hold(state: ProductState, position: SourcePosition, scale: int) -> PriceDecision:
    """The decision for an event of a product under an override. Its demand and version are counted already.

    The price stays. The new event's price becomes the base, so the override's amount is adjusted to the
    difference. scale: of the currency."""
    assert state.event_price is not None
    if state.price is not None and state.adjustments[1:]:
        base, override, *bounds = state.adjustments
        amount = round_money(state.event_price, scale)
        over = difference(override.amount + base.amount, amount, scale)
        state.adjustments = [
            Adjustment("base", amount, BASE_REASON),
            Adjustment(override.rule, over, override.reason),
            *bounds,
        ]
    return state.to_decision(Cause.UNDER_OVERRIDE, position)
