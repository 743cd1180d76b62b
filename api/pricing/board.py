"""The board: the newest price of every product that this process has seen. It serves `/board`, and `/price/{id}`
while Redis does not answer."""

import asyncio
import secrets
import time
from collections.abc import Iterable
from typing import Annotated, ClassVar

import msgspec

import telemetry
from api.live.versions import Versions
from core.errors import RedisDownError
from core.timestamps import DAY_MS
from pricing.explanation import bound_by
from sinks.redis.reader import PriceReader, StoredPrice, StoredProduct

PRODUCTS_MAX = 1_000_000
PAGE_MAX = 5_000
READ_PRODUCTS = 500
LOOK_EVERY_S = 15.0
NAMES_EVERY_S = 120.0

_not_newer = telemetry.NOT_NEWER.labels("board")


class SeenUpdate(msgspec.Struct, gc=False, tag_field="type", tag="price_update"):
    """The fields of a `price_update` that the relay decodes."""

    withdrawn: ClassVar[bool] = False

    key: str = msgspec.field(name="product_id")
    new_price: float
    # A larger number could not be encoded again.
    version: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    demand: float
    price_source: str
    event_time_ms: int
    previous_price: float | None
    adjustments: list["SeenAdjustment"]


class SeenWithdrawal(msgspec.Struct, gc=False, tag_field="type", tag="price_withdrawn"):
    """The fields of a `price_withdrawn` that the relay decodes."""

    withdrawn: ClassVar[bool] = True

    key: str = msgspec.field(name="product_id")
    version: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class SeenAdjustment(msgspec.Struct, gc=False):
    """The name of an adjustment; its amount and reason are not decoded."""

    rule: str


class BoardPrice(msgspec.Struct, gc=False):
    """A product's price on the board; None if it was withdrawn.

    seen_at_s: the monotonic clock, in seconds, when the price was last known to be right. updated_at_ms: the time
    of the change, UTC. day: the latest day of event time, in days since the epoch; day_open: the price when that
    day began. sequence: grows with every change of any row."""

    price: float | None
    demand: float
    price_source: str
    version: int
    seen_at_s: float
    updated_at_ms: int
    bound_by: str | None
    day: int
    day_open: float | None
    sequence: int = 0

    @property
    def age_ms(self) -> int:
        """Milliseconds since the price was last known to be right."""
        return max(0, round((time.monotonic() - self.seen_at_s) * 1000))


BoardRow = tuple[str, str, str, float | None, float, str, int, int, str | None, float | None]
"""product_id, name, category, price (None if it was withdrawn), demand, price_source, version, updated_at_ms,
bound_by, day_open."""


class BoardPage(msgspec.Struct, frozen=True):
    """An answer of `/board`: the rows that changed after the caller's token.

    token: for the next page. reset: the caller's token was not of this process, so the rows are counted from the
    start. more: further rows have changed. loading: products are still being read from Redis. total: products on
    the board."""

    token: str
    reset: bool
    more: bool
    loading: bool
    total: int
    rows: list[BoardRow]


