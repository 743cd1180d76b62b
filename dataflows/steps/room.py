"""The room for products in a process."""

import threading

import telemetry

NEARLY_FULL = 0.9


class ProductRoom:
    """The number of products that the shards of this process hold, of `limit` at most. Shared by the threads of all
    workers: two of them may fill the last places at the same time, so the limit may be passed by a batch each.

    It raises the alerts `products_near_limit` and `products_at_limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take the place of one product. False if there is none left."""
        if self._count >= self._limit:
            return False
        self.note(1)
        return True

    @property
    def free(self) -> int:
        """The number of products that may be added."""
        return max(0, self._limit - self._count)

    def note(self, change: int) -> None:
        """A shard has this number of products more; fewer, if it is negative."""
        with self._lock:
            before, self._count = self._count, self._count + change
            count, limit = self._count, self._limit
            for code, threshold in (("products_near_limit", NEARLY_FULL * limit), ("products_at_limit", limit)):
                if (before >= threshold) != (count >= threshold):
                    # Under the lock: the alert of the last change must be the last.
                    telemetry.set_alert(code, str(limit), holds=count >= threshold)
        telemetry.PRODUCTS.inc(change)
