"""Rows for Redis: rows made from columns of events equal those made from their decisions."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pricing.batches import EventBatch
from pricing.decision import PriceDecision, encode_update
from pricing.policy import default_policy
from pricing.state.shard import Shard
from sinks.redis.pricing import encode_events, encode_rows
from tests.support.shards import NOW_MS, apply
from tests.support.signals import PRICES, event

DAY_MS = 86_400_000


@given(st.lists(st.tuples(st.sampled_from("ABC"), PRICES, st.integers(0, 2)), min_size=1, max_size=10))
def test_the_quick_rows_of_events_are_the_newest_of_their_decisions(steps: list[tuple[str, float, int]]) -> None:
    events = [event(price, at_ms=DAY_MS * (20_000 + day), product=name) for name, price, day in steps]
    keys = [each.product_id.encode() for each in events]
    batch = EventBatch("events", [0] * len(events), list(range(len(events))), keys, events)
    priced, _ = Shard(default_policy()).apply_events(batch, NOW_MS)
    assert priced is not None
    newest: dict[str, PriceDecision] = {each.product_id: each for each in apply(Shard(default_policy()), *events)}
    expected = {}
    for decision in newest.values():
        assert decision.update is not None
        ((name, row),) = encode_rows(decision, encode_update(decision.update))
        expected[name] = msgspec.json.decode(row)
    assert {name: msgspec.json.decode(row) for name, row in encode_events(priced).items()} == expected
