"""Events of products."""

import msgspec

EVENT_TYPES = frozenset({"view", "cart", "purchase"})


class ProductEvent(msgspec.Struct, frozen=True, gc=False):
    """A view, a cart or a purchase of a product at a price. Validated; `event_type` is one of `EVENT_TYPES`.
    event_time_ms: UTC milliseconds. price: in the currency, not rounded."""

    event_type: str
    product_id: str
    event_time_ms: int
    price: float
