"""The CPU time of an event in decoding, pricing and encoding, as a multiple of a bare loop in the same run. It is
coarse and cheap enough for CI. It shows a change that doubles the cost, and a busy machine does not disturb it."""

import random
import time
from collections.abc import Callable
from math import sqrt

import msgspec

from benchmarks.rows.loop import WEIGHTS, Event, Update
from connectors.decode.pricing import SignalKind
from connectors.kafka import RawBatch
from core.placement import Placement
from core.room import UNBOUNDED
from dataflows.steps.decode import Decoding
from pricing.batches import EventBatch
from pricing.decision import to_priced
from pricing.policy import default_policy
from pricing.state.lane import Lane
from pricing.state.shard import Shard
from sinks.history.pricing import encode_history
from sinks.kafka.pricing import encode_updates
from sinks.redis.pricing import encode_latest

EVENTS = 10_000
PRODUCTS = 500
SHARDS = 16
ROUNDS = 9
NOW_MS = 1_700_000_000_000


Message = tuple[bytes, bytes]
"""Key and value."""


def make_messages() -> list[Message]:
    """Make `EVENTS` messages of `PRODUCTS` products; the same in every run."""
    chance = random.Random(7)
    messages = []
    for offset in range(EVENTS):
        name = f"product-{chance.randrange(PRODUCTS):07d}"
        value = (
            f'{{"event_type": "{chance.choice(tuple(WEIGHTS))}", "product_id": "{name}", "timestamp":'
            f' {1_700_000_000 + offset}, "price": {chance.randrange(100, 100_000) / 100}, "user_id": "user-000001",'
            f' "quantity": 1}}'
        )
        messages.append((name.encode(), value.encode()))
    return messages


def bare_loop(messages: list[Message]) -> int:
    """Decode each message, add up demand, encode an update. Returns the number of bytes encoded."""
    decode, encode_json = msgspec.json.Decoder(Event).decode, msgspec.json.Encoder().encode
    state: dict[str, tuple[float, int, float | None]] = {}
    size = 0
    for _, value in messages:
        event = decode(value)
        demand, version, previous = state.get(event.product_id, (0.0, 0, None))
        demand += WEIGHTS[event.event_type]
        price = round(event.price + 5 * sqrt(demand), 2)
        state[event.product_id] = (demand, version + 1, price)
        update = Update(event.product_id, price, event.timestamp, version + 1, previous, demand)
        size += len(encode_json(update))
    return size


def whole_path(messages: list[Message]) -> int:
    """Run the steps of the flow between source and sinks. Returns a number above 0."""
    keys, values = zip(*messages, strict=True)
    count = len(messages)
    raw = RawBatch("events", [0] * count, list(range(count)), list(keys), list(values), [NOW_MS] * count)
    decode = Decoding({"events": SignalKind.PRODUCT_EVENTS}, SHARDS, Placement())
    lane = Lane(default_policy(), UNBOUNDED)
    shards = {number: Shard(default_policy()) for number in range(SHARDS)}
    for number, shard in shards.items():
        lane.hold(number, shard)
    size = 0
    for _, batch in decode([raw]):
        if isinstance(batch, EventBatch):
            events, decisions, _ = lane.apply_events(batch, NOW_MS)
            priced = to_priced(decisions, events=events)
            size += len(encode_updates(priced))
            size += bool(encode_latest(priced)) + bool(encode_history(priced))
    for each in shards.values():
        each.changes()
    return size


def cost_s(work: Callable[[list[Message]], int], messages: list[Message]) -> float:
    """Return the CPU time of this process for one call of `work`, in seconds."""
    started = time.process_time()
    assert work(messages)
    return time.process_time() - started


def ratio() -> float:
    """Return the CPU time of the whole path divided by that of the bare loop. Both run in turns, and the shortest
    time of each counts."""
    messages = make_messages()
    rounds = [(cost_s(whole_path, messages), cost_s(bare_loop, messages)) for _ in range(ROUNDS)]
    return min(whole for whole, _ in rounds) / min(bare for _, bare in rounds)


if __name__ == "__main__":
    print(f"{ratio():.2f} times a bare loop")