class Board:
    """Rows of at most PRODUCTS_MAX products. Belongs to the event loop's thread.

    In: updates from the relay (`note`, `withdraw`), and prices and catalogue entries that were read from Redis
    (`note_stored`, `note_product`). A version never replaces a newer one. Names, and products that have not changed
    since the start of this process, are read from Redis after the first call of `fill`. Out: `get`, `page`."""

    def __init__(self) -> None:
        self._prices: dict[str, BoardPrice] = {}
        self._names: dict[str, tuple[str, str]] = {}
        self._sequence = 0
        self._epoch = secrets.token_hex(4)
        self._filling: asyncio.Task[None] | None = None
        self._loading = True

    def note(self, update: SeenUpdate) -> None:
        """Put an update on the board, unless it is older than the row there."""
        if not update.key.isascii():
            # No product's id. Such an update is not of the flow, and half of a surrogate pair could not be encoded.
            return
        before = self._prices.get(update.key)
        if before is not None and before.version > update.version:
            _not_newer.inc()
            return
        day, day_open = (-1, None) if before is None else (before.day, before.day_open)
        event_day = update.event_time_ms // DAY_MS
        if event_day > day:
            day = event_day
            day_open = update.new_price if update.previous_price is None else update.previous_price
        self._put(
            update.key,
            BoardPrice(
                update.new_price,
                update.demand,
                update.price_source,
                update.version,
                time.monotonic(),
                time.time_ns() // 1_000_000,
                bound_by(update.adjustments),
                day,
                day_open,
            ),
        )

    def withdraw(self, update: SeenWithdrawal) -> None:
        """Take the price of a product from the board, unless the row there is newer. The row stays without a price,
        so that pages report it."""
        before = self._prices.get(update.key)
        if before is not None and before.version >= update.version:
            return
        now_ms = time.time_ns() // 1_000_000
        self._put(update.key, BoardPrice(None, 0.0, "", update.version, time.monotonic(), now_ms, None, -1, None))

    def withdrawn_version(self, product_id: str) -> int | None:
        """The version at which the price of a product was withdrawn; None if it has a price or is not known."""
        row = self._prices.get(product_id)
        return row.version if row is not None and row.price is None else None

    def note_stored(self, stored: StoredPrice) -> None:
        """Put a price that was read from Redis on the board, if it is newer than the row there. If it is not, it
        still confirms the row."""
        row = self._prices.get(stored.product_id)
        if row is not None and row.version >= stored.version:
            row.seen_at_s = time.monotonic()
            # The flow has seen the whole day; this process may have started in the middle of it.
            if stored.day == row.day and stored.version == row.version:
                row.day_open = stored.day_open
            return
        self._put(
            stored.product_id,
            BoardPrice(
                stored.price,
                stored.demand,
                stored.price_source,
                stored.version,
                time.monotonic(),
                stored.updated_at_ms,
                bound_by(stored.adjustments),
                stored.day,
                stored.day_open,
            ),
        )

    def confirm(self, product_ids: Iterable[str]) -> None:
        """The prices of these products were right until now."""
        now_s = time.monotonic()
        for product_id in product_ids:
            if row := self._prices.get(product_id):
                row.seen_at_s = now_s

    def note_product(self, product: StoredProduct) -> None:
        """Put a product's name and category on the board. A new name is a change of the row."""
        names = (product.name, product.category)
        if self._names.get(product.product_id) != names:
            self._names[product.product_id] = names
            if row := self._prices.get(product.product_id):
                self._put(product.product_id, row)

    def get(self, product_id: str) -> BoardPrice | None:
        """The row of a product, if it has a price."""
        row = self._prices.get(product_id)
        return row if row is not None and row.price is not None else None

    def newer_than(self, versions: Versions, product_ids: Iterable[str] | None) -> dict[str, int]:
        """Of these products (None: of all), those whose row is newer than in `versions`, with the row's version."""
        names = self._prices if product_ids is None else product_ids
        found = {name: row.version for name in names if (row := self.get(name))}
        return {name: found[name] for name in versions.newer_among(found.items())}

    def page(self, token: str | None) -> BoardPage:
        """At most PAGE_MAX rows that changed after a token (None: all rows), oldest change first."""
        epoch, _, text = (token or "").partition("-")
        reset = epoch != self._epoch or not text.isdigit()
        last = after = 0 if reset else int(text)
        rows: list[BoardRow] = []
        for product_id, row in self._changed_after(after):
            if len(rows) == PAGE_MAX:
                break
            last = row.sequence
            rows.append(self._row(product_id, row))
        more = last < self._sequence and len(rows) == PAGE_MAX
        return BoardPage(f"{self._epoch}-{last}", reset, more, self._loading, len(self._prices), rows)

    def fill(self, prices: PriceReader) -> None:
        """Read the products that this process has not seen from Redis, in a task, and look for new ones every
        LOOK_EVERY_S. Further calls change nothing."""
        if self._filling is None:
            self._filling = asyncio.create_task(self._fill(prices))

    async def close(self) -> None:
        """End the task of `fill`."""
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)

    def _row(self, product_id: str, row: BoardPrice) -> BoardRow:
        name, category = self._names.get(product_id, ("", ""))
        return (
            product_id,
            name,
            category,
            row.price,
            row.demand,
            row.price_source,
            row.version,
            row.updated_at_ms,
            row.bound_by,
            row.day_open,
        )

    def _changed_after(self, sequence: int) -> Iterable[tuple[str, BoardPrice]]:
        """Rows in the order of their change, which is the order of the dict: `_put` moves a row to its end."""
        if self._sequence - sequence > len(self._prices) // 2:
            return ((name, row) for name, row in self._prices.items() if row.sequence > sequence)
        newest: list[tuple[str, BoardPrice]] = []
        for name in reversed(self._prices):
            row = self._prices[name]
            if row.sequence <= sequence:
                break
            newest.append((name, row))
        return reversed(newest)

    def _put(self, product_id: str, row: BoardPrice) -> None:
        if self._prices.pop(product_id, None) is None and len(self._prices) >= PRODUCTS_MAX:
            return
        self._sequence += 1
        row.sequence = self._sequence
        self._prices[product_id] = row

    async def _fill(self, prices: PriceReader) -> None:
        names_read_s = 0.0
        while True:
            try:
                ids = await prices.product_ids()
                all_names = time.monotonic() - names_read_s > NAMES_EVERY_S
                await self._read(prices, [name for name in ids if name not in self._prices], prices_too=True)
                wanted = ids if all_names else [name for name in ids if name not in self._names]
                await self._read(prices, wanted, prices_too=False)
                if all_names:
                    names_read_s = time.monotonic()
                self._loading = False
            except RedisDownError:
                self._loading = True
            await asyncio.sleep(LOOK_EVERY_S)

    async def _read(self, prices: PriceReader, ids: list[str], *, prices_too: bool) -> None:
        for start in range(0, len(ids), READ_PRODUCTS):
            page = ids[start : start + READ_PRODUCTS]
            for product in await prices.products(page):
                self.note_product(product)
            if prices_too:
                for stored in await prices.prices(page):
                    self.note_stored(stored)
            # Let the event loop run other tasks.
            await asyncio.sleep(0)
