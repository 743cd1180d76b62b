"""Files of the state log that no snapshot names: they are deleted before a start."""

import pickle
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

import telemetry
from dataflows.recovery.epochs import find_resume_epoch, open_store, stores_of
from dataflows.recovery.log_files import SUFFIX
from dataflows.recovery.pointer import LogPointer, read_pointer

Holders = dict[str, set[str]]
"""File to the logs that need it."""

UNREADABLE = (
    sqlite3.Error,
    msgspec.DecodeError,
    # All that `pickle` raises for bytes that are damaged.
    *(pickle.UnpicklingError, EOFError, ValueError, LookupError, AttributeError, ImportError),
)

log = telemetry.get_logger("recovery")


def delete_unnamed(recovery: Path, folder: Path, step: str) -> Holders:
    """Delete the files that no snapshot names: those of epochs that were never committed, and replaced ones that a
    crash left. Returns the logs that name each file that stays.

    Call it before Bytewax starts, after `forget_uncommitted`. No process of a cluster makes a file before all have
    joined, so what is there is of an earlier execution. Nothing is deleted if a part of the store is not in this
    folder, or cannot be read.

    recovery: Bytewax's folder. folder: of the state log. step: the id of the step that holds the shards."""
    holders: Holders = {}
    stores = stores_of(recovery)
    try:
        if find_resume_epoch(stores) is None:
            return holders
        for store in stores:
            for pointer in _pointers(store, step):
                for extent in pointer.extents:
                    holders.setdefault(extent.file, set()).add(pointer.log)
    except UNREADABLE as error:
        # Bytewax reports the problem of its store when it starts.
        log.warning("the recovery store cannot be read", folder=str(recovery), error=str(error))
        return {}
    for path in folder.rglob(f"*{SUFFIX}"):
        if path.relative_to(folder).as_posix() not in holders:
            path.unlink(missing_ok=True)
    for old in folder.glob("*/"):
        if not any(old.iterdir()):
            old.rmdir()
    return holders


def _pointers(store: Path, step: str) -> Iterator[LogPointer]:
    with closing(open_store(store)) as database:
        query = "SELECT ser_change FROM snaps WHERE step_id = ? AND ser_change IS NOT NULL"
        for (change,) in database.execute(query, (step,)):
            state = pickle.loads(change)  # noqa: S301  # as Bytewax does with its own store
            if isinstance(state, bytes) and (pointer := read_pointer(state)) is not None:
                yield pointer
