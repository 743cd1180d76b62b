"""Names of keys in Redis, and how values in it read. Writers and readers take them from here."""

import msgspec

from pricing.decision import Adjustment

PRODUCTS = "products"
"""Set of the ids of all products that have a price."""

OVERRIDES = "overrides"
"""Set of the ids of all products with an active override."""

CATEGORIES = "categories"
"""Set of the names of all categories."""

FREEZES = "freezes"
"""Hash of the freezes in force: scope to JSON of scope, reason, set_by, set_at."""

FILLED = "pricewax:filled"
"""Present while Redis holds what the flow wrote; absent, the flow writes everything again."""


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port`, where the host may be an IPv6 address in brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def price_key(product_id: str) -> str:
    return f"price:{product_id}"


def override_key(product_id: str) -> str:
    return f"override:{product_id}"


def product_key(product_id: str) -> str:
    """Hash of what the catalogue says: name, category, base_price, and what else is known."""
    return f"product:{product_id}"


def category_key(category: str) -> str:
    """Set of the ids of a category's products."""
    return f"category:{category}"


PRICE_FIELDS = (
    "price",
    "demand",
    "version",
    "price_source",
    "previous_price",
    "updated_at_ms",
    "adjustments",
    "event_time_ms",
    "policy",
    "day_open",
    "day",
)
"""Fields of `price:{product_id}`. The last four are beyond the contract: for the snapshot, explanations, and the
change since the day began."""


class StoredPrice(msgspec.Struct, frozen=True):
    """A price as it stands in Redis."""

    product_id: str
    price: float
    demand: float
    version: int
    price_source: str
    previous_price: float | None
    updated_at_ms: int
    adjustments: list[Adjustment]
    event_time_ms: int
    policy: str
    day_open: float | None
    day: int


_decode_adjustments = msgspec.json.Decoder(list[Adjustment]).decode


def read_price(product_id: str, values: list[bytes | None]) -> StoredPrice | None:
    """A price from the values of `PRICE_FIELDS`, in their order; None where there is none."""
    if values[0] is None:
        return None
    price, demand, version, source, previous, updated_at, adjustments, event_time, policy, day_open, day = (
        value or b"" for value in values
    )
    return StoredPrice(
        product_id,
        float(price),
        float(demand or 0),
        int(version or 0),
        source.decode() or "base",
        float(previous) if previous else None,
        int(updated_at or 0),
        _decode_adjustments(adjustments) if adjustments else [],
        int(event_time or updated_at or 0),
        policy.decode(),
        float(day_open) if day_open else None,
        int(day) if day else -1,
    )
