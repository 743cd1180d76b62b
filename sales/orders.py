"""Orders, as a shop's table has them."""

import msgspec


class Order(msgspec.Struct, frozen=True, gc=False, array_like=True):
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
