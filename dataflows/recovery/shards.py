"""The number of shards of a recovery folder, which Bytewax does not know: noted in a file."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import telemetry
from core.errors import SettingsError
from dataflows.recovery.epochs import open_store

SHARDS_FILE = "shards"

log = telemetry.get_logger("recovery")


def hold_to_shards(folder: Path, shards: int, step: str) -> None:
    """Raises SettingsError if the folder was made for another number of shards: a product would be looked for in a
    shard that does not have it, and begin at version 1. A folder without a note of the number gets one.

    step: the id of the step that holds the shards, such as `pricing.price`."""
    note = folder / SHARDS_FILE
    try:
        # Empty where the machine crashed before it was on the disk.
        if note.exists() and not note.stat().st_size:
            note.unlink()
        if not note.exists():
            # One from before there were notes has state, perhaps.
            least = _count_shards(folder, step)
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


def _count_shards(folder: Path, step: str) -> int:
    """How many there are at least, by the highest with a snapshot."""
    highest = -1
    for store in folder.glob("part-*.sqlite3"):
        with suppress(sqlite3.Error), closing(open_store(store)) as database:
            query = "SELECT max(CAST(state_key AS INTEGER)) FROM snaps WHERE step_id = ?"
            ((found,),) = database.execute(query, (step,)).fetchall()
            highest = max(highest, -1 if found is None else found)
    return highest + 1
