"""A shard of products: signals in, and the documents from which it is restored.

All shards of a worker share one `History`, because products are forecast many at a time, and because features
look at the whole shop. A shard keeps what belongs to its products. Signals are kept as they came: applied again,
they give the same state. So a document of an epoch is small."""

from collections.abc import Iterable

import msgspec

from core.event_clock import EventClock
from core.room import Room
from core.timestamps import DAY_MS
from forecasting.history import DAYS, History, PackedRow, Sold
from forecasting.published import Forecast, HourForecast
from forecasting.state.product import OpenSale, Product
from forecasting.state.signals import Cancel, Entry, Sale, Signal, Supply

FORMAT = 1
"""Version of the documents' layout."""

PRODUCT_BYTES = 1200
"""Approximate length of a product in a document."""

EVENT_IDS_MAX = 100_000
"""Ids of events that a shard remembers, for a day. Of more, the oldest is forgotten."""


class _Document(msgspec.Struct, array_like=True):
    """at_ms: the moment of the history. products: the whole state. signals: applied after it, in order, with the
    moment of the history at each; a document of changes has only these and forecasts: the last one of a product,
    and the first of its hour. newest_ms: of the event clock."""

    version: int
    at_ms: int
    newest_ms: int
    products: dict[str, tuple[Product, PackedRow | None, int]] = {}
    event_ids: dict[str, int] = {}
    signals: list[tuple[int, Signal]] = []
    forecasts: dict[str, tuple[Forecast | None, HourForecast | None]] = {}


# JSON, because MessagePack has no numbers above 64 bits.
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Document).decode


class Lane:
    """The part that the shards of a worker share. Belongs to the worker's thread. room: for products, in all."""

    def __init__(self, room: Room) -> None:
        self.history = History()
        self.clock = EventClock()
        self.room = room
        self.shards: dict[int, ForecastShard] = {}
        # Of `rounds.category_means`: for the history's moment at which they were made.
        self.means_at_ms = -1
        self.means: dict[str, tuple[float, float]] = {}

    def category_of(self, product_id: str) -> str:
        """The category of a product of any shard; empty if it is not known."""
        for shard in self.shards.values():
            if product_id in shard.products:
                return shard.products[product_id].category
        return ""


