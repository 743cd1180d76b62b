"""The shell of the decoding steps: from messages to items with keys. Signals go to lanes: one item for each worker,
and a `Touched` for each shard."""

import abc
from collections.abc import Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import telemetry
from connectors.kafka import RawBatch
from core.dead_letter import DeadLetter
from core.placement import Placement
from core.positions import topic_of
from core.work import Refused, Touched
from dataflows.workers import PerWorker


class Batch(Protocol):
    """Signals of one topic. kafka_time_ms: Kafka's time stamp of the first one. shards: of each signal."""

    @property
    def kafka_time_ms(self) -> int: ...

    @property
    def shards(self) -> Sequence[int]: ...

    def only(self, indexes: list[int]) -> Any:
        """A batch of these signals."""


SomeBatch = TypeVar("SomeBatch", bound=Batch)
Routed = TypeVar("Routed", bound=tuple[str, Any])


class _Touches:
    """The shards that a worker has sent signals to in an epoch of its reader."""

    def __init__(self) -> None:
        self.epoch = -1
        self.shards: set[int] = set()


class LaneRouting:
    """Signals go to the lane of their shard (`core/placement.py`). Bytewax takes a snapshot of the keys that got an
    item in an epoch. So before the first signal of a shard in an epoch, its key gets a `Touched`. All workers of a
    process share it."""

    def __init__(self, shards: int, placement: Placement) -> None:
        self._shards = shards
        self._shard_names = [str(shard) for shard in range(shards)]
        self._placement = placement
        self._touches = PerWorker(_Touches)

    def route(self, batch: SomeBatch, epoch: int, routed: list[Any]) -> None:
        """Append the signals, by lane, and a `Touched` for each shard that had none in this epoch. epoch: of
        `RawBatch`."""
        touches = self._touches.mine()
        if touches.epoch != epoch:
            touches.epoch, touches.shards = epoch, set()
        if fresh := set(batch.shards) - touches.shards:
            touches.shards |= fresh
            kafka_time_ms = batch.kafka_time_ms
            routed += [(self._shard_names[shard], Touched(shard, kafka_time_ms)) for shard in sorted(fresh)]
        lanes = self.lanes()
        if self._placement.workers == 1:
            routed.append((lanes[0], batch))
            return
        of_lane: dict[str, list[int]] = {}
        for index, number in enumerate(batch.shards):
            of_lane.setdefault(lanes[number], []).append(index)
        routed += [(lane, batch.only(indexes)) for lane, indexes in of_lane.items()]

    def lanes(self) -> list[str]:
        """The lane of each shard."""
        return self._placement.lanes_of(self._shards)

    def name(self, shard: int) -> str:
        """The key of a shard."""
        return self._shard_names[shard]


class RoutedDecoding(abc.ABC, Generic[Routed]):
    """`RawBatch` in; shard or lane, and an input of the system's step for it, out. What is routed already stays as
    it is. Runs in the worker that has read the messages. All workers of a process share it.

    topics: of the flow's input."""

    def __init__(self, topics: Iterable[str], shards: int, placement: Placement) -> None:
        self._shards = shards
        self._routing = LaneRouting(shards, placement)
        self._ok = {topic: telemetry.EVENTS.labels(topic, "ok") for topic in topics}
        self._bad = {topic: telemetry.EVENTS.labels(topic, "dead_letter") for topic in topics}

    def __call__(self, items: Sequence[RawBatch | Routed]) -> list[Routed]:
        routed: list[Any] = []
        for item in items:
            if not isinstance(item, RawBatch):
                routed.append(item)
                continue
            topic, letters = topic_of(item.topic), list[DeadLetter]()
            self._decode(topic, item, letters, routed)
            self._ok[topic].inc(len(item) - len(letters))
            if letters:
                self._bad[topic].inc(len(letters))
                routed.append((self._routing.name(0), Refused(letters)))
        return routed

    @abc.abstractmethod
    def _decode(self, topic: str, batch: RawBatch, letters: list[DeadLetter], routed: list[Routed]) -> None:
        """Append what the messages of a topic are, and the letters of those that are bad."""
