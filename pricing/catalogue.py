"""The catalogue: the shop's own facts about its products."""

import msgspec


class CatalogueEntry(msgspec.Struct, frozen=True, gc=False):
    """The facts about one product. Amounts are in the policy's currency. category: empty if the source has none.
    map_price: the minimum advertised price."""

    product_id: str
    name: str
    category: str
    base_price: float
    unit_cost: float | None = None
    stock_level: float | None = None
    reorder_threshold: float | None = None
    list_price: float | None = None
    map_price: float | None = None
    supplier: str | None = None


class CatalogueChange(msgspec.Struct, frozen=True, gc=False):
    """A new entry for a product, or its removal if `entry` is None. event_time_ms: Kafka's time stamp of the
    message. lsn: the position of the change in its database; of two changes, the one with the higher position is
    newer. None if the source does not say it."""

    product_id: str
    entry: CatalogueEntry | None
    event_time_ms: int
    offset: int
    lsn: int | None = None
