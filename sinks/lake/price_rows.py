"""Rows of `price_history` in the lake: each version of a product once."""

from collections.abc import Callable
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
    """The newest version of each product that the table has, or is about to get, with its partition. An update of
    that partition that is not newer came again, and has a row already.

    A product changes its partition if the topic gets more of them. Then older versions may be read after newer
    ones, so each of its versions is looked for."""

    def __init__(self) -> None:
        self._newest: dict[str, tuple[int, int]] = {}
        self._all_of: dict[str, set[int]] = {}

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
        found = table.rows(("product_id", "version", "source_partition"), " or ".join(newest))
        if len(found):
            ordered = found.sort_by("version").group_by("product_id", use_threads=False)
            last = ordered.aggregate([("version", "last"), ("source_partition", "last")])
            ids, *pairs = (
                last.column(name).to_pylist() for name in ("product_id", "version_last", "source_partition_last")
            )
            self._newest.update(zip(ids, zip(*pairs, strict=True), strict=True))

    def fresh(self, updates: list[PlacedUpdate], find: Callable[[str], set[int]]) -> list[PlacedUpdate]:
        """The updates that have no row yet, withdrawals left out: they have no price. find: the versions of a
        product that the table has, or is about to get."""
        kept: list[PlacedUpdate] = []
        newest, all_of = self._newest, self._all_of
        for placed in updates:
            update, _, partition, _ = placed
            name, version = update.product_id, update.version
            known = newest.get(name)
            if known is not None and version <= known[0]:
                if partition == known[1] and name not in all_of:
                    continue
                if name not in all_of:
                    all_of[name] = find(name) | {each.version for each, *_ in kept if each.product_id == name}
                if version in all_of[name]:
                    continue
            else:
                newest[name] = version, partition
            if name in all_of:
                all_of[name].add(version)
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
