"""State logs of shards in tests: one worker, whose shards are fed with events."""

from pathlib import Path

import pytest

from dataflows.recovery import state_log
from dataflows.recovery.pointer import LogPointer, read_pointer
from dataflows.recovery.state_log import ShardLog, StateLog
from pricing.events import ProductEvent
from pricing.policy import default_policy
from pricing.state.shard import Shard
from tests.support.shards import apply

NOW_MS = 1_700_000_000_000


def start(folder: Path, resume_state: bytes | None = None) -> tuple[StateLog, ShardLog, Shard]:
    """A log with one shard."""
    log = StateLog(folder)
    return log, *add(log, resume_state)


def add(log: StateLog, resume_state: bytes | None = None) -> tuple[ShardLog, Shard]:
    """Another shard of the same worker."""
    shard_log, documents = log.open(resume_state)
    shard = Shard(default_policy(), *documents)
    shard_log.follow(shard)
    return shard_log, shard


def feed(shard: Shard, product_id: str = "A", price: float = 10.0) -> None:
    """Give a shard an event."""
    apply(shard, ProductEvent("view", product_id, NOW_MS, price), now_ms=NOW_MS)


def products(shard: Shard) -> list[tuple[str, int]]:
    """The products of a shard, each with its version."""
    return sorted((d.product_id, d.version) for d in shard.refill())


def snapshot(log: StateLog, shard_log: ShardLog) -> bytes:
    """Save the shards of the worker. Returns the resume state of one."""
    log.mine().save()
    return shard_log.pointer()


def files(folder: Path) -> list[Path]:
    """The files of a state log."""
    return sorted(folder.rglob("*.log"))


def read(place: bytes) -> LogPointer:
    """The pointer in a resume state."""
    pointer = read_pointer(place)
    assert pointer is not None
    return pointer


def make_files_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are full at once, and may be deleted after 30 rounds."""
    monkeypatch.setattr(state_log, "FILE_RATIO", 0)
    monkeypatch.setattr(state_log, "FILE_BYTES_MIN", 1)
    monkeypatch.setattr(state_log, "FILE_S_MIN", 0.0)
    monkeypatch.setattr(state_log, "KEEP_OLD_S", 0.0)
