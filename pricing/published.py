"""Price updates as other programs read them from `price-updates`."""

import msgspec


class UpdateAdjustment(msgspec.Struct, frozen=True, gc=False):
    """An adjustment of an update, as published. Its field is None if the update has none."""

    rule: str | None = None
    amount: float | None = None
    reason: str | None = None


class ReadUpdate(msgspec.Struct, frozen=True, gc=False):
    """A message of `price-updates`, as published. Only the fields that name the change must be there. new_price:
    None for a withdrawal."""

    product_id: str
    version: int
    event_time_ms: int
    new_price: float | None = None
    previous_price: float | None = None
    price_source: str = ""
    demand: float = 0.0
    policy: str = ""
    adjustments: list[UpdateAdjustment] = []
