"""Bytewax's recovery store: what it leaves behind after a crash, and must not find again; and how many shards its
state has, which it does not know.

Bytewax 0.21.1 writes the snapshots of an epoch before the epoch is committed. After a crash in between it resumes
from the epoch before, and counts on from there: the next execution has an epoch of the same number. A key that is
not touched in it keeps the snapshot that the dead execution wrote, and a second crash then resumes this key from a
future that never was: what was in it is counted again. So before every start, such snapshots are deleted.
"""

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

import telemetry
from settings import SettingsError

SHARDS_FILE = "shards"
PRICE_STEP = "pricing.price"
BUSY_WITHIN_S = 30.0

log = telemetry.get_logger("recovery")


def hold_to_shards(folder: Path, shards: int) -> None:
    """Raises SettingsError where the folder was made for another number of shards: products would be looked for
    where they are not, and begin anew. A folder without a note of the number gets one."""
    note = folder / SHARDS_FILE
    try:
        # Empty where the machine crashed before it was on the disk.
        if note.exists() and not note.stat().st_size:
            note.unlink()
        if not note.exists():
            # One from before there were notes has state, perhaps.
            least = _count_shards(folder)
            if least > shards:
                raise _misfit(f"at least {least}", shards)
            _note_first(note, f"{shards}\n")
        noted = note.read_text(encoding="utf-8").strip()
    except OSError as error:
        log.warning("the number of shards cannot be kept in the recovery folder", error=error.strerror)
        return
    if noted != str(shards):
        raise _misfit(noted, shards)


def _misfit(found: str, shards: int) -> SettingsError:
    return SettingsError(
        f"SHARDS is fixed at deployment: the recovery folder has {found}, not {shards}; set it back, or start over"
    )


def _note_first(note: Path, text: str) -> None:
    """Write a file, whole, unless another process was faster."""
    draft = note.with_suffix(f".{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        with suppress(FileExistsError):
            note.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)


def _count_shards(folder: Path) -> int:
    """How many there are at least, by the highest with a snapshot."""
    highest = -1
    for store in folder.glob("part-*.sqlite3"):
        with suppress(sqlite3.Error), closing(_open(store)) as database:
            query = "SELECT max(CAST(state_key AS INTEGER)) FROM snaps WHERE step_id = ?"
            ((found,),) = database.execute(query, (PRICE_STEP,)).fetchall()
            highest = max(highest, -1 if found is None else found)
    return highest + 1


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
            with closing(_open(store)) as database, database:
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
        with closing(_open(store)) as database:
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


def _open(store: Path) -> sqlite3.Connection:
    return sqlite3.connect(store, timeout=BUSY_WITHIN_S)
