"""Overrides that Kafka has confirmed and the flow may not have applied yet: so that a removal right after a
set is not told that there is nothing to remove."""

import time

KEEP_S = 10.0


class RecentOverrides:
    def __init__(self) -> None:
        self._changes: dict[str, tuple[float, bool]] = {}

    def note(self, product_id: str, *, active: bool) -> None:
        now = time.monotonic()
        self._changes = {name: entry for name, entry in self._changes.items() if now - entry[0] < KEEP_S}
        self._changes[product_id] = (now, active)

    def is_active(self, product_id: str) -> bool | None:
        """Whether the last change set or removed an override; None where there was none lately."""
        changed = self._changes.get(product_id)
        return changed[1] if changed and time.monotonic() - changed[0] < KEEP_S else None
