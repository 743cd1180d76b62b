"""Units sold, by product, in sums by minute, hour and day: the state that features are made of.

All products share arrays, one row each, so that the features of many are made at once. A row has about 6 kB."""

import heapq
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.timestamps import DAY_MS

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
MINUTES: Final = 128
"""Minutes that are kept. Features use 60. Views and carts may be up to as many ahead of the history's moment."""
HOURS: Final = 30 * 24
"""Hours that are kept. Features use 28 days and the current one."""
DAYS: Final = 128
"""Days that are kept. Features use 120 and the current one."""
NEVER = -1

_FIRST_ROWS = 256


class PackedRow(msgspec.Struct, array_like=True, gc=False):
    """The sums of one product that are not 0, by step (`Ring`). minutes: units, orders, views, carts. days: units,
    orders, amounts. waiting: what it does not know yet (moment, units, amount, orders, known from)."""

    first_ms: int
    last_ms: int
    stock: float | None
    minutes: list[tuple[int, int, int, int, int]]
    hours: list[tuple[int, int]]
    days: list[tuple[int, int, int, int]]
    waiting: list[tuple[int, int, int, int, int]] = []


class Sold:
    """A sale to be added. units, orders: may be below 0, to take a sale back. amount: of all units, in
    ten-thousandths of the currency."""

    __slots__ = ("amount", "at_ms", "orders", "product_id", "units")

    def __init__(self, product_id: str, at_ms: int, units: int, amount: int, orders: int = 1) -> None:
        self.product_id = product_id
        self.at_ms = at_ms
        self.units = units
        self.amount = amount
        self.orders = orders

    def taken_back(self) -> "Sold":
        """The entry that cancels this sale."""
        return Sold(self.product_id, self.at_ms, -self.units, -self.amount, -self.orders)


class Ring:
    """Sums by step of time (a minute, an hour or a day), a row for each product, the latest `kept` steps. A sum
    stays at half the largest number of its kind when it would be larger, and at 0 when it would be below."""

    def __init__(self, step_ms: int, kept: int, kind: Any = np.int32) -> None:
        self.step_ms = step_ms
        self._most = int(np.iinfo(kind).max) // 2
        self.kept = kept
        self.sums: NDArray[Any] = np.zeros((_FIRST_ROWS, kept), kind)
        # The latest step that has a place.
        self.latest = NEVER

    def move(self, step: int) -> None:
        """Make room for all steps up to this one."""
        if step <= self.latest:
            return
        if self.latest == NEVER or step - self.latest >= self.kept:
            self.sums[:] = 0
        else:
            for each in range(self.latest + 1, step + 1):
                self.sums[:, each % self.kept] = 0
        self.latest = step

    def add(self, row: int, at_ms: int, value: int) -> None:
        """Add to the sum of a moment. A moment that is too old is left out."""
        step = at_ms // self.step_ms
        assert step <= self.latest
        if step > self.latest - self.kept:
            column = step % self.kept
            self.sums[row, column] = min(max(int(self.sums[row, column]) + value, 0), self._most)

    def window(self, rows: Any, steps: NDArray[np.int64]) -> NDArray[Any]:
        """The sums of steps, as (rows, steps). All steps must be among those that are kept."""
        found: NDArray[Any] = self.sums[rows][:, steps % self.kept]
        return found

    def grow(self, rows: int) -> None:
        """Have this many rows."""
        more = np.zeros((rows - len(self.sums), self.kept), self.sums.dtype)
        self.sums = np.concatenate([self.sums, more])


