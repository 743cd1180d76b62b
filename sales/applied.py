"""The results of a shard of products. Every sink encodes its rows from them."""

from collections.abc import Sequence

import msgspec

from core.dead_letter import DeadLetter
from sales.book import Correction, Sums


class Corrected(msgspec.Struct, frozen=True, gc=False):
    """A correction of a product. version: rises with each of an order, over all products. is_moved: another product
    has the order now."""

    product_id: str
    correction: Correction
    version: int
    is_moved: bool = False


class ProductSums(msgspec.Struct, frozen=True, gc=False):
    """The sums of a product. name: None for one that is not in the catalogue. category: empty if it has none.
    version: rises with each change."""

    product_id: str
    name: str | None
    category: str
    sums: Sums
    version: int


class Applied(msgspec.Struct, gc=False):
    """The changes of a shard. kafka_time_ms: Kafka's time stamp of the first message behind it; 0 if there is none.
    sums: of all products that changed, as they are now. described: of these, the ones whose name or category
    changed."""

    corrected: list[Corrected] = []
    sums: list[ProductSums] = []
    described: list[ProductSums] = []
    dead_letters: Sequence[DeadLetter] = ()
    kafka_time_ms: int = 0
