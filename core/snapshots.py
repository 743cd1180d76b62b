"""The protocol between keyed state and the state log that keeps it."""

from typing import Protocol


class LoggedState(Protocol):
    """State that is saved as documents: a whole one, then one for each set of changes.

    The whole document and all documents of changes after it, in order, restore the state. The state log
    (`dataflows/recovery/state_log.py`) uses nothing else of a state."""

    def snapshot(self) -> bytes:
        """A document of the whole state. Changes made before it are in it."""

    def changes(self) -> bytes | None:
        """A document of the changes since the last document of either kind; None if there are none."""

    def estimate_bytes(self) -> int:
        """Approximate length of a document of the whole state, in bytes. Cheap."""
