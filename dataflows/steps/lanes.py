"""The routing of signals to lanes: one item for each worker, and a `Touched` for each shard."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from core.placement import Placement
from core.work import Touched
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
