"""The steps of sales: orders of a shard to changes of products, and these to what the sinks write. They connect
`sales.state` to Bytewax."""

from collections.abc import Callable
from functools import partial
from typing import Any

from bytewax.operators import StatefulBatchLogic

import telemetry
from connectors.kafka import CaughtUp
from core.shards import shard_of
from core.work import RefillRequest, Refused
from dataflows.recovery.state_log import StateLog
from dataflows.steps.decode_sales import OrderBatch, ProductBatch
from dataflows.steps.kept_shard import KeptShard
from sales.applied import Applied
from sales.changes import Change
from sales.state.orders import OrderShard
from sales.state.products import ProductShard

Moved = tuple[str, ProductBatch]
"""Key of a shard of products, and its changes."""

ProductWork = ProductBatch | Refused | RefillRequest | CaughtUp
"""Input of the step of products."""


class OrderStep(StatefulBatchLogic[OrderBatch, Moved, bytes | None]):
    """A shard of orders: `OrderBatch` in, changes for shards of products out. Belongs to one worker's thread.
    Resume state: of `KeptShard`. shards: of products."""

    def __init__(self, resume_state: bytes | None, *, shards: int, state_log: StateLog | None = None) -> None:
        self._shards = shards
        self._kept = KeptShard(OrderShard, resume_state, state_log)

    def on_batch(self, values: list[OrderBatch]) -> tuple[list[Moved], bool]:
        self._kept.note_news()
        moved: dict[int, ProductBatch] = {}
        for value in values:
            for change in value.changes:
                for move in self._kept.shard.apply(change):
                    shard = shard_of(move.product_id.encode(), self._shards)
                    moved.setdefault(shard, ProductBatch([], value.kafka_time_ms)).changes.append(move)
        return [(str(shard), batch) for shard, batch in moved.items()], StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes | None:
        return self._kept.snapshot()


class SalesStep(StatefulBatchLogic[ProductWork, Any, bytes | None]):
    """A shard of products: `ProductWork` in, what `encode` makes of `Applied` out. Belongs to one worker's thread.
    Resume state: of `KeptShard`. timeline_days, execution: as in `ProductShard`."""

    def __init__(
        self,
        resume_state: bytes | None,
        *,
        timeline_days: int,
        execution: int,
        state_log: StateLog | None = None,
        encode: Callable[[list[Applied]], list[Any]] = list,
    ) -> None:
        self._encode = encode
        self._kept = KeptShard(partial(ProductShard, timeline_days, execution), resume_state, state_log)

    def on_batch(self, values: list[ProductWork]) -> tuple[list[Any], bool]:
        self._kept.note_news()
        changes: list[Change] = []
        results: list[Applied] = []
        time_ms = 0
        for value in values:
            if isinstance(value, ProductBatch):
                changes += value.changes
                time_ms = time_ms or value.kafka_time_ms
            elif isinstance(value, Refused):
                results.append(Applied(dead_letters=value.letters))
                for letter in value.letters:
                    telemetry.DEAD_LETTERS.labels(letter.error_code).inc()
            elif isinstance(value, RefillRequest):
                results.append(Applied(sums=list(self._kept.shard.sums(value.keys or None))))
        if changes:
            applied = self._kept.shard.apply(changes)
            applied.kafka_time_ms = time_ms
            telemetry.SALES_CORRECTIONS.inc(len(applied.corrected))
            # Before those of a refill, which are older.
            results.append(applied)
        return self._encode(results), StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes | None:
        return self._kept.snapshot()
