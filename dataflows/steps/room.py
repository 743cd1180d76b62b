"""The room for products or symbols in a process, counted."""

import threading

from prometheus_client import Gauge

import telemetry

NEARLY_FULL = 0.9


class CountedRoom:
    """The number of keys that the shards of this process hold, of `limit` at most. Shared by the threads of all
    workers: two of them may fill the last places at the same time, so the limit may be passed by a batch each.

    keys: their name. It raises the alerts `KEYS_near_limit` and `KEYS_at_limit`. gauge: shows the number."""

    def __init__(self, keys: str, limit: int, gauge: Gauge) -> None:
        self._keys = keys
        self._limit = limit
        self._gauge = gauge
        self._count = 0
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take the place of one key. False if there is none left."""
        if self._count >= self._limit:
            return False
        self.note(1)
        return True

    @property
    def free(self) -> int:
        """The number of keys that may be added."""
        return max(0, self._limit - self._count)

    def note(self, change: int) -> None:
        """A shard has this number of keys more; fewer, if it is negative."""
        with self._lock:
            before, self._count = self._count, self._count + change
            count, limit = self._count, self._limit
            for code, threshold in (("near_limit", NEARLY_FULL * limit), ("at_limit", limit)):
                if (before >= threshold) != (count >= threshold):
                    # Under the lock: the alert of the last change must be the last.
                    telemetry.set_alert(f"{self._keys}_{code}", str(limit), holds=count >= threshold)
        self._gauge.inc(change)


def product_room(limit: int) -> CountedRoom:
    """The room for products."""
    return CountedRoom("products", limit, telemetry.PRODUCTS)


def forecast_room(limit: int) -> CountedRoom:
    """The room for products of forecasts."""
    return CountedRoom("forecasts", limit, telemetry.FORECAST_PRODUCTS)


def symbol_room(limit: int) -> CountedRoom:
    """The room for symbols."""
    return CountedRoom("symbols", limit, telemetry.SYMBOLS)
