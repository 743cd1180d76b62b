"""Demand out of the lines of invoices: what customers wanted, without what was entered by mistake.

The rule:

* A product is a stock code that begins with five digits. Other codes are charges (postage, discounts, fees).
* A line with a quantity and a price above 0 is demand. Free items are samples, gifts and written-off stock.
* A line below 0 that comes within a day after a sale of the same customer, product and quantity cancels that sale,
  the latest of them: it was a mistake. The sale is no demand from that moment on.
* All other lines below 0 are returns. The customer did want the goods, and the shop had to have them: the demand
  stays.

A cancellation is known only from its own moment on, so a forecast that is made between the two still counts the
sale (`Demand.is_known`)."""

import re
from collections.abc import Iterable
from itertools import count

import msgspec

from core.timestamps import DAY_MS

CANCELLED_WITHIN_MS = DAY_MS
AMOUNT_SCALE = 10_000
"""Amounts are whole numbers of a ten-thousandth of the currency, so that their sums are exact in any order."""

_PRODUCT = re.compile(r"\d{5}")


class SoldLine(msgspec.Struct, frozen=True):
    """A line of an invoice. units: pieces, below 0 for a return. price: of a piece, in the currency; None if it is
    not known. customer: None if it is not known."""

    product_id: str
    at_ms: int
    units: int
    price: float | None
    customer: str | None


class Demand(msgspec.Struct, frozen=True, gc=False):
    """A sale that counts as demand, from its moment (UTC milliseconds) until it was cancelled, if it was."""

    product_id: str
    at_ms: int
    units: int
    price: float | None
    cancelled_at_ms: int | None = None

    def is_known(self, at_ms: int) -> bool:
        """True if the sale counts for somebody who knows what came before a moment."""
        return self.at_ms < at_ms and (self.cancelled_at_ms is None or self.cancelled_at_ms >= at_ms)


def is_product(stock_code: str) -> bool:
    """True for the code of a product, false for that of a charge."""
    return _PRODUCT.match(stock_code) is not None


def demand_of(lines: Iterable[SoldLine]) -> list[Demand]:
    """The demand of lines, in order of time; of equal times, in the order of the lines. The order of the lines does
    not matter otherwise."""
    found: dict[int, Demand] = {}
    # By customer, product and quantity: the sales that can be cancelled, the latest last.
    open_sales: dict[tuple[str, str, int], list[int]] = {}
    numbers = count()
    for line in sorted(lines, key=_time_and_kind):
        if not is_product(line.product_id) or line.units == 0:
            continue
        key = (line.customer or "", line.product_id, abs(line.units))
        if line.units > 0:
            if line.price is not None and line.price <= 0:
                continue
            number = next(numbers)
            found[number] = Demand(line.product_id, line.at_ms, line.units, line.price)
            if line.customer is not None:
                open_sales.setdefault(key, []).append(number)
        elif line.customer is not None and (sales := open_sales.get(key)):
            sale = found[sales[-1]]
            if line.at_ms - sale.at_ms <= CANCELLED_WITHIN_MS:
                found[sales.pop()] = msgspec.structs.replace(sale, cancelled_at_ms=line.at_ms)
    return list(found.values())


def _time_and_kind(line: SoldLine) -> tuple[int, bool]:
    # A sale and its cancellation may have the same minute.
    return line.at_ms, line.units < 0
