"""The hot path: the prices of a batch of events, in one loop.

`apply_event` is the plain form: the decision of one event, made by the functions that every other signal uses. The
loop of `price_events` does the same work inline, because a call costs as much as the work itself. It calls
`apply_event` only for products under an override or a freeze, and under a policy that uses signals. A property test
shows that both give equal results
over random signals (`tests/unit/pricing/test_event_loop.py`)."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from core.dead_letter import DeadLetter
from core.event_clock import EventClock
from core.positions import SourcePosition
from core.room import Room
from core.timestamps import DAY_MS
from pricing.batches import EventBatch
from pricing.decision import Cause, PriceDecision, PricedEvents, PriceSource, PriceUpdate, encode_update
from pricing.demand import accumulate
from pricing.engine import NO_GUARDRAILS, quote_dynamic, quote_rules
from pricing.events import ProductEvent
from pricing.external_events import ExternalEvents
from pricing.policy import PricingPolicy
from pricing.rules import PricingInputs
from pricing.state import freezes as frozen
from pricing.state import overrides
from pricing.state.admission import refuse
from pricing.state.freezes import Freezes
from pricing.state.product import Decider, ProductState, quote_now, record, source_of
from pricing.state.replay import Replay


class EventNumbers(msgspec.Struct, frozen=True):
    """Numbers of a policy that every event needs, looked up once. unguarded: the policy has no guardrails.
    late_count: a late event only counts. uses_signals: stock, clicks, competitors or a surge change prices."""

    weights: dict[str, float]
    half_life_ms: int | None
    unguarded: bool
    late_count: bool
    uses_signals: bool

    @classmethod
    def of(cls, policy: PricingPolicy) -> "EventNumbers":
        """The numbers of a policy."""
        weights: dict[str, float] = dict(policy.demand.weights.items())
        late_count = policy.demand.late_events == "count"
        unguarded = policy.guardrails == NO_GUARDRAILS
        return cls(weights, policy.demand.half_life_ms, unguarded, late_count, policy.uses_signals)


class EventHolder(Protocol):
    """The part of a shard that events change. products: by id. dirty: the products that changed since the last
    snapshot. replay: None once the shard has settled. clock: of the shard's event time. external: its external
    events. version_base: the version of a product before its first change."""

    products: dict[str, ProductState]
    dirty: dict[str, None]
    freezes: Freezes
    replay: Replay | None
    clock: EventClock
    external: ExternalEvents

    @property
    def version_base(self) -> int: ...


def apply_event(
    state: ProductState,
    event: ProductEvent,
    decider: Decider,
    numbers: EventNumbers,
    *,
    freezes: Freezes,
    position: SourcePosition,
    now_ms: int,
) -> PriceDecision:
    """The decision of one event, which is also written into `state`. now_ms: processing time, UTC milliseconds."""
    weight, event_time_ms = numbers.weights[event.event_type], event.event_time_ms
    if numbers.half_life_ms is None:
        state.demand += weight
    else:
        state.demand, state.demand_time_ms = accumulate(
            state.demand, state.demand_time_ms, weight, event_time_ms, numbers.half_life_ms
        )
        state.event_position, state.aged_demand = position, None
    if numbers.late_count and event_time_ms < state.base_time_ms:
        return _count_late(state, decider, position, now_ms)
    state.event_price = event.price
    state.base_time_ms = event_time_ms
    freeze = freezes.of(state)
    if state.override is not None or freeze is not None:
        state.version += 1
        state.event_time_ms, state.updated_at_ms = event_time_ms, now_ms
        if state.override is not None or freeze is None:
            return overrides.hold(state, position, decider.policy.scale)
        return frozen.hold(state, freeze, position, decider.policy.scale)
    inputs = state.inputs_at(decider, aged=False)
    assert inputs is not None
    quote = quote_now(state, inputs, decider, event_time_ms)
    state.held = False
    record(state, quote, decider, source=source_of(quote), event_time_ms=event_time_ms, now_ms=now_ms, aged=False)
    return state.to_decision(Cause.EVENT, position)


def _count_late(state: ProductState, decider: Decider, position: SourcePosition, now_ms: int) -> PriceDecision:
    """The decision for a late event that only counts. Its demand is counted already. Price and event time stay."""
    decider.causes[Cause.LATE] += 1
    state.version += 1
    state.updated_at_ms = now_ms
    return state.to_decision(Cause.LATE, position)


def price_events(
    batch: EventBatch,
    holders: Sequence[EventHolder],
    decider: Decider,
    numbers: EventNumbers,
    *,
    room: Room,
    now_ms: int,
) -> tuple[PricedEvents | None, list[PriceDecision], list[DeadLetter]]:
    """The prices of a batch's events, in its order (None if there are none), the decisions of the events that get
    no new price, and letters for the events that would make one product too many.

    An event gets no new price if its product is under an override or a freeze, if it is late and only counts, or if
    the product's bounds are unusable before its first price. Of late events, only one that is the last of its
    product has a decision. holders: the shard of each event; it gets the products that it does not have yet.
    now_ms: processing time, UTC milliseconds."""
    weights, half_life_ms, unguarded = numbers.weights, numbers.half_life_ms, numbers.unguarded
    late_count = numbers.late_count
    policy, policy_version = decider.policy, decider.policy.version
    dynamic, base, uses_signals = PriceSource.DYNAMIC, PriceSource.BASE, numbers.uses_signals
    updates: list[bytes] = []
    day_opens: list[float | None] = []
    unpriced: dict[int, PriceDecision] = {}
    refused: list[int] = []
    price: float | None
    for event, holder in zip(batch.events, holders, strict=True):
        product_id = event.product_id
        event_time_ms = event.event_time_ms
        products = holder.products
        state = products.get(product_id)
        if state is None:
            if not room.take():
                refused.append(len(updates) + len(unpriced) + len(refused))
                continue
            state = products[product_id] = ProductState(product_id, version=holder.version_base)
        holder.dirty[product_id] = None
        if holder.replay is not None:
            index = len(updates) + len(unpriced) + len(refused)
            holder.replay.note_event(state, batch.position(index))
        if uses_signals or state.override is not None or (holder.freezes.by_scope and holder.freezes.of(state)):
            index = len(updates) + len(unpriced) + len(refused)
            position = batch.position(index)
            holder.clock.note(event_time_ms, now_ms)
            decider.at_s, decider.external = holder.clock.at_ms(now_ms) // 1000, holder.external
            unpriced[index] = apply_event(
                state, event, decider, numbers, freezes=holder.freezes, position=position, now_ms=now_ms
            )
            continue
        if half_life_ms is None:
            state.demand = demand = state.demand + weights[event.event_type]
        else:
            demand, state.demand_time_ms = accumulate(
                state.demand, state.demand_time_ms, weights[event.event_type], event_time_ms, half_life_ms
            )
            state.demand, state.aged_demand = demand, None
            state.event_position = batch.position(len(updates) + len(unpriced) + len(refused))
        if late_count and event_time_ms < state.base_time_ms:
            index = len(updates) + len(unpriced) + len(refused)
            position = batch.position(index)
            unpriced[index] = _count_late(state, decider, position, now_ms)
            continue
        state.event_price = event.price
        state.base_time_ms = event_time_ms
        state.version = version = state.version + 1
        state.event_time_ms = event_time_ms
        state.updated_at_ms = now_ms
        previous = state.price
        inputs = PricingInputs(event.price, demand, state.catalogue)
        if unguarded:
            _, price, adjustments = quote_rules(inputs, policy)
        else:
            quote = quote_dynamic(
                inputs,
                policy,
                previous,
                previous_price=previous,
                changed_at_ms=state.changed_at_ms,
                event_time_ms=event_time_ms,
                direction=state.direction,
            )
            decider.note(quote)
            price, adjustments = quote.price, quote.adjustments
        if price != previous:
            if price is not None and previous is not None:
                state.direction = 1 if price > previous else -1
            state.price = price
            state.changed_at_ms = event_time_ms
        day = event_time_ms // DAY_MS
        if day > state.day and price is not None:
            state.day, state.day_open = day, price if previous is None else previous
        if state.held:
            state.held = False
        state.previous_price = previous
        state.price_source = source = dynamic if len(adjustments) > 1 else base
        state.adjustments = adjustments
        state.policy = policy_version
        if price is None:
            index = len(updates) + len(unpriced) + len(refused)
            position = batch.position(index)
            unpriced[index] = state.to_decision(Cause.EVENT, position)
            continue
        update = PriceUpdate(
            product_id,
            price,
            event_time_ms // 1000,
            version,
            previous,
            demand,
            source,
            event_time_ms,
            policy_version,
            adjustments,
        )
        updates.append(encode_update(update))
        day_opens.append(state.day_open)
    of = batch
    if unpriced or refused:
        skipped = {*unpriced, *refused}
        priced = [index for index in range(len(batch.offsets)) if index not in skipped]
        of = batch.only(priced) if priced else batch
    events = PricedEvents(batch.topic, of.partitions, now_ms, of.offsets, of.keys, updates, day_opens)
    decisions = list(unpriced.values())
    if late_count and unpriced:
        # A store takes the newest of a product, which may be the price of a later event.
        newest = {event.product_id: holder for event, holder in zip(batch.events, holders, strict=True)}
        decisions = [
            d
            for d in decisions
            if d.cause != Cause.LATE or d.version == newest[d.product_id].products[d.product_id].version
        ]
    letters = [refuse(batch.position(index), batch.values, index) for index in refused]
    return (events if updates else None), decisions, letters
