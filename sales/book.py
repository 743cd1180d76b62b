"""The book of a product: its orders, each with the price that was in force at its moment, and their sums.

Whatever comes late corrects what was said: a late price re-prices exactly the orders that it covers, a changed or a
removed order takes back what it had added. So any order of arrival ends at the same sums as one join of all orders
with all prices."""

from bisect import bisect_left, insort
from collections.abc import Iterator

import msgspec

from sales.orders import Order
from sales.prices import PricePoint, Timeline


class Sums(msgspec.Struct, array_like=True):
    """Sums over orders; amounts in units. unpriced: orders without a price, which count in `orders` and `units`
    too. uncosted, unbased: orders without a unit cost, or without a base price, which `margin` and `base_revenue`
    do not have."""

    orders: int = 0
    units: int = 0
    revenue: int = 0
    margin: int = 0
    base_revenue: int = 0
    unpriced: int = 0
    uncosted: int = 0
    unbased: int = 0

    def add(self, other: "Sums", sign: int = 1) -> None:
        """Add other sums, or take them away (sign -1)."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + sign * getattr(other, name))

    def minus(self, other: "Sums") -> "Sums":
        """The difference to other sums."""
        found = msgspec.structs.replace(self)
        found.add(other, -1)
        return found


class Sale(msgspec.Struct, frozen=True, gc=False):
    """An order with its price. point: None if no price was in force. unit_cost: units; None if it is not known."""

    order: Order
    point: PricePoint | None
    unit_cost: int | None

    @property
    def revenue(self) -> int | None:
        """Units; None without a price."""
        price = self.point.price if self.point is not None else None
        return None if price is None else price * self.order.quantity

    @property
    def margin(self) -> int | None:
        """Revenue less the cost; None without a price or a cost."""
        revenue = self.revenue
        return None if revenue is None or self.unit_cost is None else revenue - self.unit_cost * self.order.quantity

    @property
    def base_revenue(self) -> int | None:
        """The revenue at the base price; None without one."""
        if self.revenue is None or self.point is None or self.point.base is None:
            return None
        return self.point.base * self.order.quantity

    def sums(self) -> Sums:
        """The part of sums that the order adds."""
        revenue, margin, base_revenue = self.revenue, self.margin, self.base_revenue
        return Sums(
            1,
            self.order.quantity,
            revenue or 0,
            margin or 0,
            base_revenue or 0,
            revenue is None,
            margin is None,
            base_revenue is None,
        )


class Correction(msgspec.Struct, frozen=True, gc=False):
    """A sale that changed. sale: as it is now, None if the order is removed. difference: of the sums."""

    order_id: str
    sale: Sale | None
    difference: Sums


class Book:
    """The sales of one product. unit_cost: units; None if it is not known."""

    def __init__(self, product_id: str) -> None:
        self.product_id = product_id
        self.unit_cost: int | None = None
        self.timeline = Timeline()
        self.sums = Sums()
        self._sales: dict[str, Sale] = {}
        # By time, so that a late price finds its orders.
        self._times: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._sales)

    def put(self, order: Order) -> Correction:
        """Add an order, or change it."""
        known = self._sales.get(order.order_id)
        point = self.timeline.at(order.time_ms)
        if known is None or known.order.time_ms != order.time_ms:
            self._drop_time(known)
            insort(self._times, (order.time_ms, order.order_id))
        elif point is None:
            # The price of its moment may be forgotten.
            point = known.point
        return self._set(order.order_id, Sale(order, point, self.unit_cost))

    def restore(self, order: Order, point: PricePoint | None) -> None:
        """Add an order of a snapshot, with the price that it had if that is forgotten."""
        insort(self._times, (order.time_ms, order.order_id))
        self._set(order.order_id, Sale(order, point or self.timeline.at(order.time_ms), self.unit_cost))

    def forgotten_price(self, sale: Sale) -> PricePoint | None:
        """The price of a sale if the timeline does not have it any more."""
        return None if sale.point is None or sale.point == self.timeline.at(sale.order.time_ms) else sale.point

    def remove(self, order_id: str) -> Correction | None:
        """Take an order away. None if it is not known."""
        known = self._sales.get(order_id)
        if known is None:
            return None
        self._drop_time(known)
        return self._set(order_id, None)

    def add_price(self, point: PricePoint) -> Iterator[Correction]:
        """Add a price. Yields the corrections of the orders that it covers."""
        if not self.timeline.add(point):
            return
        end_ms = self.timeline.end_of(point)
        first = bisect_left(self._times, (point.at_ms, ""))
        last = len(self._times) if end_ms is None else bisect_left(self._times, (end_ms, ""))
        for _, order_id in self._times[first:last]:
            sale = self._sales[order_id]
            yield self._set(order_id, msgspec.structs.replace(sale, point=point))

    def set_cost(self, unit_cost: int | None) -> Iterator[Correction]:
        """Set the unit cost of all orders. Yields their corrections."""
        if unit_cost == self.unit_cost:
            return
        self.unit_cost = unit_cost
        for order_id, sale in list(self._sales.items()):
            yield self._set(order_id, msgspec.structs.replace(sale, unit_cost=unit_cost))

    def sales(self) -> list[Sale]:
        """All sales, by time."""
        return [self._sales[order_id] for _, order_id in self._times]

    def _drop_time(self, known: Sale | None) -> None:
        if known is not None:
            place = (known.order.time_ms, known.order.order_id)
            del self._times[bisect_left(self._times, place)]

    def _set(self, order_id: str, sale: Sale | None) -> Correction:
        known = self._sales.pop(order_id, None)
        difference = Sums() if sale is None else sale.sums()
        if sale is not None:
            self._sales[order_id] = sale
        if known is not None:
            difference.add(known.sums(), -1)
        self.sums.add(difference)
        return Correction(order_id, sale, difference)
