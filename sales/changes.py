"""The changes that a shard of products applies. They are sent between workers, and kept in the state log."""

import msgspec

from sales.orders import Order
from sales.prices import PricePoint


class Put(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="o"):
    """An order that is new, or that changed. seq: number of the change of this order, from 1."""

    order: Order
    seq: int

    @property
    def product_id(self) -> str:
        """The product of the order."""
        return self.order.product_id


class Drop(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="d"):
    """An order that a product does not have any more. is_removed: it is gone; otherwise another product has it."""

    product_id: str
    order_id: str
    seq: int
    is_removed: bool


class Price(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="p"):
    """A price of a product."""

    product_id: str
    point: PricePoint


class Entry(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="e"):
    """The catalogue's entry of a product, as far as sales need it. name: None for one that is not in it. unit_cost:
    units. lsn: the position in its database; None if the source does not say it."""

    product_id: str
    name: str | None
    category: str
    unit_cost: int | None
    lsn: int | None = None


Change = Put | Drop | Price | Entry
