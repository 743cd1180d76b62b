"""Signals of demand, as the flow applies them."""

import msgspec


class Sale(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """A purchase. at_ms: UTC milliseconds. amount: of all units, in ten-thousandths of the currency; 0 if no price
    is known. user: None if it is not known. event_id: None if it has none."""

    product_id: str
    at_ms: int
    units: int
    amount: int
    user: str | None = None
    event_id: str | None = None


class Cancel(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """A purchase of a user is taken back: the latest of the product, with so many units if they are given."""

    product_id: str
    at_ms: int
    user: str | None
    units: int | None = None
    event_id: str | None = None


class Interest(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """A view, or a cart."""

    product_id: str
    at_ms: int
    is_cart: bool
    event_id: str | None = None


class Supply(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """The units that can be sold now."""

    product_id: str
    at_ms: int
    available: float


class Entry(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """The catalogue's entry of a product. base_price: None if the entry was removed."""

    product_id: str
    category: str
    base_price: float | None


Signal = Sale | Cancel | Interest | Supply | Entry


class SignalBatch(msgspec.Struct, array_like=True, gc=False):
    """Signals of one shard. kafka_time_ms: Kafka's time stamp of the first one."""

    signals: list[Signal]
    kafka_time_ms: int
