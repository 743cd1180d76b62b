"""Sales in the history database: their tables and their rows. The views `sales_orders` and `sales_profit` show
them."""

import msgspec

from sales.applied import Applied, Corrected, ProductSums
from sales.prices import UNITS
from sinks.history.tables import Table, columns, encode_fields

ROWS = Table(
    b"V",
    "sales_rows",
    columns(
        order_id="text",
        product_id="text",
        quantity="integer",
        order_time="time",
        price="amount",
        price_version="integer",
        price_source="text",
        policy="text",
        revenue="amount",
        margin="amount",
        base_revenue="amount",
        adjustments="text",
        is_removed="boolean",
        version="integer",
    ),
    key=("order_id",),
    version="version",
)

PRODUCTS = Table(
    b"N",
    "sales_products",
    columns(product_id="text", product_name="text", category="text", version="integer"),
    key=("product_id",),
    version="version",
)

TABLES = (ROWS, PRODUCTS)
_ROW, _PRODUCT = (table.tag + b"\t" for table in TABLES)

_encode_json = msgspec.json.Encoder().encode


def encode_history(applied: Applied) -> list[bytes]:
    """The rows of corrections, and of products whose name or category changed. An order that another product has
    now gets its row there."""
    rows = [_encode_row(each) for each in applied.corrected if not each.is_moved]
    return rows + [_encode_product(each) for each in applied.described]


def _encode_row(corrected: Corrected) -> bytes:
    sale, order_id, end = corrected.correction.sale, corrected.correction.order_id, corrected.version
    if sale is None:
        gone = (order_id, corrected.product_id, 0, 0, *[None] * 7, "{}", "t", end)
        return _ROW + encode_fields(gone)
    point, order = sale.point, sale.order
    priced = point is not None and point.price is not None
    amounts = (
        {} if point is None or not priced else {name: each / UNITS for name, each in point.adjustments.items()}
    )
    return _ROW + encode_fields(
        (
            order_id,
            order.product_id,
            order.quantity,
            order.time_ms,
            _text(point.price) if point is not None else None,
            point.version if point is not None and priced else None,
            point.source if point is not None and priced else None,
            point.policy if point is not None and priced else None,
            _text(sale.revenue),
            _text(sale.margin),
            _text(sale.base_revenue),
            _encode_json(amounts).decode(),
            "f",
            end,
        )
    )


def _encode_product(product: ProductSums) -> bytes:
    return _PRODUCT + encode_fields((product.product_id, product.name, product.category, product.version))


def _text(units: int | None) -> str | None:
    """Decimal text of an amount; None if it is not known."""
    if units is None:
        return None
    whole, part = divmod(abs(units), UNITS)
    return f"{'-' if units < 0 else ''}{whole}.{part:04d}"
