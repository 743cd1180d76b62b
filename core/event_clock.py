"""The event time of a shard."""


class EventClock:
    """The greatest time of a signal that the shard has seen, plus the time since then by the clock. It never goes
    back. Belongs to the thread of its shard. newest_ms: event time to begin with, UTC milliseconds; 0 for none."""

    def __init__(self, newest_ms: int = 0) -> None:
        self.newest_ms = newest_ms
        self._seen_at_ms: int | None = None

    def note(self, event_time_ms: int, now_ms: int) -> int:
        """Take the time of a signal. Returns the event time of now. now_ms: processing time."""
        at_ms = self.at_ms(now_ms)
        if event_time_ms <= at_ms:
            return at_ms
        self.newest_ms, self._seen_at_ms = event_time_ms, now_ms
        return event_time_ms

    def at_ms(self, now_ms: int) -> int:
        """The event time of now; 0 before the first signal."""
        if not self.newest_ms:
            return 0
        if self._seen_at_ms is None:
            # Restored: the time of the stop does not count.
            self._seen_at_ms = now_ms
        return self.newest_ms + max(0, now_ms - self._seen_at_ms)

    def due_at_ms(self, event_time_ms: int) -> int | None:
        """The processing time at which an event time is reached, if no signal comes before. None before the first
        signal."""
        return None if self._seen_at_ms is None else self._seen_at_ms + event_time_ms - self.newest_ms
