"""Epochs in Bytewax's recovery store: snapshots of epochs that were never committed are deleted before a start.

The problem. Bytewax 0.21.1 writes the snapshots of an epoch before it commits the epoch. After a crash between the
two, the next execution begins with an epoch of the same number. A key that this epoch does not touch keeps the
snapshot of the dead execution. That snapshot holds messages that are read again later, so after a second crash they
are counted twice.

The idea. Before Bytewax starts, delete all snapshots from its resume epoch on.

An example. Epoch 6 writes snapshots of keys A and B, and the process is killed before the commit. The next
execution begins with the state of epoch 5. Its epoch 6 has a message for A only, and is committed. In epoch 7 the
process is killed again. B then resumes from the dead snapshot of epoch 6, although its messages are read in epoch
7."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import telemetry

BUSY_WITHIN_S = 30.0

log = telemetry.get_logger("recovery")


def stores_of(folder: Path | None) -> list[Path]:
    """The files of Bytewax's store in a recovery folder."""
    return sorted(folder.glob("part-*.sqlite3")) if folder else []


def forget_uncommitted(folder: Path) -> int:
    """Delete snapshots of epochs that were never committed. Returns their number. Call it before Bytewax starts.

    If this folder does not hold all parts of the store, the committed epochs are not known, and nothing is deleted.
    A store that cannot be read is left as it is, with a warning."""
    stores = stores_of(folder)
    try:
        resume_epoch = find_resume_epoch(stores)
        if resume_epoch is None:
            return 0
        deleted = 0
        for store in stores:
            with closing(open_store(store)) as database, database:
                deleted += database.execute("DELETE FROM snaps WHERE snap_epoch >= ?", (resume_epoch,)).rowcount
    except sqlite3.Error as error:
        # Bytewax reports the problem of its store when it starts.
        log.warning("the recovery store cannot be read", folder=str(folder), error=str(error))
        return 0
    if deleted:
        log.info("snapshots of an epoch that was not committed are deleted", count=deleted, epoch=resume_epoch)
    return deleted


def count_executions(folder: Path) -> int:
    """The number of executions that the recovery store of this folder knows; 0 if it cannot be read. Each part
    knows some of them."""
    count = 0
    try:
        for store in stores_of(folder):
            with closing(open_store(store)) as database:
                (newest,) = database.execute("SELECT max(ex_num) FROM exs").fetchone()
                count = max(count, 0 if newest is None else newest + 1)
    except sqlite3.Error:
        # Bytewax reports the problem of its store when it starts.
        return 0
    return count


def find_resume_epoch(stores: Iterable[Path]) -> int | None:
    """The epoch that Bytewax resumes from: the first one that not all workers of the last execution have committed.
    None before the first execution, and if parts of the store are missing. Raises sqlite3.Error."""
    parts: set[int] = set()
    part_count = 0
    executions: dict[int, tuple[int, int]] = {}
    frontiers: dict[tuple[int, int], int] = {}
    for store in stores:
        with closing(open_store(store)) as database:
            for index, count in database.execute("SELECT part_index, part_count FROM parts"):
                parts.add(index)
                part_count = count
            for execution, workers, resume_epoch in database.execute(
                "SELECT ex_num, worker_count, resume_epoch FROM exs"
            ):
                executions[execution] = workers, resume_epoch
            for execution, worker, frontier in database.execute(
                "SELECT ex_num, worker_index, worker_frontier FROM fronts"
            ):
                frontiers[execution, worker] = frontier
    if not executions:
        return None
    if len(parts) < part_count:
        log.warning("a part of the recovery store is not here; what was not committed is not deleted")
        return None
    last = max(executions)
    workers, begun_at = executions[last]
    return min(max(begun_at, frontiers.get((last, worker), begun_at)) for worker in range(workers))


def open_store(store: Path) -> sqlite3.Connection:
    """A connection to one file of the recovery store. It waits for a lock for `BUSY_WITHIN_S` at most."""
    return sqlite3.connect(store, timeout=BUSY_WITHIN_S)
