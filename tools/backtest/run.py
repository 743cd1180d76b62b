"""A run: the recording under one policy, with the state and the rules of the flow."""

from collections import Counter
from collections.abc import Callable

import msgspec

from core.room import UNBOUNDED
from pricing.batches import ChangeBatch, EventBatch
from pricing.catalogue import CatalogueChange
from pricing.decision import PriceUpdate
from pricing.guardrails import GUARDRAILS
from pricing.policy import PricingPolicy
from pricing.state.lane import Lane
from pricing.state.shard import Shard
from tools.backtest.recording import Recorded, Recording

GUARDRAIL_NAMES = frozenset(name for name, _, _ in GUARDRAILS)
TOLD_EVERY = 2_000
"""Events between two reports of progress."""

_decode_update = msgspec.json.Decoder(PriceUpdate).decode


class Sold(msgspec.Struct):
    """The sales of one product. revenue: at the prices of the policy. base: at the recorded prices. units_elastic,
    revenue_elastic: as if customers reacted to the price. unit_cost: None if it is not known."""

    units: float = 0.0
    revenue: float = 0.0
    base: float = 0.0
    units_elastic: float = 0.0
    revenue_elastic: float = 0.0
    unit_cost: float | None = None


class Outcome(msgspec.Struct):
    """The result of a run. decisions: prices decided. changes: those that differ from the one before. moved: the
    sum of the changes in per cent, without sign. hits: decisions that a guardrail has shaped, by guardrail.
    unusable: decisions without a price, because of a bound. path: of the watched products, event time in UTC
    milliseconds and price."""

    name: str
    policy: PricingPolicy
    decisions: int = 0
    changes: int = 0
    moved: float = 0.0
    hits: Counter[str] = msgspec.field(default_factory=Counter)
    unusable: int = 0
    sold: dict[str, Sold] = msgspec.field(default_factory=dict)
    path: dict[str, list[tuple[int, float]]] = msgspec.field(default_factory=dict)


def run(
    name: str,
    policy: PricingPolicy,
    recording: Recording,
    *,
    elasticity: float,
    cost_share: float | None,
    watched: frozenset[str] = frozenset(),
    progress: Callable[[int], None] = lambda events: None,
) -> Outcome:
    """Price a recording. Deterministic. Customers pay the price in force before their own purchase is counted.

    elasticity: the quantity is multiplied with `(price / recorded price) ** -elasticity`. cost_share: the unit cost
    of products without one, as a share of the recorded price; None for not known. watched: products whose prices
    are kept."""
    shard, outcome = Shard(policy), Outcome(name, policy)
    shard.settle(was_resumed=False, execution=0)
    lane = Lane(policy, UNBOUNDED)
    lane.hold(0, shard)
    start_ms = recording.events[0].event.event_time_ms if recording.events else 0
    costs = {entry.product_id: entry.unit_cost for entry in recording.entries}
    changes = [CatalogueChange(entry.product_id, entry, start_ms, 0) for entry in recording.entries]
    shard.apply(ChangeBatch("catalogue", 0, list(changes)), start_ms)
    for number, recorded in enumerate(recording.events):
        event = recorded.event
        if (due_ms := lane.next_due_ms()) is not None and due_ms <= event.event_time_ms:
            for decision in lane.pass_time(event.event_time_ms):
                if decision.update is not None:
                    _count(outcome, decision.update, watched)
        if recorded.quantity:
            unit_cost = costs.get(event.product_id)
            if unit_cost is None and cost_share is not None:
                unit_cost = event.price * cost_share
            _sell(outcome, recorded, shard, elasticity, unit_cost)
        batch = EventBatch("events", [0], [number], [event.product_id.encode()], [event], 0, [None], [0])
        priced, unpriced, _ = lane.apply_events(batch, event.event_time_ms)
        for update in priced.updates if priced else ():
            _count(outcome, _decode_update(update), watched)
        for decision in unpriced:
            outcome.unusable += decision.update is None
            if decision.update is not None and decision.cause == "event":
                _count(outcome, decision.update, watched)
        if number % TOLD_EVERY == 0:
            progress(number)
    progress(len(recording.events))
    return outcome


def _count(outcome: Outcome, update: PriceUpdate, watched: frozenset[str]) -> None:
    outcome.decisions += 1
    before = update.previous_price
    if before is not None and before != update.new_price:
        outcome.changes += 1
        outcome.moved += abs(update.new_price / before - 1) * 100
    outcome.hits.update({each.rule for each in update.adjustments} & GUARDRAIL_NAMES)
    if update.product_id in watched:
        outcome.path.setdefault(update.product_id, []).append((update.event_time_ms, update.new_price))


def _sell(
    outcome: Outcome,
    recorded: Recorded,
    shard: Shard,
    elasticity: float,
    unit_cost: float | None,
) -> None:
    event = recorded.event
    sold = outcome.sold.setdefault(event.product_id, Sold())
    state = shard.get(event.product_id)
    # Before its first price, a product is sold at the recorded one.
    price = event.price if state is None or state.price is None else state.price
    elastic = recorded.quantity * (price / event.price) ** -elasticity
    sold.units += recorded.quantity
    sold.revenue += price * recorded.quantity
    sold.base += event.price * recorded.quantity
    sold.units_elastic += elastic
    sold.revenue_elastic += price * elastic
    if sold.unit_cost is None:
        sold.unit_cost = unit_cost
