"""The interface between keyed state and the state log that saves it."""

from typing import Protocol


class LoggedState(Protocol):
    """State that is saved as documents: first a document of the whole state, then one for each set of changes.

    A document of the whole state and all documents of changes after it, in order, restore the state. The state log
    (`dataflows/recovery/state_log.py`) uses only these methods, from the thread that owns the state."""

    def snapshot(self) -> bytes:
        """A document of the whole state, with all changes up to now."""

    def changes(self) -> bytes | None:
        """A document of the changes since the last document of either kind. None if there are none."""

    def estimate_bytes(self) -> int:
        """Approximate length of a document of the whole state, in bytes. Much cheaper than `snapshot`."""
