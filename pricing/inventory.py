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


HOUR_S = 3_600
COVER_HOURS = 24
"""Purchases of this many hours, the one that is running among them, are the demand that stock has to cover."""

SoldByHour = dict[int, int]
"""Hour (since the epoch) to the pieces that went out in it."""


def add_sold(sold: SoldByHour, move: StockMove, at_s: int) -> None:
    """Count a purchase, if it is of the last day. at_s: the time of now."""
    hour = move.time_s // HOUR_S
    if move.quantity < 0 and hour > at_s // HOUR_S - COVER_HOURS:
        sold[hour] = sold.get(hour, 0) - move.quantity


def sold_of_day(sold: SoldByHour, at_s: int) -> int:
    """The pieces that went out in the last day. Older hours are forgotten."""
    if not sold:
        return 0
    first = at_s // HOUR_S - COVER_HOURS + 1
    for hour in [hour for hour in sold if hour < first]:
        del sold[hour]
    return sum(sold.values())


def days_of_cover(stock: float | None, sold: int) -> float | None:
    """The days that a stock lasts if each is as the last one. None if that is not known, or if nothing was sold."""
    return None if stock is None or not sold else max(0.0, stock) / sold


def needs_reorder(entry: CatalogueEntry | None, stock: float | None) -> bool:
    """True if the stock is at or below the catalogue's threshold. False if either is not known."""
    threshold = None if entry is None else entry.reorder_threshold
    return stock is not None and threshold is not None and max(0, stock) <= threshold
