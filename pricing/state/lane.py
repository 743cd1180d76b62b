"""A lane: the shards of one worker, as signals see them.

State is kept by shard, because shards move between processes. But the events of a poll are of many shards, and a
batch for each would cost more than its events. So a lane prices events of all its shards in one loop."""

from collections.abc import Iterable

from core.dead_letter import DeadLetter
from core.room import Room
from pricing.batches import EventBatch, SignalBatch
from pricing.decision import PriceDecision, PricedEvents
from pricing.policy import PricingPolicy
from pricing.signals import ShownSignals
from pricing.state.admission import refuse
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
        # By shard, the processing time at which time alone may change something; not of those that have changed.
        self._dues_ms: dict[int, int] = {}
        self._changed: set[int] = set()
        # Time alone may change something in a shard.
        self._is_timed = self.decider.decays or self.decider.uses_surge

    def hold(self, number: int, shard: Shard) -> None:
        """Take the signals of a shard. It must come before the first one."""
        self._shards[number] = shard
        self._changed.add(number)
        self._is_timed = self._is_timed or shard.signals.is_timed

    def shard(self, number: int) -> Shard:
        """A shard of the lane, to be changed."""
        self._changed.add(number)
        return self._shards[number]

    def apply_events(
        self, batch: EventBatch, now_ms: int
    ) -> tuple[PricedEvents | None, list[PriceDecision], list[DeadLetter]]:
        """The results of a batch's events, each of any shard of the lane: see `price_events`."""
        shards = self._shards
        holders = [shards[number] for number in batch.shards]
        priced = price_events(batch, holders, self.decider, self._numbers, room=self._room, now_ms=now_ms)
        newest: dict[int, int] = {}
        for event, number in zip(batch.events, batch.shards, strict=True):
            if event.event_time_ms > newest.get(number, 0):
                newest[number] = event.event_time_ms
        for number, event_time_ms in newest.items():
            shard = shards[number]
            at_ms = shard.clock.note(event_time_ms, now_ms)
            shard.decider.at_s = at_ms // 1000
        if self._is_timed:
            self._changed.update(newest)
        if self.decider.decays:
            for event, number in zip(batch.events, batch.shards, strict=True):
                shards[number].signals.note_event(event.product_id)
        return priced

    def apply_signals(self, batch: SignalBatch, now_ms: int) -> tuple[list[PriceDecision], list[DeadLetter]]:
        """The decisions of a batch's signals, each of any shard of the lane, in order, and letters for those that
        would make one product too many."""
        decisions: list[PriceDecision] = []
        letters: list[DeadLetter] = []
        if not self._is_timed:
            self._is_timed = True
            self._changed.update(self._shards)
        self._changed.update(batch.shards)
        for index, (signal, number) in enumerate(zip(batch.signals, batch.shards, strict=True)):
            shard, position = self._shards[number], batch.position(index)
            if signal.product_id not in shard.products and not self._room.take():
                letters.append(refuse(position, batch.values, index))
                continue
            decisions += shard.signals.apply(signal, position, now_ms)
        return decisions, letters

    def pass_time(self, now_ms: int) -> list[PriceDecision]:
        """The decisions of all that has run out by now, in all shards."""
        self._changed.update(self._shards)
        return [each for shard in self._shards.values() for each in shard.signals.pass_time(now_ms)]

    def next_due_ms(self) -> int | None:
        """As of a shard: the earliest of all."""
        if not self._is_timed:
            return None
        for number in self._changed:
            due_ms = self._shards[number].signals.next_due_ms()
            if due_ms is None:
                self._dues_ms.pop(number, None)
            else:
                self._dues_ms[number] = due_ms
        self._changed.clear()
        return min(self._dues_ms.values(), default=None)

    def take_shown(self, now_ms: int, numbers: Iterable[int] | None = None) -> list[ShownSignals]:
        """As of a shard: those of some shards, by default of all."""
        shown: list[ShownSignals] = []
        for number in self._shards if numbers is None else numbers:
            shown += self._shards[number].signals.take_shown(now_ms)
        return shown
