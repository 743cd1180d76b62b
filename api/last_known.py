"""The last price seen of each product, for when Redis does not answer."""

import time
from collections.abc import Iterable, Mapping

import msgspec

PRODUCTS_MAX = 1_000_000


class KnownPrice(msgspec.Struct, frozen=True, gc=False):
    """`seen_at_s` is on the monotonic clock."""

    price: float
    demand: float
    price_source: str
    version: int
    seen_at_s: float

    @property
    def age_ms(self) -> int:
        return max(0, round((time.monotonic() - self.seen_at_s) * 1000))


class LastKnown:
    """Fed by the relay and by every read of Redis; never an older version over a newer."""

    def __init__(self) -> None:
        self._prices: dict[str, KnownPrice] = {}

    def note(self, product_id: str, price: float, demand: float, price_source: str, version: int) -> None:
        known = self._prices.get(product_id)
        if known is None and len(self._prices) >= PRODUCTS_MAX:
            return
        if known is None or known.version <= version:
            self._prices[product_id] = KnownPrice(price, demand, price_source, version, time.monotonic())

    def newer_than(self, versions: Mapping[str, int], products: Iterable[str] | None) -> list[str]:
        """Of `products` (None: all), those seen here in a newer version than the one given, if any is."""
        names = self._prices if products is None else products
        found = ((name, self._prices.get(name)) for name in names)
        return [name for name, known in found if known and known.version > versions.get(name, -1)]

    def get(self, product_id: str) -> KnownPrice | None:
        return self._prices.get(product_id)
