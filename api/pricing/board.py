"""Every product as this process last saw it: for the board, and for when Redis does not answer."""

import asyncio
import secrets
import time
from collections.abc import Iterable, Mapping

import msgspec

from core.timestamps import DAY_MS
from pricing.explanation import bound_by
from sinks.redis_names import StoredPrice
from sinks.redis_reader import PriceReader, RedisDownError, StoredProduct

PRODUCTS_MAX = 1_000_000
PAGE_MAX = 5_000
READ_PRODUCTS = 500
LOOK_EVERY_S = 15.0
NAMES_EVERY_S = 120.0


class SeenUpdate(msgspec.Struct, gc=False):
    """What the relay reads of an update. `rules` are the names of its adjustments."""

    product_id: str
    new_price: float
    version: int
    demand: float
    price_source: str
    event_time_ms: int
    previous_price: float | None
    adjustments: list["SeenAdjustment"]


class SeenAdjustment(msgspec.Struct, gc=False):
    rule: str


class KnownPrice(msgspec.Struct, gc=False):
    """A row of the board. `seen_at_s` is on the monotonic clock, `sequence` grows with every change of any row.

    `day` and `day_open`: the latest day of event time (UTC) and the price in force when it began."""

    price: float
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
        return max(0, round((time.monotonic() - self.seen_at_s) * 1000))


BoardRow = tuple[str, str, str, float, float, str, int, int, str | None, float | None]
"""product_id, name, category, price, demand, price_source, version, updated_at_ms, bound_by, day_open."""


class BoardPage(msgspec.Struct, frozen=True):
    """Rows that changed after a token; all of them, with `reset`, where the token is another process's.

    `total` products are known, `loading` tells that more are being read from Redis."""

    token: str
    reset: bool
    more: bool
    loading: bool
    total: int
    rows: list[BoardRow]


class Board:
    """Fed by the relay and by every read of Redis; never an older version over a newer.

    Belongs to the event loop's thread. The names of products, and products that have not moved since this
    process started, are read from Redis once somebody asks for the board.
    """

    def __init__(self) -> None:
        self._prices: dict[str, KnownPrice] = {}
        self._names: dict[str, tuple[str, str]] = {}
        self._sequence = 0
        self._epoch = secrets.token_hex(4)
        self._filling: asyncio.Task[None] | None = None
        self._loading = True

    def note(self, update: SeenUpdate) -> None:
        """An update that the relay has read."""
        known = self._prices.get(update.product_id)
        if known is not None and known.version > update.version:
            return
        day, day_open = (-1, None) if known is None else (known.day, known.day_open)
        event_day = update.event_time_ms // DAY_MS
        if event_day > day:
            day = event_day
            day_open = update.new_price if update.previous_price is None else update.previous_price
        self._put(
            update.product_id,
            KnownPrice(
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

    def note_stored(self, stored: StoredPrice) -> None:
        """A price that was read from Redis."""
        known = self._prices.get(stored.product_id)
        if known is not None and known.version >= stored.version:
            known.seen_at_s = time.monotonic()
            # The flow has seen the whole day, this process perhaps only a part.
            if stored.day == known.day and stored.version == known.version:
                known.day_open = stored.day_open
            return
        self._put(
            stored.product_id,
            KnownPrice(
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
        """The prices of these were right until now."""
        now_s = time.monotonic()
        for product_id in product_ids:
            if known := self._prices.get(product_id):
                known.seen_at_s = now_s

    def note_product(self, product: StoredProduct) -> None:
        """What the catalogue says of a product, as read from Redis."""
        named = (product.name, product.category)
        if self._names.get(product.product_id) != named:
            self._names[product.product_id] = named
            if known := self._prices.get(product.product_id):
                self._put(product.product_id, known)

    def get(self, product_id: str) -> KnownPrice | None:
        return self._prices.get(product_id)

    def newer_than(self, versions: Mapping[str, int], products: Iterable[str] | None) -> list[str]:
        """Of `products` (None: all), those seen here in a newer version than the one given, if any is."""
        names = self._prices if products is None else products
        found = ((name, self._prices.get(name)) for name in names)
        return [name for name, known in found if known and known.version > versions.get(name, -1)]

    def page(self, token: str | None) -> BoardPage:
        """The next rows after a token (None: from the start), oldest change first."""
        epoch, _, text = (token or "").partition("-")
        reset = epoch != self._epoch or not text.isdigit()
        after = 0 if reset else int(text)
        rows: list[BoardRow] = []
        last = after
        for product_id, known in self._changed_after(after):
            if len(rows) == PAGE_MAX:
                break
            last = known.sequence
            name, category = self._names.get(product_id, ("", ""))
            rows.append(
                (
                    product_id,
                    name,
                    category,
                    known.price,
                    known.demand,
                    known.price_source,
                    known.version,
                    known.updated_at_ms,
                    known.bound_by,
                    known.day_open,
                )
            )
        more = last < self._sequence and len(rows) == PAGE_MAX
        return BoardPage(f"{self._epoch}-{last}", reset, more, self._loading, len(self._prices), rows)

    def fill(self, prices: PriceReader) -> None:
        """Begin to read what this process has not seen from Redis, and go on looking for new products."""
        if self._filling is None:
            self._filling = asyncio.create_task(self._fill(prices))

    async def close(self) -> None:
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)

    def _changed_after(self, sequence: int) -> Iterable[tuple[str, KnownPrice]]:
        """In order of change: rows stand in the dict in that order, as `_put` moves them to its end."""
        if self._sequence - sequence > len(self._prices) // 2:
            return ((name, known) for name, known in self._prices.items() if known.sequence > sequence)
        newest: list[tuple[str, KnownPrice]] = []
        for name in reversed(self._prices):
            known = self._prices[name]
            if known.sequence <= sequence:
                break
            newest.append((name, known))
        return reversed(newest)

    def _put(self, product_id: str, known: KnownPrice) -> None:
        if self._prices.pop(product_id, None) is None and len(self._prices) >= PRODUCTS_MAX:
            return
        self._sequence += 1
        known.sequence = self._sequence
        self._prices[product_id] = known

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
            await asyncio.sleep(0)
