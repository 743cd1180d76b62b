"""Stock: what is left of a product, and its category."""

from typing import Literal

import msgspec

from pricing.catalogue import CatalogueEntry
from pricing.policy import StockPolicy

StockCategory = Literal["Low", "Medium", "High"]
CATEGORIES: tuple[StockCategory, ...] = ("Low", "Medium", "High")


class StockMove(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """Pieces of a product that came in (a restock), or went out if `quantity` is below 0 (a purchase). time_s: UTC
    seconds."""

    product_id: str
    time_s: int
    quantity: int


def stock_of(entry: CatalogueEntry | None, moved: int) -> float | None:
    """The stock: the catalogue's level, and all that came in and went out since. It may be below 0. None without a
    level. moved: the sum of all moves."""
    level = None if entry is None else entry.stock_level
    return None if level is None else level + moved


def category_of(stock: float, policy: StockPolicy) -> StockCategory:
    """The category of a stock: Low below `low`, High above `high`, else Medium."""
    if stock < policy.low:
        return "Low"
    return "High" if stock > policy.high else "Medium"


def needs_reorder(entry: CatalogueEntry | None, stock: float | None) -> bool:
    """True if the stock is at or below the catalogue's threshold. False if either is not known."""
    threshold = None if entry is None else entry.reorder_threshold
    return stock is not None and threshold is not None and max(0, stock) <= threshold
