"""Epochs in Bytewax's recovery store: snapshots of epochs that were never committed are deleted before a start.

Bytewax 0.21.1 writes the snapshots of an epoch before the epoch is committed. After a crash in between it resumes
from the epoch before, and counts on from there: the next execution has an epoch of the same number. A key that is
not touched in that epoch keeps the snapshot that the dead execution wrote. A second crash then resumes this key
from a future that never was, and its messages are counted again."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import telemetry

BUSY_WITHIN_S = 30.0

log = telemetry.get_logger("recovery")


def forget_uncommitted(folder: Path) -> int:
    """Delete snapshots of epochs that were never committed; how many there were. Call it before Bytewax starts.

    Where not all of the store is in this folder, what is committed cannot be known, and nothing is deleted."""
    stores = sorted(folder.glob("part-*.sqlite3"))
    try:
        resume_epoch = find_resume_epoch(stores)
        if resume_epoch is None:
            return 0
        deleted = 0
        for store in stores:
            with closing(open_store(store)) as database, database:
                deleted += database.execute("DELETE FROM snaps WHERE snap_epoch >= ?", (resume_epoch,)).rowcount
    except sqlite3.Error as error:
        # Bytewax will say what is wrong with its store.
        log.warning("the recovery store cannot be read", folder=str(folder), error=str(error))
        return 0
    if deleted:
        log.info("snapshots of an epoch that was not committed are deleted", count=deleted, epoch=resume_epoch)
    return deleted


def find_resume_epoch(stores: Iterable[Path]) -> int | None:
    """The epoch that Bytewax resumes from: the first that not all workers of the last execution had committed.
    None before the first execution, and where partitions of the store are missing."""
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
    return sqlite3.connect(store, timeout=BUSY_WITHIN_S)
