"""Versions of keys, and the one place that answers the question "is this newer?"."""

from collections.abc import Iterable, Mapping
from typing import Protocol


class Versioned(Protocol):
    """A message of a topic of updates, decoded: the key that it is about, and the key's version, from 1 upwards.
    withdrawn: the key has no state any more."""

    @property
    def key(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def withdrawn(self) -> bool: ...


class Versions(dict[str, int]):
    """The newest version of each key that one reader has: key to version.

    first: the lowest version that is newer than none. Updates begin with 1, a stored state may have 0.

    An instance belongs to the thread of its owner: a relay, a client, or the task that serves a client. It is a
    dict because relays ask it for every update."""

    __slots__ = ("_before_first",)

    def __init__(self, versions: Mapping[str, int] | None = None, *, first: int = 1) -> None:
        super().__init__(versions or {})
        self._before_first = first - 1

    def advance(self, key: str, version: int) -> bool:
        """True if the version is newer; it is then the newest."""
        if version > self.get(key, self._before_first):
            self[key] = version
            return True
        return False

    def release(self, key: str, version: int) -> bool:
        """True if the version is newer; the key is then forgotten, for a reader that gets newer ones only from then
        on."""
        if version > self.get(key, self._before_first):
            self.pop(key, None)
            return True
        return False

    def newer_among(self, versions: Iterable[tuple[str, int]]) -> list[str]:
        """The keys of those `versions` that are newer, in their order."""
        get, before_first = self.get, self._before_first
        return [key for key, version in versions if version > get(key, before_first)]

    def limited_to(self, versions: Mapping[str, int]) -> "Versions":
        """The versions of the keys of `versions` alone: for each key the newer of the two."""
        kept = {key: max(version, self.get(key, self._before_first)) for key, version in versions.items()}
        return Versions(kept, first=self._before_first + 1)
