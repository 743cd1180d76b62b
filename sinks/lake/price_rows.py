"""Rows of `price_history` in the lake: each version of a product once."""

from itertools import starmap

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from pricing.published import ReadUpdate
from sinks.lake.batch import PlacedUpdate, Positions
from sinks.lake.table import LakeTable

LOOK_BACK = 1_000_000
"""Messages of each partition, before the position of the table, whose versions are read at the start. A pricing
flow that crashes publishes its last epoch again, right behind it."""

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(Positions).decode


def encode_positions(positions: Positions) -> str:
    """The mark of a table that holds all messages before these positions."""
    return _encode(dict(sorted(positions.items()))).decode()


def decode_positions(mark: str | None) -> Positions:
    """The positions of a mark; none for a table without one. Raises ValueError if it is no mark of this flow."""
    return {} if mark is None else _decode(mark)


class Versions:
    """The newest version of each product that the table has, or is about to get. An update that is not newer came
    again, and has a row already."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._newest)

    def load(self, table: LakeTable, positions: Positions) -> None:
        """Read the versions of the last messages before positions from the table."""
        newest = [
            f"(source_partition = {index} and source_offset >= {max(0, (offset or 0) - LOOK_BACK)})"
            for index, (offset, _, _) in positions.items()
        ]
        if not newest:
            return
        found = table.rows(("product_id", "version"), " or ".join(newest))
        if len(found):
            highest = found.group_by("product_id").aggregate([("version", "max")])
            ids, versions = highest.column("product_id").to_pylist(), highest.column("version_max").to_pylist()
            self._newest.update(zip(ids, versions, strict=True))

    def newer(self, updates: list[PlacedUpdate]) -> list[PlacedUpdate]:
        """The updates that are newer than all before of their product, withdrawals left out: they have no price."""
        kept = []
        newest = self._newest
        for placed in updates:
            update = placed[0]
            if update.version <= newest.get(update.product_id, -1):
                continue
            newest[update.product_id] = update.version
            if update.new_price is not None:
                kept.append(placed)
        return kept


def to_columns(placed: list[PlacedUpdate]) -> pa.Table:
    """The rows of updates, in order."""
    updates = [update for update, *_ in placed]
    price = pa.decimal128(18, 4)
    times = pa.array([update.event_time_ms for update in updates], pa.timestamp("ms", "UTC"))
    return pa.table(
        {
            "product_id": pa.array([update.product_id for update in updates], pa.large_string()),
            "version": pa.array([update.version for update in updates], pa.int64()),
            "price": pc.cast(pa.array([update.new_price for update in updates], pa.float64()), price),
            "previous_price": pc.cast(pa.array([update.previous_price for update in updates], pa.float64()), price),
            "price_source": pa.array([update.price_source for update in updates], pa.large_string()),
            "demand": pa.array([update.demand for update in updates], pa.float64()),
            "event_time": times.cast(pa.timestamp("us", "UTC")),
            "policy": pa.array([update.policy for update in updates], pa.large_string()),
            "adjustments": pa.array(list(starmap(_adjustments, placed)), _ADJUSTMENTS),
            "source_topic": pa.array([topic for _, topic, _, _ in placed], pa.large_string()),
            "source_partition": pa.array([partition for _, _, partition, _ in placed], pa.int32()),
            "source_offset": pa.array([offset for *_, offset in placed], pa.int64()),
        }
    )


_ADJUSTMENTS = pa.large_list(
    pa.struct({"rule": pa.large_string(), "amount": pa.float64(), "reason": pa.large_string()})
)


def _adjustments(update: ReadUpdate, *_: object) -> list[dict[str, object]]:
    return [msgspec.structs.asdict(each) for each in update.adjustments]
