"""Messages of `sales`: the difference that each correction made."""

from typing import Literal

import msgspec

from clients.kafka_producer import Record
from sales.applied import Applied
from sales.prices import UNITS


class SaleMessage(msgspec.Struct, gc=False):
    """A message of `sales`, by product. order_time_ms: None for an order that is removed. orders to unpriced: the
    differences to the sums before; amounts in the currency. version: rises with each correction of an order."""

    type: Literal["sale"]
    product_id: str
    order_id: str
    order_time_ms: int | None
    orders: int
    units: int
    revenue: float
    margin: float
    base_revenue: float
    unpriced: int
    version: int


_encode = msgspec.json.Encoder().encode


def encode_sales(applied: Applied) -> list[Record]:
    """Key (product) and value of each correction that made a difference, in order."""
    records = []
    for each in applied.corrected:
        correction, difference = each.correction, each.correction.difference
        message = SaleMessage(
            "sale",
            each.product_id,
            correction.order_id,
            None if correction.sale is None else correction.sale.order.time_ms,
            difference.orders,
            difference.units,
            difference.revenue / UNITS,
            difference.margin / UNITS,
            difference.base_revenue / UNITS,
            difference.unpriced,
            each.version,
        )
        records.append((each.product_id.encode(), _encode(message)))
    return records
