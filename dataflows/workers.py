"""Objects of which each worker of a process has its own. A worker is a thread."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Own = TypeVar("Own")


class PerWorker(Generic[Own]):
    """An object for each thread that asks for it, made by `make` at the first time.

    `threading.local` does not serve: Bytewax's threads are not Python's own, and lose theirs whenever they give up
    the interpreter's lock."""

    def __init__(self, make: Callable[[], Own]) -> None:
        self._make = make
        self._of_thread: dict[int, Own] = {}

    def mine(self) -> Own:
        """The object of the calling thread."""
        thread = threading.get_ident()
        found = self._of_thread.get(thread)
        if found is None:
            found = self._of_thread[thread] = self._make()
        return found
