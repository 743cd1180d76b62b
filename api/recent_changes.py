"""Overrides and freezes that Kafka has confirmed and the flow may not have applied yet: so that a removal right
after a set is not told that there is nothing to remove, nor the second removal that there is."""

import time

import msgspec

KEEP_S = 5.0


class RecentChange(msgspec.Struct, frozen=True):
    """`until_s`: when it is forgotten, on the monotonic clock; the end of the override, if that is sooner."""

    active: bool
    at_ms: int
    until_s: float


class RecentChanges:
    def __init__(self) -> None:
        self._changes: dict[str, RecentChange] = {}

    def note(self, name: str, at_ms: int, *, active: bool, expires_ms: int | None = None) -> None:
        now = time.monotonic()
        self._changes = {key: change for key, change in self._changes.items() if now < change.until_s}
        lasts_s = KEEP_S if expires_ms is None else min(KEEP_S, (expires_ms - at_ms) / 1000)
        self._changes[name] = RecentChange(active, at_ms, now + lasts_s)

    def get(self, name: str) -> RecentChange | None:
        change = self._changes.get(name)
        return change if change and time.monotonic() < change.until_s else None
