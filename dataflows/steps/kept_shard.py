"""The shard of one key of a step, and the log from which it is restored."""

from collections.abc import Callable
from typing import Generic, TypeVar

from core.snapshots import LoggedState
from dataflows.recovery.state_log import StateLog

Shard = TypeVar("Shard", bound=LoggedState)


class KeptShard(Generic[Shard]):
    """A shard, made at its first use or from a resume state. Belongs to one worker's thread. Used by the steps that
    hold shards.

    make: a shard from its documents, the oldest first. resume_state: the pointer of the shard's log or, without a
    log, a document of the whole shard; None for a shard without state. opened: None before the first use."""

    def __init__(
        self,
        make: Callable[[list[bytes]], Shard],
        resume_state: bytes | None,
        state_log: StateLog | None = None,
    ) -> None:
        self._make = make
        self._state_log = state_log
        self._worker_log = None if state_log is None else state_log.mine()
        self.opened: Shard | None = None if resume_state is None else self._open(resume_state)

    @property
    def shard(self) -> Shard:
        """The shard."""
        if self.opened is None:
            self.opened = self._open(None)
        return self.opened

    def note_news(self) -> None:
        """A shard of this worker may have changed."""
        if self._worker_log is not None:
            self._worker_log.has_news = True

    def snapshot(self) -> bytes | None:
        """The resume state: of all changes up to now. None for a shard that was not used."""
        if self.opened is None:
            return None
        if self._worker_log is None or self._state_log is None or not self._state_log.writes:
            return self.opened.snapshot()
        if self._worker_log.has_news:
            self._worker_log.save()
        return self._log.pointer()

    def _open(self, resume_state: bytes | None) -> Shard:
        documents = [] if resume_state is None else [resume_state]
        if self._state_log is not None:
            self._log, documents = self._state_log.open(resume_state)
        shard = self._make(documents)
        if self._state_log is not None:
            self._log.follow(shard)
        return shard
