"""Recent reads of a relay: how many updates, when, and how late. For the status page and the metrics."""

import time
from collections import deque
from collections.abc import Callable

import telemetry

WINDOW_S = 10.0
READS_MAX = 10_000


class RecentReads:
    """The reads of the last WINDOW_S seconds, at most READS_MAX. The relay's thread notes them, the event loop's
    thread asks for figures. clock: monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reads: deque[tuple[float, int, float]] = deque(maxlen=READS_MAX)
        self.last_update_ms: int | None = None

    def note(self, updates: int, written_ms: int) -> None:
        """Keep a read. updates: how many there were. written_ms: Kafka's time stamp of the first message, UTC."""
        self.last_update_ms = time.time_ns() // 1_000_000
        late_s = max(0.0, (self.last_update_ms - written_ms) / 1000)
        telemetry.RELAY_LATENCY.observe(late_s)
        self._reads.append((self._clock(), updates, late_s))

    def updates_per_s(self) -> float:
        """Updates a second, over the window."""
        since_s = self._clock() - WINDOW_S
        return sum(updates for at_s, updates, _ in tuple(self._reads) if at_s >= since_s) / WINDOW_S

    def latency_ms(self) -> dict[str, float | None]:
        """p50 and p99 of the time from writing an update to reading it, in milliseconds, over the window; None if
        nothing was read."""
        since_s = self._clock() - WINDOW_S
        late_ms = sorted(late_s * 1000 for at_s, _, late_s in tuple(self._reads) if at_s >= since_s)
        if not late_ms:
            return {"p50": None, "p99": None}
        return {"p50": round(late_ms[len(late_ms) // 2], 1), "p99": round(late_ms[int(len(late_ms) * 0.99)], 1)}
