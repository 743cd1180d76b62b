"""A lane: the shards of one worker, as signals see them.

State is kept by shard, because shards move between processes. But the events of a poll are of many shards, and a
batch for each would cost more than its events. So a lane prices events of all its shards in one loop."""

from core.dead_letter import DeadLetter
from core.room import Room
from pricing.batches import EventBatch
from pricing.decision import PriceDecision, PricedEvents
from pricing.policy import PricingPolicy
from pricing.state.event_loop import EventNumbers, price_events
from pricing.state.product import Decider
from pricing.state.shard import Shard


class Lane:
    """The shards of one worker, by number. Belongs to the worker's thread. Held by `dataflows/steps/price.py`.

    decider: of events; its counts are those of all shards. room: for products, in the process."""

    def __init__(self, policy: PricingPolicy, room: Room) -> None:
        self.decider = Decider(policy)
        self._numbers = EventNumbers.of(policy)
        self._room = room
        self._shards: dict[int, Shard] = {}

    def hold(self, number: int, shard: Shard) -> None:
        """Take the signals of a shard. It must come before the first one."""
        self._shards[number] = shard

    def shard(self, number: int) -> Shard:
        """A shard of the lane."""
        return self._shards[number]

    def apply_events(
        self, batch: EventBatch, now_ms: int
    ) -> tuple[PricedEvents | None, list[PriceDecision], list[DeadLetter]]:
        """The results of a batch's events, each of any shard of the lane: see `price_events`."""
        shards = self._shards
        holders = [shards[number] for number in batch.shards]
        return price_events(batch, holders, self.decider, self._numbers, room=self._room, now_ms=now_ms)
