"""Invoices of a shop (the UCI Online Retail layout) as product events and a catalogue."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")

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
    """The lines of a file, in its order. Raises ValueError if the file has another layout, with the number of the
    line."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path}: the first line takes the columns {','.join(COLUMNS)}")
        for row in reader:
            try:
                moment = datetime.strptime(row["InvoiceDate"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
                yield InvoiceLine(
                    row["StockCode"].strip(),
                    row["Description"].strip(),
                    int(row["Quantity"]),
                    int(moment.timestamp()) * 1000,
                    float(row["UnitPrice"]),
                    row["CustomerID"].removesuffix(".0") or None,
                )
            except (TypeError, ValueError) as error:
                raise ValueError(f"{path}, line {reader.line_num}: {error}") from None


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
    described = next((line.description for line in sales if line.description.isprintable()), "")
    return " ".join(described.split()) or sales[0].stock_code


def category_of(name: str) -> str:
    """The category of a product by the words of its name; `OTHER` if none fits."""
    words = set(name.upper().replace(",", " ").split())
    return next((category for category, known in _CATEGORIES.items() if words & set(known)), OTHER)
