"""A shard of orders: the newest change of each, over all partitions, and the product that has it."""

from collections.abc import Iterable

import msgspec

from sales.changes import Drop, Put
from sales.orders import OrderChange

FORMAT = 1
"""Version of the documents' layout."""

ORDER_BYTES = 60
"""Approximate length of an order in a document."""

_NO_LSN = -1


class _Known(msgspec.Struct, array_like=True, gc=False):
    """The known facts of an order. lsn: of its newest change, `_NO_LSN` without one. product_id: None for a removed
    order: it is remembered, so that an older change that is read later does not bring it back."""

    lsn: int
    product_id: str | None
    seq: int


class _Document(msgspec.Struct, array_like=True):
    version: int
    orders: dict[str, _Known] = {}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Document).decode


class OrderShard:
    """The orders of one shard. Belongs to the thread of its worker. documents: of the state, the oldest first.
    Raises ValueError for a document of a newer version."""

    def __init__(self, documents: Iterable[bytes] = ()) -> None:
        self._orders: dict[str, _Known] = {}
        self._dirty: dict[str, None] = {}
        for each in documents:
            document = _decode(each)
            if document.version != FORMAT:
                raise ValueError(f"recovery snapshot has format {document.version}, this version reads {FORMAT}")
            self._orders.update(document.orders)

    def __len__(self) -> int:
        return len(self._orders)

    def apply(self, change: OrderChange) -> list[Put | Drop]:
        """The changes of products that follow from a change of an order. None if it is not newer than the last."""
        known = self._orders.get(change.order_id)
        lsn = _NO_LSN if change.lsn is None else change.lsn
        if known is not None and _is_older(lsn, change, known):
            return []
        if known is None:
            known = self._orders[change.order_id] = _Known(lsn, None, 0)
        before = known.product_id
        known.lsn, known.seq = lsn, known.seq + 1
        known.product_id = None if change.order is None else change.order.product_id
        self._dirty[change.order_id] = None
        moves: list[Put | Drop] = []
        if before is not None and before != known.product_id:
            moves.append(Drop(before, change.order_id, known.seq, change.order is None))
        if change.order is not None:
            moves.append(Put(change.order, known.seq))
        return moves

    def snapshot(self) -> bytes:
        self._dirty.clear()
        return _encode(_Document(FORMAT, self._orders))

    def changes(self) -> bytes | None:
        if not self._dirty:
            return None
        document = _encode(_Document(FORMAT, {name: self._orders[name] for name in self._dirty}))
        self._dirty.clear()
        return document

    def estimate_bytes(self) -> int:
        return ORDER_BYTES * len(self._orders)


def _is_older(lsn: int, change: OrderChange, known: _Known) -> bool:
    """True for a change that is not as new as what is known. Of equal positions, a removal is the older: an order
    that changes its product has both."""
    if _NO_LSN in (lsn, known.lsn):
        return False
    return (lsn, change.order is not None) < (known.lsn, known.product_id is not None)
