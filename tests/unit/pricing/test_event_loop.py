"""The event loop and the plain form give the same results, over random signals."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from core.positions import SourcePosition
from core.room import UNBOUNDED
from pricing.batches import Change, ChangeBatch, EventBatch
from pricing.catalogue import CatalogueChange, CatalogueEntry
from pricing.commands import Freeze, FreezeLift, OverrideRemoval, PriceOverride
from pricing.decision import Cause, PriceDecision, PriceUpdate, encode_update
from pricing.events import ProductEvent
from pricing.policy import default_policy, parse_policy
from pricing.state.event_loop import EventNumbers, apply_event, price_events
from pricing.state.product import Decider, ProductState
from pricing.state.shard import Shard
from tests.support.shards import NOW_MS
from tests.support.signals import PRICES, T0, TYPES

DAY_MS = 86_400_000
TOPIC, PARTITION = "events", 3

POLICIES = st.sampled_from(
    [
        default_policy(),
        parse_policy("[demand]\nhalf_life_s = 3600"),
        parse_policy('[demand]\nlate_events = "count"'),
        parse_policy('[demand]\nlate_events = "count"\nhalf_life_s = 60\n[guardrails]\ncooldown_s = 5'),
        parse_policy(
            "[guardrails]\nfloor = 5\nceiling = 40\nmax_step_percent = 10\ncooldown_s = 5\nendings = [99, 49]"
        ),
        # These bounds need a catalogue entry, so some products cannot have them.
        parse_policy("[demand]\nhalf_life_s = 60\n[guardrails]\nfloor_margin = 0.2\nceiling_ratio = 3"),
    ]
)
PRODUCTS = st.sampled_from("ABC")
TIMES = st.integers(-5, 5).map(lambda days: T0 + days * DAY_MS // 3)
EVENTS = st.builds(ProductEvent, TYPES, PRODUCTS, TIMES, PRICES)
POSITION = SourcePosition("commands", 0, 7)
ENTRIES = st.builds(
    CatalogueEntry,
    product_id=st.just(""),
    name=st.just("Mug"),
    category=st.sampled_from(["kitchen", "toys"]),
    base_price=st.floats(1, 50),
    unit_cost=st.none() | st.floats(0, 30),
)
SCOPES = st.sampled_from(["all", "product:A", "category:kitchen"])


def change_of(product: str, entry: CatalogueEntry | None) -> CatalogueChange:
    named = None if entry is None else msgspec.structs.replace(entry, product_id=product)
    return CatalogueChange(product, named, T0, 1)


CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(change_of, PRODUCTS, st.none() | ENTRIES),
    st.builds(
        PriceOverride, PRODUCTS, st.just(12.0), st.just("r"), st.just("s"), TIMES, st.none(), st.just(POSITION)
    ),
    st.builds(OverrideRemoval, PRODUCTS, TIMES, st.just(2)),
    st.builds(Freeze, SCOPES, st.just("r"), st.just("s"), TIMES, st.just(POSITION), st.booleans()),
    st.builds(FreezeLift, SCOPES, TIMES, st.just(3), st.booleans()),
)
STEPS = st.lists(st.one_of(st.lists(EVENTS, min_size=1, max_size=6), CHANGES), max_size=12)


def states(shard: Shard) -> dict[str, Any]:
    """Return every field of every product."""
    return {name: msgspec.to_builtins(shard.get(name)) for name in "ABC" if shard.get(name) is not None}


def by_loop(shard: Shard, batch: EventBatch) -> list[tuple[Any, ...]]:
    """The decision of each event as readers see it, in order of offset."""
    events, unpriced = shard.apply_events(batch, NOW_MS)
    seen = [_seen(decision) for decision in unpriced]
    if events is not None:
        assert (events.topic, set(events.partitions), events.updated_at_ms) == (TOPIC, {PARTITION}, NOW_MS)
        rows = zip(events.offsets, events.keys, events.updates, events.day_opens, strict=True)
        for offset, key, update, day_open in rows:
            decoded = msgspec.json.decode(update, type=PriceUpdate)
            assert key.decode() == decoded.product_id
            seen.append((offset, Cause.EVENT, update, day_open, None))
    return sorted(seen, key=lambda each: each[0])


def by_plain_form(shard: Shard, batch: EventBatch) -> list[tuple[Any, ...]]:
    seen = []
    for offset, event in zip(batch.offsets, batch.events, strict=True):
        state = shard.products.setdefault(event.product_id, ProductState(event.product_id))
        decision = apply_event(
            state,
            event,
            shard.decider,
            shard._numbers,
            freezes=shard.freezes,
            position=SourcePosition(TOPIC, PARTITION, offset),
            now_ms=NOW_MS,
        )
        shard.clock.note(event.event_time_ms, NOW_MS)
        seen.append((decision, _seen(decision)))
    newest = {state.product_id: state.version for state in shard.products.values()}
    return [row for each, row in seen if each.cause != Cause.LATE or each.version == newest[each.product_id]]


def _seen(decision: PriceDecision) -> tuple[Any, ...]:
    update = None if decision.update is None else encode_update(decision.update)
    return decision.position.offset, decision.cause, update, decision.day_open, decision.override


@settings(max_examples=300)
@given(POLICIES, STEPS)
def test_the_loop_gives_what_the_plain_form_gives(policy: Any, steps: list[Any]) -> None:
    loop, plain = Shard(policy), Shard(policy)
    offset = 0
    for step in steps:
        if not isinstance(step, list):
            batch = ChangeBatch("changes", 0, [step])
            assert loop.apply(batch, NOW_MS) == plain.apply(batch, NOW_MS)
            continue
        offsets = list(range(offset, offset + 2 * len(step), 2))
        offset += 2 * len(step)
        keys = [event.product_id.encode() for event in step]
        events = EventBatch(TOPIC, [PARTITION] * len(offsets), offsets, keys, step)
        assert by_loop(loop, events) == by_plain_form(plain, events)
        assert states(loop) == states(plain)
        assert (loop.decider.alerts, loop.decider.causes) == (plain.decider.alerts, plain.decider.causes)


def test_the_loop_is_a_function_of_its_arguments() -> None:
    policy = default_policy()
    batch = EventBatch(TOPIC, [0], [4], [b"A"], [ProductEvent("cart", "A", T0, 10.0)])
    shard = Shard(policy)
    events, unpriced, refused = price_events(
        batch, [shard], Decider(policy), EventNumbers.of(policy), room=UNBOUNDED, now_ms=NOW_MS
    )
    assert (unpriced, refused) == ([], [])
    assert events is not None
    assert (events.offsets, events.keys, shard.products["A"].version) == ([4], [b"A"], 1)
