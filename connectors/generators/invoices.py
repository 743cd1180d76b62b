"""Invoices of a shop (the UCI Online Retail layout) as product events and a catalogue."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from connectors.generators.tables import Table
from core.text import has_controls

# The spellings of the file as it is distributed, and of an export from a spreadsheet.
DATE_FORMATS = ("%Y-%m-%d %H:%M:%S", "%m/%d/%Y %H:%M", "%Y-%m-%d %H:%M", "%m/%d/%Y %H:%M:%S")
PRICE_MAX = 1e12
COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
WITHOUT_DESCRIPTION = tuple(name for name in COLUMNS if name != "Description")
LAYOUTS = (COLUMNS, WITHOUT_DESCRIPTION)

# The data has no categories. The words of the descriptions give usable ones.
_CATEGORIES = {
    "bags": ("BAG", "BAGS", "SHOPPER"),
    "candles and lights": ("CANDLE", "CANDLES", "LIGHT", "LIGHTS", "T-LIGHT", "LANTERN", "LAMP", "CANDLEHOLDER"),
    "cards and paper": ("CARD", "CARDS", "PAPER", "WRAP", "NOTEBOOK", "STICKERS", "TAGS", "TISSUES", "NAPKINS"),
    "christmas": ("CHRISTMAS", "XMAS", "ADVENT", "REINDEER", "SANTA", "SNOWFLAKE", "BAUBLE", "BAUBLES"),
    "kitchen": (
        "MUG",
        "CUP",
        "CUPS",
        "BOWL",
        "PLATE",
        "TEA",
        "CAKE",
        "JAM",
        "COFFEE",
        "TIN",
        "TINS",
        "LUNCH",
        "BOTTLE",
    ),
    "home": ("CLOCK", "FRAME", "CUSHION", "DOORMAT", "HOOK", "DRAWER", "SIGN", "MIRROR", "HEART", "CABINET"),
    "toys and children": (
        "DOLL",
        "TOY",
        "CHILDRENS",
        "GAME",
        "BINGO",
        "DOMINOES",
        "SOLDIERS",
        "SKITTLES",
        "PUZZLE",
    ),
    "vintage": ("VINTAGE", "RETRO", "RETROSPOT", "ANTIQUE"),
}
OTHER = "other"


class InvoiceLine(msgspec.Struct, frozen=True):
    """A line of an invoice, unchanged. A quantity below zero is a return. A price of zero is a free or a damaged
    item."""

    stock_code: str
    description: str
    quantity: int
    event_time_ms: int
    price: float
    customer: str | None

    @property
    def is_sale(self) -> bool:
        """True if it is neither a return nor free."""
        return self.quantity > 0 and self.price > 0


def read_invoices(path: Path) -> Iterator[InvoiceLine]:
    """The lines of a file, in its order: CSV, also compressed by gzip, in UTF-8 or Latin-1. Raises ValueError, with
    the line at fault, if the file has another layout or is cut off, and OSError if it cannot be read."""
    return invoices_of(Table(path))


def invoices_of(table: Table) -> Iterator[InvoiceLine]:
    """The lines of a table, in its order. Raises ValueError, with the line at fault."""
    if table.columns not in LAYOUTS:
        raise ValueError(f"{table.path}, line 1: takes the columns {','.join(COLUMNS)}; Description may be missing")
    return table.lines(_line_of)


def _line_of(row: dict[str, str]) -> InvoiceLine:
    """Raises ValueError."""
    return InvoiceLine(
        row["StockCode"].strip(),
        row.get("Description", "").strip(),
        _whole(row["Quantity"]),
        _time_ms(row["InvoiceDate"]),
        _price(row["UnitPrice"]),
        row["CustomerID"].removesuffix(".0") or None,
    )


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"Quantity takes a whole number, such as 6, not {text!r}") from None


def _price(text: str) -> float:
    try:
        price = float(text)
    except ValueError:
        price = PRICE_MAX
    # `nan` and `inf` are numbers for Python.
    if not abs(price) < PRICE_MAX:
        raise ValueError(f"UnitPrice takes a number, such as 2.55, not {text!r}")
    return price


def _time_ms(text: str) -> int:
    for form in DATE_FORMATS:
        try:
            return int(datetime.strptime(text.strip(), form).replace(tzinfo=UTC).timestamp()) * 1000
        except ValueError:
            continue
    raise ValueError(f"InvoiceDate takes 2010-12-01 08:26:00 or 12/1/2010 8:26 (month first), not {text!r}")


def purchase_event(line: InvoiceLine, shift_ms: int = 0) -> dict[str, object]:
    """The message of a purchase on `product-events`. A return or a free item gives a message that is not valid."""
    event: dict[str, object] = {
        "event_type": "purchase",
        "product_id": line.stock_code,
        "timestamp": line.event_time_ms + shift_ms,
        "price": line.price,
        "quantity": line.quantity,
    }
    if line.customer:
        event["user_id"] = line.customer
    return event


def catalogue_of(lines: list[InvoiceLine]) -> list[dict[str, object]]:
    """The catalogue messages of all products that were sold: name from the first description, base price from the
    median of the sales."""
    sold: dict[str, list[InvoiceLine]] = {}
    for line in lines:
        if line.is_sale:
            sold.setdefault(line.stock_code, []).append(line)
    return [
        {
            "product_id": stock_code,
            "name": (name := _name(sales)),
            "category": category_of(name),
            "base_price": sorted(line.price for line in sales)[len(sales) // 2],
        }
        for stock_code, sales in sold.items()
    ]


def _name(sales: list[InvoiceLine]) -> str:
    described = next((line.description for line in sales if not has_controls(line.description)), "")
    return " ".join(described.split()) or sales[0].stock_code


def category_of(name: str) -> str:
    """The category of a product by the words of its name; `OTHER` if none fits."""
    words = set(name.upper().replace(",", " ").split())
    return next((category for category, known in _CATEGORIES.items() if words & set(known)), OTHER)
