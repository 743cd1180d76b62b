"""A plain runner: the steps of the pricing flow in a loop, without Bytewax.

The steps are plain objects that take and give lists, so they run without an engine. This runner has three uses.
Tests compare the flow's output with its output. It measures the cost of the engine alone. It shows that another
engine could run the steps (docs/decisions/0017)."""

from collections.abc import Mapping
from functools import partial

from clients.kafka_producer import Record
from connectors.decode.pricing import SignalKind
from connectors.decode.signals import ProductSignalKind
from connectors.kafka import CaughtUp, RawBatch
from core.placement import Placement
from core.work import RefillRequest
from dataflows.steps.clock import Clock, wall_clock_ms
from dataflows.steps.decode import Decoding
from dataflows.steps.encode import Encode, encode_rows, letters_encoder
from dataflows.steps.price import PricingStep, Work
from dataflows.steps.room import product_room
from dataflows.workers import PerWorker
from pricing.policy import PricingPolicy
from pricing.state.lane import Lane
from sinks.base.fan_out import Rows
from sinks.base.outgoing import Outgoing
from sinks.history.pricing import encode_history
from sinks.kafka.pricing import encode_updates
from sinks.redis.keys import RedisRow
from sinks.redis.pricing import encode_latest

Item = RawBatch | tuple[str, CaughtUp] | tuple[str, RefillRequest]


class PlainRunner:
    """The steps of the flow as one worker. `feed` takes the items of a source; `updates`, `latest`, `history` and
    `letters` keep the rows of each sink. A snapshot is made only on request."""

    def __init__(
        self,
        policy: PricingPolicy,
        kinds: Mapping[str, SignalKind | ProductSignalKind],
        shards: int,
        *,
        clock: Clock = wall_clock_ms,
        resume: Mapping[str, bytes | None] | None = None,
        updates_only: bool = False,
    ) -> None:
        self._clock = clock
        self._resume = resume or {}
        self._decoding = Decoding(kinds, shards, Placement())
        self._pricing: dict[str, PricingStep] = {}
        self.updates: list[Outgoing[Record]] = []
        self.latest: list[Outgoing[RedisRow]] = []
        self.history: list[Outgoing[bytes]] = []
        self.letters: list[Outgoing[Record]] = []
        encoders: list[Encode] = [encode_updates]
        if not updates_only:
            encoders += [encode_latest, encode_history, letters_encoder(clock)]
        room = product_room(10**9)
        self._make_step = partial(
            PricingStep,
            policy,
            lanes=PerWorker(partial(Lane, policy, room)),
            clock=clock,
            room=room,
            encode=partial(encode_rows, encoders=encoders),
        )

    def feed(self, item: Item) -> None:
        """Run one item through all steps, then the timers that are due."""
        for key, work in self._decoding([item]):
            self._price(key, work)
        self.fire_timers()

    def fire_timers(self) -> None:
        """Run the timers that are due on the clock."""
        for step in self._pricing.values():
            due = step.notify_at()
            if due is not None and due.timestamp() * 1000 <= self._clock():
                self._keep(step.on_notify()[0])

    def snapshot(self) -> dict[str, bytes | None]:
        """Return the state of every key, for `resume`."""
        return {key: step.snapshot() for key, step in self._pricing.items()}

    def _price(self, key: str, value: Work) -> None:
        step = self._pricing.get(key)
        if step is None:
            step = self._pricing[key] = self._make_step(self._resume.get(key))
        self._keep(step.on_batch([value])[0])

    def _keep(self, results: list[Rows]) -> None:
        for result in results:
            sinks = (self.updates, self.latest, self.history, self.letters)
            for sink, rows in zip(sinks, result.of_sink, strict=False):
                if rows:
                    sink.append(Outgoing(result.kafka_time_ms, rows))  # type: ignore[attr-defined]
