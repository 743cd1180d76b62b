"""Invoices of a shop (the UCI Online Retail layout) as product events and a catalogue."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")

# The shop has no categories; the words of its descriptions make usable ones.
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
    """A line of an invoice as it stands: quantity below zero is a return, price zero is free or damaged."""

    stock_code: str
    description: str
    quantity: int
    event_time_ms: int
    price: float
    customer: str | None

    @property
    def is_sale(self) -> bool:
        return self.quantity > 0 and self.price > 0


def read_invoices(path: Path) -> Iterator[InvoiceLine]:
    """Lines in order of the file. Raises ValueError that names the line for a file of another layout."""
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
    """A purchase as it goes on `product-events`; a return or a free item makes one that is not valid."""
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
    """A catalogue entry for every product that was sold: its first description and its median price."""
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
    words = set(name.upper().replace(",", " ").split())
    return next((category for category, known in _CATEGORIES.items() if words & set(known)), OTHER)
