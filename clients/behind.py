"""Keys that stand still: a reader refuses their newest versions as not newer than what it has.

The problem. Readers drop a version that is not newer. After a crash that is right: the last second is replayed. If
versions have fallen back for good, it is silent: the price of the key does not change any more.

The idea. A key that is refused with a version below that of the reader is behind. In a replay it catches up within
a moment, because the replay ends at the version of before. A key that is still behind after `PATIENCE_S` stands
still."""

import threading
import time
from collections.abc import Callable, Collection, Iterable

import telemetry

PATIENCE_S = 60.0
"""Time within which a replay catches up."""

LOOK_EVERY_S = 10.0
"""Pause between two looks at the keys that are behind."""

KEYS_MAX = 100_000
"""Keys that are remembered. Beyond it, further ones are only counted."""


class KeysBehind:
    """The keys of one output that are behind, and the alert about them. Thread-safe. Used by the Redis sink and by
    the relay of the API.

    output: its name in the metric `pricewax_not_newer`. alert: a code of `core.alerts.ALERTS`. While keys are
    behind, a timer looks at them, so that the alert is raised without further writes."""

    def __init__(self, output: str, alert: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._refused = telemetry.NOT_NEWER.labels(output)
        self._alert = alert
        self._clock = clock
        self._lock = threading.Lock()
        self.since: dict[str, float] = {}
        """Key to the time since which it is behind, the longest first. Readers look here first, as it is usually
        empty."""
        self._timer: threading.Timer | None = None

    def count(self, refused: int) -> None:
        """Count further refusals: of the version that the reader has, or of a key that `refuse` is given once."""
        self._refused.inc(refused)

    def refuse(self, keys: Collection[str]) -> None:
        """Count refusals of keys whose version is below that of the reader. It costs nothing without keys."""
        if not keys:
            return
        now = self._clock()
        with self._lock:
            for key in keys:
                self._refused.inc()
                if len(self.since) < KEYS_MAX:
                    self.since.setdefault(key, now)
            self._watch()

    def catch_up(self, keys: Iterable[str]) -> None:
        """The reader has taken the newest versions of these keys. It costs nothing while no key is behind."""
        if not self.since:
            return
        with self._lock:
            for key in keys:
                self.since.pop(key, None)
        self.look()

    def look(self) -> None:
        """Raise or clear the alert."""
        with self._lock:
            oldest = next(iter(self.since.values()), None)
            late = oldest is not None and self._clock() - oldest >= PATIENCE_S
            telemetry.set_alert(self._alert, holds=late)

    def _watch(self) -> None:
        if self.since and self._timer is None:
            self._timer = threading.Timer(LOOK_EVERY_S, self._tick)
            self._timer.daemon = True
            self._timer.start()

    def _tick(self) -> None:
        self.look()
        with self._lock:
            self._timer = None
            self._watch()
