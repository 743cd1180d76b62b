"""Orders, as a shop's table has them."""

import msgspec


class Order(msgspec.Struct, frozen=True, gc=False):
    """An order of one product. time_ms: UTC milliseconds. quantity: pieces, above 0. customer_id: None if it is not
    known."""

    order_id: str
    time_ms: int
    product_id: str
    quantity: int
    customer_id: str | None = None


class OrderChange(msgspec.Struct, frozen=True, gc=False):
    """A new or changed order, or its removal if `order` is None. lsn: the position of the change in its database;
    None if the source does not say it."""

    order_id: str
    order: Order | None
    lsn: int | None

    def is_newer_than(self, other: "OrderChange") -> bool:
        """True if this change, which came after another one of the same order, takes its place. It does without a
        position. Of equal positions, a removal is the older: an order that changes its product is removed under the
        old one and created under the new one."""
        if self.lsn is None or other.lsn is None:
            return True
        return (self.lsn, self.order is not None) >= (other.lsn, other.order is not None)