class ForecastShard:
    """The products of one shard. Belongs to the thread of its worker. documents: of the state, the oldest first.
    Raises ValueError for a document of a newer version."""

    def __init__(self, lane: Lane, documents: Iterable[bytes] = ()) -> None:
        self.lane = lane
        self.products: dict[str, Product] = {}
        self.refused = 0
        # The event time of the last signal of each product.
        self._seen_ms: dict[str, int] = {}
        self._event_ids: dict[str, int] = {}
        self._signals: list[tuple[int, Signal]] = []
        # An ordered set: products that were forecast since the last document.
        self._forecast: dict[str, None] = {}
        for each in documents:
            document = _decode(each)
            if document.version != FORMAT:
                raise ValueError(f"recovery snapshot has format {document.version}, this version reads {FORMAT}")
            if document.newest_ms > lane.clock.newest_ms:
                lane.clock = EventClock(document.newest_ms)
            self._event_ids.update(document.event_ids)
            for product_id, (product, packed, seen_ms) in document.products.items():
                self.products[product_id], self._seen_ms[product_id] = product, seen_ms
                if packed is not None:
                    lane.history.unpack(product_id, packed, document.at_ms)
            for at_ms, signal in document.signals:
                lane.history.advance(at_ms)
                self._apply(signal)
            for product_id, (last, hour) in document.forecasts.items():
                if product_id in self.products:
                    self.products[product_id].last, self.products[product_id].hour = last, hour
        self._signals.clear()

    def __len__(self) -> int:
        return len(self.products)

    def apply(self, signals: Iterable[Signal], now_ms: int) -> None:
        """Apply signals, in order. now_ms: processing time."""
        signals = list(signals)
        for signal in signals:
            if not isinstance(signal, Entry):
                self.lane.clock.note(signal.at_ms, now_ms)
        # Before them, so that those of now are not too far ahead of the sums.
        self.lane.history.advance(self.lane.clock.at_ms(now_ms))
        for signal in signals:
            if signal.product_id not in self.products and not self.lane.room.take():
                self.refused += 1
                continue
            self._apply(signal)

    def _apply(self, signal: Signal) -> None:
        history, product_id = self.lane.history, signal.product_id
        self._signals.append((history.at_ms, signal))
        product = self.products.get(product_id)
        if product is None:
            product = self.products[product_id] = Product()
        if isinstance(signal, Entry):
            product.category, product.base_price = signal.category, signal.base_price
            return
        self._seen_ms[product_id] = max(signal.at_ms, self._seen_ms.get(product_id, 0))
        if isinstance(signal, Supply):
            if signal.at_ms >= product.supply_at_ms:
                product.supply_at_ms = signal.at_ms
                history.set_stock(product_id, signal.available)
            return
        if signal.event_id is not None and not self._is_new(signal.event_id, signal.at_ms):
            return
        if isinstance(signal, Sale):
            history.add(Sold(product_id, signal.at_ms, signal.units, signal.amount))
            if signal.user is not None:
                product.open_sale(OpenSale(signal.at_ms, signal.units, signal.amount, signal.user))
        elif isinstance(signal, Cancel):
            sale = product.take_back(signal.at_ms, signal.user, signal.units)
            if sale is not None:
                history.add(Sold(product_id, sale.at_ms, -sale.units, -sale.amount, -1), signal.at_ms)
        else:
            history.add_interest(product_id, signal.at_ms, views=not signal.is_cart, carts=int(signal.is_cart))

    def note_forecast(self, product_id: str) -> None:
        """A product has a new forecast."""
        self._forecast[product_id] = None

    def _is_new(self, event_id: str, at_ms: int) -> bool:
        """False for an event that counted within a day."""
        before = self._event_ids.get(event_id)
        if before is not None and abs(at_ms - before) < DAY_MS:
            return False
        self._event_ids.pop(event_id, None)
        self._event_ids[event_id] = at_ms
        if len(self._event_ids) > EVENT_IDS_MAX:
            del self._event_ids[next(iter(self._event_ids))]
        return True

    def forget_old(self) -> list[str]:
        """Forget the products of which nothing was heard for as long as sums are kept, and that the catalogue does
        not have, and the ids of events of more than a day. Returns the products."""
        at_ms = self.lane.history.at_ms
        for event_id in [name for name, seen_ms in self._event_ids.items() if seen_ms < at_ms - DAY_MS]:
            del self._event_ids[event_id]
        old = [
            product_id
            for product_id, product in self.products.items()
            if product.base_price is None and self._seen_ms.get(product_id, 0) < at_ms - DAYS * DAY_MS
        ]
        for product_id in old:
            del self.products[product_id]
            self._seen_ms.pop(product_id, None)
            self.lane.history.forget(product_id)
            self.lane.room.note(-1)
        return old

    def snapshot(self) -> bytes:
        self._signals.clear()
        self._forecast.clear()
        history = self.lane.history
        packed = history.pack(self.products)
        products = {
            product_id: (product, packed.get(product_id), self._seen_ms.get(product_id, 0))
            for product_id, product in self.products.items()
        }
        return _encode(_Document(FORMAT, history.at_ms, self.lane.clock.newest_ms, products, self._event_ids))

    def changes(self) -> bytes | None:
        if not self._signals and not self._forecast:
            return None
        at_ms, newest_ms = self.lane.history.at_ms, self.lane.clock.newest_ms
        known = ((name, self.products.get(name)) for name in self._forecast)
        forecasts = {name: (product.last, product.hour) for name, product in known if product is not None}
        document = _encode(_Document(FORMAT, at_ms, newest_ms, signals=self._signals, forecasts=forecasts))
        self._signals.clear()
        self._forecast.clear()
        return document

    def estimate_bytes(self) -> int:
        return PRODUCT_BYTES * len(self.products)
