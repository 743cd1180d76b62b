"""A plain runner: the steps of the pricing flow in a loop, without Bytewax.

The steps are plain objects that take and give lists, so they run without an engine. This runner has three uses.
Tests compare the flow's output with its output. It measures the cost of the engine alone. It shows that another
engine could run the steps (docs/decisions/0017)."""

from collections.abc import Mapping

from clients.kafka_producer import Record
from connectors.decode.pricing import SignalKind
from connectors.kafka import CaughtUp, RawBatch
from dataflows.steps.decode import DecodingStep
from dataflows.steps.encode import outgoing, outgoing_letters
from dataflows.steps.price import Clock, PricingStep, Work, wall_clock_ms
from pricing.batches import RefillRequest
from pricing.decision import Priced
from pricing.policy import PricingPolicy
from sinks.base.outgoing import Outgoing
from sinks.history.pricing import encode_history
from sinks.kafka.pricing import encode_updates
from sinks.redis.keys import RedisRow
from sinks.redis.pricing import encode_latest


class PlainRunner:
    """The steps of the flow as one worker. `feed` takes the items of a source; `updates`, `latest`, `history` and
    `letters` keep the items of each sink. A snapshot is made only on request."""

    def __init__(
        self,
        policy: PricingPolicy,
        kinds: Mapping[str, SignalKind],
        shards: int,
        *,
        clock: Clock = wall_clock_ms,
        resume: Mapping[str, bytes] | None = None,
        updates_only: bool = False,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._resume = resume or {}
        self._updates_only = updates_only
        self._decoding = DecodingStep(kinds, shards)
        self._pricing: dict[str, PricingStep] = {}
        self._encode_letters = outgoing_letters(clock)
        self._encode_updates = outgoing(encode_updates)
        self._encode_latest = outgoing(encode_latest)
        self._encode_history = outgoing(encode_history)
        self.updates: list[tuple[str, Outgoing[Record]]] = []
        self.latest: list[tuple[str, Outgoing[RedisRow]]] = []
        self.history: list[tuple[str, Outgoing[bytes]]] = []
        self.letters: list[tuple[str, Outgoing[Record]]] = []

    def feed(self, item: tuple[str, RawBatch | CaughtUp | RefillRequest]) -> None:
        """Run one item through all steps, then the timers that are due."""
        shard, value = item
        if not isinstance(value, RawBatch):
            self._price(shard, value)
        else:
            for decoded in self._decoding.on_batch([value])[0]:
                if letters := self._encode_letters((shard, decoded)):
                    self.letters.append(letters)
                for owner, batch in decoded.batches:
                    self._price(owner, batch)
        self.fire_timers()

    def fire_timers(self) -> None:
        """Run the timers that are due on the clock."""
        for shard, step in self._pricing.items():
            due = step.notify_at()
            if due is not None and due.timestamp() * 1000 <= self._clock():
                for priced in step.on_notify()[0]:
                    self._encode(shard, priced)

    def snapshot(self) -> dict[str, bytes]:
        """Return the state of every shard, for `resume`."""
        return {shard: step.snapshot() for shard, step in self._pricing.items()}

    def _price(self, shard: str, value: Work) -> None:
        step = self._pricing.get(shard)
        if step is None:
            step = self._pricing[shard] = PricingStep(self._policy, self._resume.get(shard), clock=self._clock)
        for priced in step.on_batch([value])[0]:
            self._encode(shard, priced)

    def _encode(self, shard: str, priced: Priced) -> None:
        if updates := self._encode_updates((shard, priced)):
            self.updates.append(updates)
        if self._updates_only:
            return
        if latest := self._encode_latest((shard, priced)):
            self.latest.append(latest)
        if history := self._encode_history((shard, priced)):
            self.history.append(history)
