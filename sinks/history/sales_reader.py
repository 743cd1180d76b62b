"""The reader of sales in the history database."""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from sinks.history.reader import EARLIEST_MS, END_MS
from sinks.history.store import Database, Dialect, bind_time

By = Literal["product", "category", "day", "policy", "price_source", "rule"]
"""The groups of sales."""

NONE = "none"
"""The group of orders without a price, by policy and by source."""

_decode_amounts = msgspec.json.Decoder(dict[str, float]).decode


class SalesGroup(msgspec.Struct, frozen=True):
    """The sums of a group of orders. Amounts are None where no order has one. uplift_percent: revenue over the
    revenue at base prices, of the orders that have both."""

    key: str
    orders: int
    units: int
    revenue: float
    margin: float | None
    base_revenue: float | None
    uplift_percent: float | None
    unpriced: int


class SalesReader:
    """The reader of sales for the API. Belongs to one event loop. Every method raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def groups(
        self, by: By, limit: int, from_ms: int | None, to_ms: int | None, *, product_id: str | None = None
    ) -> list[SalesGroup]:
        """The sums of each group of orders with `from_ms <= order time < to_ms`, at most `limit`: days in order,
        all others by revenue, the greatest first. None is no limit of time. product_id: only orders of this
        product.

        By rule, the revenue is the sum of the rule's amount times the quantity, over the orders whose price has it;
        margin and base revenue are not known."""
        dialect = self._database.dialect
        binds: dict[str, Any] = {
            "since": bind_time(EARLIEST_MS if from_ms is None else from_ms),
            "until": bind_time(END_MS if to_ms is None else to_ms),
        }
        if product_id is not None:
            binds["product_id"] = product_id
        where = _where(dialect, product_id)
        if by == "rule":
            statement = f"SELECT adjustments, COUNT(*), SUM(quantity) {where} GROUP BY adjustments"
            return _by_rule(await self._database.fetch(statement, binds))[:limit]
        key = _keys(dialect)[by]
        order = "1" if by == "day" else "4 DESC, 1"
        statement = f"""SELECT {key}, COUNT(*), SUM(quantity), COALESCE(SUM(revenue), 0), SUM(margin),
            SUM(base_revenue), SUM(CASE WHEN base_revenue IS NOT NULL THEN revenue END),
            SUM(CASE WHEN revenue IS NULL THEN 1 ELSE 0 END)
            {where} GROUP BY {key} ORDER BY {order} FETCH FIRST :limit ROWS ONLY"""
        rows = await self._database.fetch(statement, {**binds, "limit": limit})
        return [_group(*row) for row in rows]


def _keys(dialect: Dialect) -> dict[str, str]:
    day = dialect.text.format("order_time")
    return {
        "product": "sales_rows.product_id",
        "category": "COALESCE(category, '')",
        "day": f"SUBSTR({day}, 1, 10)",
        "policy": f"COALESCE(policy, '{NONE}')",
        "price_source": f"COALESCE(price_source, '{NONE}')",
    }


def _where(dialect: Dialect, product_id: str | None) -> str:
    of_product = "" if product_id is None else " AND sales_rows.product_id = :product_id"
    return f"""FROM sales_rows LEFT JOIN sales_products ON sales_products.product_id = sales_rows.product_id
        WHERE is_removed <> {dialect.true}
        AND order_time >= {dialect.moment.format(":since")} AND order_time < {dialect.moment.format(":until")}
        {of_product}"""


def _group(key: Any, orders: Any, units: Any, revenue: Any, margin: Any, *others: Any) -> SalesGroup:
    base_revenue, with_base, unpriced = others
    uplift = None
    if base_revenue:
        uplift = round((float(with_base) / float(base_revenue) - 1) * 100, 2)
    return SalesGroup(
        str(key or ""),
        int(orders),
        int(units),
        float(revenue),
        None if margin is None else float(margin),
        None if base_revenue is None else float(base_revenue),
        uplift,
        int(unpriced),
    )


def _by_rule(rows: Iterable[Any]) -> list[SalesGroup]:
    orders: dict[str, int] = {}
    units: dict[str, int] = {}
    revenue: dict[str, float] = {}
    for adjustments, count, quantity in rows:
        for rule, amount in _decode_amounts(adjustments).items():
            orders[rule] = orders.get(rule, 0) + int(count)
            units[rule] = units.get(rule, 0) + int(quantity)
            revenue[rule] = revenue.get(rule, 0.0) + amount * int(quantity)
    found = [
        SalesGroup(rule, orders[rule], units[rule], round(revenue[rule], 4), None, None, None, 0) for rule in orders
    ]
    return sorted(found, key=lambda group: (-group.revenue, group.key))
