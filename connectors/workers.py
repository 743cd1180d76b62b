"""The number of workers of a flow, as Bytewax tells it to a source."""

from typing import Never

from bytewax.inputs import DynamicSource, StatelessSourcePartition

from core.placement import Placement


class WorkerCount(DynamicSource[Never]):
    """A source without items that notes the number of workers. Bytewax builds it before any item moves. It ends at
    once, so that its epochs hold up no other source."""

    def __init__(self, placement: Placement) -> None:
        self._placement = placement

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_Ended":
        self._placement.workers = worker_count
        return _Ended()


class _Ended(StatelessSourcePartition[Never]):
    def next_batch(self) -> list[Never]:
        raise StopIteration
