"""The number of shards of a recovery folder. Bytewax does not store it, so a file in the folder does."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import telemetry
from core.errors import SettingsError
from dataflows.recovery.epochs import open_store, stores_of

SHARDS_FILE = "shards"

log = telemetry.get_logger("recovery")


def hold_to_shards(folder: Path, shards: int, step: str) -> None:
    """Check the number of shards of a recovery folder. Raises SettingsError if it is another one: a product would
    belong to a shard without its state, and begin at version 1 again.

    A folder without the file gets one. step: the id of the step that holds the shards, such as `pricing.price`."""
    note = folder / SHARDS_FILE
    try:
        # The file is empty if the machine crashed before the text was on the disk.
        if note.exists() and not note.stat().st_size:
            note.unlink()
        if not note.exists():
            # A folder without the file may still hold state, of an older version.
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
    """Write a file at once and whole, unless another process has written it first."""
    draft = note.with_suffix(f".{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        with suppress(FileExistsError):
            note.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)


def _count_shards(folder: Path, step: str) -> int:
    """A lower bound of the number of shards, from the highest shard with a snapshot."""
    highest = -1
    for store in stores_of(folder):
        with suppress(sqlite3.Error), closing(open_store(store)) as database:
            query = "SELECT max(CAST(state_key AS INTEGER)) FROM snaps WHERE step_id = ?"
            ((found,),) = database.execute(query, (step,)).fetchall()
            highest = max(highest, -1 if found is None else found)
    return highest + 1
