"""Recent changes: overrides and freezes that Kafka has confirmed and the flow may not have applied yet.

With them, a removal that directly follows a set is accepted, and a second removal is refused, although Redis still
shows the state of before."""

import time
from collections.abc import Awaitable, Callable

import msgspec

from core.timestamps import parse_rfc3339

KEEP_S = 5.0


class RecentChange(msgspec.Struct, frozen=True):
    """A set (`active`) or a removal. at_ms: its time, UTC milliseconds. until_s: the end of this entry on the
    monotonic clock, in seconds: KEEP_S after the change, or the end of the override if that is sooner."""

    active: bool
    at_ms: int
    until_s: float


class RecentChanges:
    """The last change of each override and freeze in the last KEEP_S seconds, by name: a product id, or `freeze`
    and a scope. Used by the routes in the event loop's thread."""

    def __init__(self) -> None:
        self._changes: dict[str, RecentChange] = {}

    def note(self, name: str, at_ms: int, *, active: bool, expires_ms: int | None = None) -> None:
        """Keep a change that Kafka has confirmed."""
        now_s = time.monotonic()
        self._changes = {key: change for key, change in self._changes.items() if now_s < change.until_s}
        lasts_s = KEEP_S if expires_ms is None else min(KEEP_S, (expires_ms - at_ms) / 1000)
        self._changes[name] = RecentChange(active, at_ms, now_s + lasts_s)

    def get(self, name: str) -> RecentChange | None:
        """The last change of a name, if it is recent."""
        change = self._changes.get(name)
        return change if change and time.monotonic() < change.until_s else None

    async def is_active(self, name: str, read_set_at: Callable[[], Awaitable[str | None]]) -> bool:
        """True if an override or freeze is in force, or will be once the flow has applied it.

        read_set_at: reads from Redis when the stored one was set (RFC 3339), None if there is none. It is not
        called after a recent set."""
        recent = self.get(name)
        if recent is not None and recent.active:
            return True
        set_at = await read_set_at()
        if set_at is None or recent is None:
            return set_at is not None
        # It was removed here a moment ago. The stored one counts if it was set after that.
        return parse_rfc3339(set_at) > recent.at_ms
