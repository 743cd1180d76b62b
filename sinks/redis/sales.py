"""Sales in Redis: names of keys, rows, and the script that writes the rows (`sales.lua`)."""

import time
from importlib import resources

import msgspec

from sales.applied import Applied, ProductSums
from sales.prices import UNITS
from sales.state.products import VERSION_BITS
from sinks.redis.keys import RedisRow

SCRIPT = (resources.files("sinks.redis") / "sales.lua").read_text(encoding="utf-8")

SALES = "sales"
"""Set of the ids of all products that have had an order."""

FILLED = "pricewax:sales:filled"
"""As `sinks.redis.keys.FILLED`, of the flow of sales."""

REPAIR = "pricewax:sales:repair"
"""As `sinks.redis.keys.REPAIR`, of the flow of sales."""

_encode = msgspec.json.Encoder().encode


def sales_key(product_id: str) -> str:
    """Hash of the sums of a product: orders, units, revenue, margin, unpriced, updated_at_ms; also base_revenue,
    uncosted, unbased. `execution` and `count` serve the script."""
    return f"sales:{product_id}"


def encode_sums(applied: Applied) -> list[RedisRow]:
    """A row for the sums of each product."""
    now_ms = time.time_ns() // 1_000_000
    return [(each.product_id, _encode(_row_of(each, now_ms))) for each in applied.sums]


def _row_of(product: ProductSums, now_ms: int) -> tuple[str, int, int, list[str]]:
    sums = product.sums
    amounts = {"revenue": sums.revenue, "margin": sums.margin, "base_revenue": sums.base_revenue}
    counts = {name: getattr(sums, name) for name in ("orders", "units", "unpriced", "uncosted", "unbased")}
    fields = [part for name, count in counts.items() for part in (name, str(count))]
    fields += [part for name, amount in amounts.items() for part in (name, repr(amount / UNITS))]
    count = product.version & (1 << VERSION_BITS) - 1
    return product.product_id, product.version >> VERSION_BITS, count, [*fields, "updated_at_ms", str(now_ms)]
