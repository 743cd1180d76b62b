"""A shard of products: the book of each, and the documents from which they are restored."""

from collections.abc import Iterable, Iterator

import msgspec

from core.timestamps import DAY_MS
from sales.applied import Applied, Corrected, ProductSums
from sales.book import Book, Correction
from sales.changes import Change, Drop, Entry, Price, Put
from sales.orders import Order
from sales.prices import PricePoint

FORMAT = 1
"""Version of the documents' layout."""

ORDER_BYTES = 70
POINT_BYTES = 120
"""Approximate lengths in a document."""

SEQ_BITS = COUNT_BITS = 16
"""Bits of a row's version for the number of an order's change, and for that of the corrections since. The execution
is above both: after a restart, each row that is made again is newer than those before. An execution has 31 bits."""

VERSION_BITS = SEQ_BITS + COUNT_BITS

_COUNT_MAX = 2**COUNT_BITS - 1


class _Product(msgspec.Struct, array_like=True):
    """The whole state of a product. begins_ms: of its timeline. orders: with the numbers of their changes, and the
    prices that the timeline does not have any more."""

    entry: Entry | None
    begins_ms: int
    points: list[PricePoint]
    orders: list[tuple[Order, int, PricePoint | None]]


class _Document(msgspec.Struct, array_like=True):
    """products: the whole state. changes: applied after it, in order; a document of changes has only these."""

    version: int
    products: dict[str, _Product] = {}
    changes: list[Change] = []


# JSON, because MessagePack has no numbers above 64 bits.
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Document).decode


class _Kept:
    """A product. seqs: order to the number of its change, and to that of the corrections since."""

    def __init__(self, product_id: str) -> None:
        self.book = Book(product_id)
        self.entry: Entry | None = None
        self.seqs: dict[str, list[int]] = {}


class ProductShard:
    """The products of one shard. Belongs to the thread of its worker.

    Changes are saved as they came: applied again, they give the same state. timeline_days: age from which prices
    are forgotten. execution: grows with each execution of the flow. documents: of the state, the oldest first.
    Raises ValueError for a document of a newer version."""

    def __init__(self, timeline_days: int, execution: int, documents: Iterable[bytes] = ()) -> None:
        self._keep_ms = timeline_days * DAY_MS
        self._base = execution << VERSION_BITS
        self._products: dict[str, _Kept] = {}
        self._changes: list[Change] = []
        self._newest_ms = 0
        self._count = 0
        for each in documents:
            document = _decode(each)
            if document.version != FORMAT:
                raise ValueError(f"recovery snapshot has format {document.version}, this version reads {FORMAT}")
            for product_id, product in document.products.items():
                self._restore(product_id, product)
            for change in document.changes:
                list(self._apply(change))
        for kept in self._products.values():
            for numbers in kept.seqs.values():
                numbers[1] = 0

    def _restore(self, product_id: str, product: _Product) -> None:
        kept = self._products[product_id] = _Kept(product_id)
        book = kept.book
        if product.entry is not None:
            kept.entry, book.unit_cost = product.entry, product.entry.unit_cost
        book.timeline.begins_ms = product.begins_ms
        for point in product.points:
            book.timeline.add(point)
            self._newest_ms = max(self._newest_ms, point.at_ms)
        for order, seq, forgotten in product.orders:
            book.restore(order, forgotten)
            kept.seqs[order.order_id] = [seq, 0]
            self._newest_ms = max(self._newest_ms, order.time_ms)

    def __len__(self) -> int:
        return len(self._products)

    def apply(self, changes: Iterable[Change]) -> Applied:
        """Apply changes, in order."""
        touched: dict[str, None] = {}
        described: dict[str, None] = {}
        corrected: list[Corrected] = []
        for change in changes:
            self._changes.append(change)
            before = self._products.get(change.product_id)
            if isinstance(change, Entry) and (before is None or _shown(before.entry) != _shown(change)):
                described[change.product_id] = None
            found = list(self._apply(change))
            corrected += found
            if found:
                touched[change.product_id] = None
        return Applied(corrected, list(self.sums(touched)), list(self.sums(described)))

    def sums(self, product_ids: Iterable[str] | None = None) -> Iterator[ProductSums]:
        """The sums of products as they are now; of all that have had an order by default."""
        for product_id in self._products if product_ids is None else product_ids:
            kept = self._products.get(product_id)
            if kept is None:
                continue
            entry = kept.entry
            name, category = (None, "") if entry is None else (entry.name, entry.category)
            self._count += 1
            sums = msgspec.structs.replace(kept.book.sums)
            yield ProductSums(product_id, name, category, sums, self._base + self._count)

    def _apply(self, change: Change) -> Iterator[Corrected]:
        kept = self._products.get(change.product_id)
        if kept is None:
            kept = self._products[change.product_id] = _Kept(change.product_id)
        book = kept.book
        if isinstance(change, Put):
            self._newest_ms = max(self._newest_ms, change.order.time_ms)
            kept.seqs[change.order.order_id] = [change.seq, -1]
            yield self._corrected(kept, book.put(change.order))
        elif isinstance(change, Drop):
            if (correction := book.remove(change.order_id)) is not None:
                del kept.seqs[change.order_id]
                version = self._base + (min(change.seq, _COUNT_MAX) << COUNT_BITS)
                yield Corrected(change.product_id, correction, version, is_moved=not change.is_removed)
        elif isinstance(change, Price):
            self._newest_ms = max(self._newest_ms, change.point.at_ms)
            for correction in book.add_price(change.point):
                yield self._corrected(kept, correction)
            book.timeline.forget_before(self._newest_ms - self._keep_ms)
        elif (
            kept.entry is None or None in (change.lsn, kept.entry.lsn) or (change.lsn or 0) > (kept.entry.lsn or 0)
        ):
            kept.entry = change
            for correction in book.set_cost(change.unit_cost):
                yield self._corrected(kept, correction)

    def _corrected(self, kept: _Kept, correction: Correction) -> Corrected:
        numbers = kept.seqs[correction.order_id]
        numbers[1] = min(numbers[1] + 1, _COUNT_MAX)
        version = self._base + (min(numbers[0], _COUNT_MAX) << COUNT_BITS) + numbers[1]
        return Corrected(kept.book.product_id, correction, version)

    def snapshot(self) -> bytes:
        self._changes.clear()
        products = {
            product_id: _Product(
                kept.entry,
                kept.book.timeline.begins_ms,
                kept.book.timeline.points(),
                [
                    (sale.order, kept.seqs[sale.order.order_id][0], kept.book.forgotten_price(sale))
                    for sale in kept.book.sales()
                ],
            )
            for product_id, kept in self._products.items()
        }
        return _encode(_Document(FORMAT, products))

    def changes(self) -> bytes | None:
        if not self._changes:
            return None
        document = _encode(_Document(FORMAT, {}, self._changes))
        self._changes.clear()
        return document

    def estimate_bytes(self) -> int:
        books = [kept.book for kept in self._products.values()]
        return sum(ORDER_BYTES * len(book) + POINT_BYTES * len(book.timeline) for book in books)


def _shown(entry: Entry | None) -> tuple[str | None, str]:
    return (None, "") if entry is None else (entry.name, entry.category)