class History:
    """The sums of all products before a moment, `at_ms` (UTC, whole minutes).

    `advance` moves the moment on. What is sold later than that waits, so that nothing ever knows its future. The
    first row is the whole shop."""

    def __init__(self) -> None:
        self.at_ms = 0
        self.rows: dict[str, int] = {}
        self.names: list[str] = []
        self.minutes = Ring(MINUTE_MS, MINUTES)
        self.minute_orders = Ring(MINUTE_MS, MINUTES)
        self.minute_views = Ring(MINUTE_MS, MINUTES)
        self.minute_carts = Ring(MINUTE_MS, MINUTES)
        self.hours = Ring(HOUR_MS, HOURS)
        self.days = Ring(DAY_MS, DAYS)
        self.day_orders = Ring(DAY_MS, DAYS)
        self.day_amounts = Ring(DAY_MS, DAYS, np.int64)
        self.first_ms: NDArray[np.int64] = np.full(_FIRST_ROWS, NEVER, np.int64)
        self.last_ms: NDArray[np.int64] = np.full(_FIRST_ROWS, NEVER, np.int64)
        self.stock: NDArray[np.float64] = np.full(_FIRST_ROWS, np.nan)
        # (the moment from which it counts, a number, the sale)
        self._waiting: list[tuple[int, int, Sold]] = []
        self._number = 0
        self._free: list[int] = []
        self._row_of(SHOP)

    def advance(self, at_ms: int) -> None:
        """Move on to the last whole minute at or before a moment, and take what was sold until then."""
        at_ms -= at_ms % MINUTE_MS
        if at_ms < self.at_ms:
            return
        self.at_ms = at_ms
        for ring in self._rings:
            ring.move(at_ms // ring.step_ms)
        while self._waiting and self._waiting[0][0] < at_ms:
            _, _, sold = heapq.heappop(self._waiting)
            self._apply(sold)

    def add(self, sold: Sold, known_ms: int | None = None) -> None:
        """Add a sale, or take one back. known_ms: the moment from which it counts, if that is not its own: that of
        a cancellation, say."""
        known_ms = sold.at_ms if known_ms is None else known_ms
        if known_ms >= self.at_ms:
            self._number += 1
            heapq.heappush(self._waiting, (known_ms, self._number, sold))
        else:
            self._apply(sold)

    def add_interest(self, product_id: str, at_ms: int, *, views: int = 0, carts: int = 0) -> None:
        """Count views and carts. They are left out if they are more than an hour after the history's moment."""
        row = self._row_of(product_id)
        if at_ms > self.at_ms + HOUR_MS:
            return
        self.minute_views.move(at_ms // MINUTE_MS)
        self.minute_carts.move(at_ms // MINUTE_MS)
        self.minute_views.add(row, at_ms, views)
        self.minute_carts.add(row, at_ms, carts)

    def set_stock(self, product_id: str, units: float) -> None:
        """Note how many units of a product can be sold."""
        self.stock[self._row_of(product_id)] = units

    def pack(self, product_ids: Iterable[str]) -> dict[str, PackedRow]:
        """The rows of products, to be kept."""
        waiting: dict[str, list[tuple[int, int, int, int, int]]] = {}
        for known_ms, _, sold in sorted(self._waiting, key=lambda each: each[:2]):
            parts = (sold.at_ms, sold.units, sold.amount, sold.orders, known_ms)
            waiting.setdefault(sold.product_id, []).append(parts)
        packed = {}
        for product_id in product_ids:
            row = self.rows.get(product_id)
            if row is None:
                if product_id in waiting:
                    packed[product_id] = PackedRow(NEVER, NEVER, None, [], [], [], waiting[product_id])
                continue
            stock = float(self.stock[row])
            minutes = (self.minutes, self.minute_orders, self.minute_views, self.minute_carts)
            packed[product_id] = PackedRow(
                int(self.first_ms[row]),
                int(self.last_ms[row]),
                None if np.isnan(stock) else stock,
                _nonzero(minutes, row),
                _nonzero((self.hours,), row),
                _nonzero((self.days, self.day_orders, self.day_amounts), row),
                waiting.get(product_id, []),
            )
        return packed

    def unpack(self, product_id: str, packed: PackedRow, at_ms: int) -> None:
        """Take what was kept of a product, which is not known yet. at_ms: the moment of the history then."""
        self.advance(at_ms)
        row = self._row_of(product_id)
        minutes = (self.minutes, self.minute_orders, self.minute_views, self.minute_carts)
        days = (self.days, self.day_orders, self.day_amounts)
        groups: tuple[tuple[tuple[Ring, ...], list[Any]], ...] = (
            (minutes, packed.minutes),
            ((self.hours,), packed.hours),
            (days, packed.days),
        )
        for rings, sums in groups:
            for step, *values in sums:
                for ring, value in zip(rings, values, strict=True):
                    # Views and carts may be ahead of the moment.
                    ring.move(step)
                    ring.add(row, step * ring.step_ms, value)
                    # Views and carts are of products only.
                    if ring not in (self.minute_views, self.minute_carts):
                        ring.add(0, step * ring.step_ms, value)
        self.first_ms[row], self.last_ms[row] = packed.first_ms, packed.last_ms
        if packed.first_ms != NEVER:
            first = self.first_ms[0]
            self.first_ms[0] = packed.first_ms if first == NEVER else min(first, packed.first_ms)
            self.last_ms[0] = max(self.last_ms[0], packed.last_ms)
        self.stock[row] = np.nan if packed.stock is None else packed.stock
        for moment, units, amount, orders, known_ms in packed.waiting:
            self.add(Sold(product_id, moment, units, amount, orders), known_ms)

    def forget(self, product_id: str) -> None:
        """Forget a product. What the shop sold of it stays in the sums of the shop."""
        row = self.rows.pop(product_id, None)
        if row is None:
            return
        for ring in self._rings:
            ring.sums[row] = 0
        self.first_ms[row] = self.last_ms[row] = NEVER
        self.stock[row] = np.nan
        self.names[row] = SHOP
        self._free.append(row)

    def row(self, product_id: str) -> int | None:
        """The row of a product; None if nothing of it was sold."""
        return self.rows.get(product_id)

    @property
    def _rings(self) -> tuple[Ring, ...]:
        minutes = self.minutes, self.minute_orders, self.minute_views, self.minute_carts
        return *minutes, self.hours, self.days, self.day_orders, self.day_amounts

    def _apply(self, sold: Sold) -> None:
        for row in (0, self._row_of(sold.product_id)):
            self.minutes.add(row, sold.at_ms, sold.units)
            self.minute_orders.add(row, sold.at_ms, sold.orders)
            self.hours.add(row, sold.at_ms, sold.units)
            self.days.add(row, sold.at_ms, sold.units)
            self.day_orders.add(row, sold.at_ms, sold.orders)
            self.day_amounts.add(row, sold.at_ms, sold.amount)
            if sold.units > 0:
                first = self.first_ms[row]
                if first == NEVER or sold.at_ms < first:
                    self.first_ms[row] = sold.at_ms
                if sold.at_ms > self.last_ms[row]:
                    self.last_ms[row] = sold.at_ms

    def _row_of(self, product_id: str) -> int:
        row = self.rows.get(product_id)
        if row is None and self._free:
            row = self.rows[product_id] = self._free.pop()
            self.names[row] = product_id
        elif row is None:
            row = self.rows[product_id] = len(self.names)
            self.names.append(product_id)
            if row == len(self.first_ms):
                for ring in self._rings:
                    ring.grow(2 * row)
                empty = np.full(row, NEVER, np.int64)
                self.first_ms = np.concatenate([self.first_ms, empty])
                self.last_ms = np.concatenate([self.last_ms, empty])
                self.stock = np.concatenate([self.stock, np.full(row, np.nan)])
        return row


def _nonzero(rings: tuple[Ring, ...], row: int) -> list[Any]:
    """The steps of a row with a sum in any of the rings, in order, each with its sums."""
    found: dict[int, list[int]] = {}
    for place, ring in enumerate(rings):
        for column in np.flatnonzero(ring.sums[row]).tolist():
            step = ring.latest - (ring.latest - column) % ring.kept
            found.setdefault(step, [0] * len(rings))[place] = int(ring.sums[row, column])
    return [(step, *sums) for step, sums in sorted(found.items())]


SHOP = ""
"""The id of the row of the whole shop. No product has it."""
