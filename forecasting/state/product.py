"""The state of one product besides its sums."""

import msgspec

from core.timestamps import DAY_MS
from forecasting.published import Forecast, HourForecast

OPEN_SALES_MAX = 1000
"""Sales of a product that can still be taken back. Of more, the oldest are kept as they are."""


class OpenSale(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A sale of a known user, of the last day."""

    at_ms: int
    units: int
    amount: int
    user: str


class Product(msgspec.Struct, array_like=True, gc=False):
    """A product. base_price: None without an entry in the catalogue. supply_at_ms: of the last news of its supply.
    hour: kept until the hour is over."""

    category: str = ""
    base_price: float | None = None
    supply_at_ms: int = -1
    open_sales: list[OpenSale] = []
    last: Forecast | None = None
    hour: HourForecast | None = None

    def open_sale(self, sale: OpenSale) -> None:
        """Note a sale that can be taken back for a day."""
        oldest = sale.at_ms - DAY_MS
        if self.open_sales and (self.open_sales[0].at_ms < oldest or len(self.open_sales) >= OPEN_SALES_MAX):
            self.open_sales = [each for each in self.open_sales if each.at_ms >= oldest][-OPEN_SALES_MAX + 1 :]
        self.open_sales.append(sale)

    def take_back(self, at_ms: int, user: str | None, units: int | None) -> OpenSale | None:
        """The latest sale of a user in the day before, with these units if they are given; it is not open any more.
        None if there is none."""
        if user is None:
            return None
        found = [
            each
            for each in self.open_sales
            if each.user == user and at_ms - DAY_MS <= each.at_ms <= at_ms and units in (None, each.units)
        ]
        if not found:
            return None
        latest = max(found, key=lambda each: each.at_ms)
        self.open_sales.remove(latest)
        return latest
