"""Overrides: a price that a person set, from its start to its end."""

import heapq
from collections.abc import Iterator

from core.money import cents_between, to_cents
from core.positions import SourcePosition
from pricing.commands import Freeze, PriceOverride
from pricing.decision import Adjustment, Cause, OverrideEnd, PriceDecision, PriceSource
from pricing.engine import BASE_REASON, Quote, quote_base, quote_dynamic, quote_frozen, quote_override
from pricing.state.product import Decider, ProductState, record


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


def set_override(state: ProductState, override: PriceOverride, decider: Decider, now_ms: int) -> PriceDecision:
    """Make an override the active one. Returns the decision; its `ended` is the replaced override."""
    replaced = state.override
    ended = OverrideEnd(replaced, override.set_at_ms) if replaced else None
    state.override = override
    quote = quote_override(
        override.override_price,
        override.reason,
        inputs=state.inputs,
        from_catalogue=state.event_price is None,
        policy=decider.policy,
        last_good_price=state.price,
    )
    source = PriceSource.OVERRIDE
    record(state, quote, decider, source=source, event_time_ms=override.set_at_ms, now_ms=now_ms)
    return state.to_decision(Cause.OVERRIDE_SET, override.position, ended=ended)


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
    source = PriceSource.DYNAMIC if state.event_price is not None else PriceSource.BASE
    quote = _quote_after(state, decider, freeze, at_ms)
    record(state, quote, decider, source=source, event_time_ms=at_ms, now_ms=now_ms)
    return state.to_decision(cause, position, ended=ended)


def _quote_after(state: ProductState, decider: Decider, freeze: Freeze | None, at_ms: int) -> Quote:
    inputs, policy = state.inputs, decider.policy
    if inputs is None:
        return Quote(None, [])
    if freeze is not None and state.price is not None:
        return quote_frozen(state.price, inputs, state.event_price is None, freeze.reason)
    if state.event_price is not None:
        # Without step and cooldown, so that the right price is back at once.
        return quote_dynamic(
            inputs, policy, state.price, previous_price=None, changed_at_ms=None, event_time_ms=at_ms
        )
    return quote_base(inputs, policy, state.price)


def is_over(override: PriceOverride, at_ms: int) -> bool:
    """True if an override ends at a time that is not after `at_ms`."""
    return override.expires_at_ms is not None and override.expires_at_ms <= at_ms


def hold(state: ProductState, position: SourcePosition) -> PriceDecision:
    """The decision for an event of a product under an override. Its demand and version are counted already.

    The price stays. The new event's price becomes the base, so the override's amount is adjusted to the
    difference."""
    assert state.event_price is not None
    if state.price is not None:
        base, override, *bounds = state.adjustments
        amount = to_cents(state.event_price)
        difference = cents_between(override.amount + base.amount, amount)
        state.adjustments = [
            Adjustment("base", amount, BASE_REASON),
            Adjustment(override.rule, difference, override.reason),
            *bounds,
        ]
    return state.to_decision(Cause.UNDER_OVERRIDE, position)
