"""Room: the bound on the number of keys (products, symbols) that a process holds."""

import sys
from typing import Protocol


class Room(Protocol):
    """The room for the keys of one system in a process."""

    @property
    def free(self) -> int:
        """The number of keys that may be added."""

    def take(self) -> bool:
        """Take the place of one key. False if there is none left."""

    def note(self, change: int) -> None:
        """This number of keys was added; removed, if it is negative."""


class _Unbounded:
    free = sys.maxsize

    def take(self) -> bool:
        return True

    def note(self, change: int) -> None:
        pass


UNBOUNDED: Room = _Unbounded()
"""Room for any number of keys."""
