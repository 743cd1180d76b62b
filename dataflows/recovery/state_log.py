"""The state log: the changes of shards, appended to files beside Bytewax's recovery store.

The problem. Bytewax stores a whole snapshot of every key that an epoch touched. For a shard of 15,000 products, one
event would cost megabytes a second.

The idea. A shard's snapshot is a pointer (`LogPointer`): the files that hold its documents (`core/snapshots.py`),
and the bytes of each that count. All shards of a worker write to one file, so an epoch costs one sync. Files are
only appended to, by the process that made them, and are synced before Bytewax gets a pointer. So for any epoch that
Bytewax resumes from, all bytes that its pointers name are on the disk, and bytes after them do not count.

An example. Epoch 5 appends 300 bytes of shard 7 to file `a`, which had 1,000: the shard's pointer is (a, 1300).
Epoch 6 appends 200 bytes and syncs them; the process is killed before Bytewax commits. It resumes from epoch 5,
reads what shard 7 has in the first 1,300 bytes, and goes on in a new file `b`.

A worker begins a new file now and then. A shard whose oldest file is `FILES_BACK` files behind is written as a
whole again, so that it needs only new files. A file that no shard needs is deleted.
"""

import argparse
import os
import sys
import threading
import time
import uuid
from collections import deque
from pathlib import Path

import msgspec

from core.snapshots import LoggedState
from dataflows.recovery.log_files import ReadFile, WrittenFile, pack, wait_for_room
from dataflows.recovery.pointer import Extent, encode_pointer, read_pointer
from dataflows.recovery.sweep import Holders
from dataflows.workers import PerWorker

FOLDER = "state"
FILE_RATIO = 0.5
"""A file is full when it is as long as this share of all documents of the worker's shards, written as a whole."""

FILE_BYTES_MIN = 4 * 1024 * 1024
"""A shorter file is not full."""

FILE_S_MIN = 15.0
"""A younger file is not full either."""

FILES_BACK = 4
"""A shard that changes and needs a file this many files back is written as a whole again."""

KEEP_OLD_S = 60.0
"""A file that no shard needs is kept for at least this time, and for `KEEP_OLD_ROUNDS` rounds: until Bytewax can no
longer resume from an epoch whose pointers name it."""

KEEP_OLD_ROUNDS = 30


def recovery_folder() -> Path | None:
    """Bytewax's recovery folder, from its command line or its environment. None if the flow runs without
    recovery."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-r", "--recovery-directory", default=os.environ.get("BYTEWAX_RECOVERY_DIRECTORY"))
    found = parser.parse_known_args(sys.argv[1:])[0].recovery_directory
    return Path(found) if found else None


class StateLog:
    """The logs of all shards of a process. Any worker's thread may call the methods. Used by
    `dataflows/steps/price.py`.

    folder: made when the first log is written. writes: false if snapshots are to hold whole shards again; existing
    logs are still read. holders: of the files that are there at the start; the others stay until the next start."""

    def __init__(self, folder: Path, *, writes: bool = True, holders: Holders | None = None) -> None:
        self.writes = writes
        self._folder = folder
        self._read: dict[str, ReadFile] = {}
        self._holders: Holders = holders or {}
        # Files of before have records of all workers.
        self._lock = threading.Lock()
        self._workers = PerWorker(lambda: WorkerLog(self, folder))

    def mine(self) -> "WorkerLog":
        """The log of the calling worker."""
        return self._workers.mine()

    def open(self, resume_state: bytes | None) -> tuple["ShardLog", list[bytes]]:
        """The log of a shard of the calling worker, and the documents from which to restore the shard, the oldest
        first. resume_state: a pointer, a document of the whole shard, or None.

        Ends the process if a file that the pointer names is missing or damaged."""
        shard_log, documents = ShardLog(uuid.uuid4().hex, []), list[bytes]()
        if resume_state is not None and (pointer := read_pointer(resume_state)) is not None:
            shard_log = ShardLog(pointer.log, pointer.extents)
            with self._lock:
                documents = [each for extent in pointer.extents for each in self._documents(shard_log, extent)]
        elif resume_state is not None:
            documents = [resume_state]
            shard_log.must_rewrite = True
        self.mine().shards.append(shard_log)
        return shard_log, documents

    def _documents(self, shard_log: "ShardLog", extent: Extent) -> list[bytes]:
        file = self._read.get(extent.file)
        if file is None:
            file = self._read[extent.file] = ReadFile(self._folder, extent)
        return file.documents(shard_log.mark, extent)

    def end_reading(self) -> None:
        """Forget what was read, because the start is over. It is read again if it is needed after all."""
        with self._lock:
            self._read.clear()

    def hold(self, file: str, log: str) -> None:
        """Note that a log needs a file."""
        with self._lock:
            self._holders.setdefault(file, set()).add(log)

    def release(self, files: set[str], log: str) -> list[str]:
        """Note that a log does not need these files any more. Returns those that none needs. A file that a log of
        another process needs stays until the next start."""
        with self._lock:
            unneeded = []
            for file in files:
                holders = self._holders.get(file)
                if holders is not None:
                    holders.discard(log)
                    if not holders:
                        del self._holders[file]
                        unneeded.append(file)
            return unneeded


class WorkerLog:
    """The file of one worker, and the logs of its shards. Belongs to the worker's thread.

    has_news: set by the step when a shard may have changed. At the end of an epoch, Bytewax asks for the snapshot
    of one shard after the other; the first one saves all."""

    def __init__(self, log: StateLog, folder: Path) -> None:
        self.shards: list[ShardLog] = []
        self.has_news = True
        self.round = 0
        self._log = log
        self._folder = folder
        self._file: WrittenFile | None = None
        self._generation = 0
        self._full_at = 0.0
        self._unneeded: deque[tuple[int, float, Path]] = deque()

    def save(self) -> None:
        """Append the changes of all shards, and sync them. Blocks while the disk is full. Ends the process if the
        sync fails."""
        self.has_news = False
        changed = [(log, document) for log in self.shards if (document := log.next_document()) is not None]
        if not changed:
            return
        self.round += 1
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
        wait_for_room(self._folder)
        self._delete_unneeded()
        file = self._writable()
        self._choose_whole(changed)
        position, records = file.end, list[bytes]()
        for log, document in changed:
            whole = log.must_rewrite
            record = pack(log.mark, log.whole() if whole else document)
            records.append(record)
            self._log.hold(file.name, log.name)
            if whole:
                self._release(log, log.files - {file.name})
            log.note(Extent(file.name, position + len(record), position), self._generation, is_whole=whole)
            position += len(record)
        file.append(b"".join(records))

    def _choose_whole(self, changed: list[tuple["ShardLog", bytes]]) -> None:
        """Mark shards to be written as a whole, those with the oldest files first. That takes long, so it at most
        doubles what a round writes, or is one shard."""
        budget = sum(len(document) for _, document in changed)
        behind = [log for log, _ in changed if self._generation - log.oldest >= FILES_BACK]
        for index, log in enumerate(sorted(behind, key=lambda each: each.oldest)):
            budget -= log.estimate_bytes()
            if budget < 0 and index:
                return
            log.must_rewrite = True

    def _release(self, log: "ShardLog", files: set[str]) -> None:
        """Note that a log does not need these files from now on."""
        for name in self._log.release(files, log.name):
            self._unneeded.append((self.round, time.monotonic(), self._folder / name))

    def _writable(self) -> WrittenFile:
        """The file that is appended to; a new one if it is full."""
        file = self._file
        if file is not None and file.end >= self._full_at and time.monotonic() - file.made_at >= FILE_S_MIN:
            whole = sum(log.estimate_bytes() for log in self.shards)
            self._full_at = max(whole * FILE_RATIO, FILE_BYTES_MIN)
            if file.end >= self._full_at:
                file.close()
                file = None
        if file is None:
            self._log.end_reading()
            file = self._file = WrittenFile(self._folder)
            self._generation += 1
            self._full_at = FILE_BYTES_MIN
        return file

    def _delete_unneeded(self) -> None:
        now = time.monotonic()
        while self._unneeded:
            noted_round, noted_at, path = self._unneeded[0]
            if self.round - noted_round < KEEP_OLD_ROUNDS or now - noted_at < KEEP_OLD_S:
                break
            path.unlink(missing_ok=True)
            self._unneeded.popleft()


class ShardLog:
    """The records of one shard. Belongs to the thread of the shard's worker.

    name, mark: of its records, as digits and as bytes. must_rewrite: the shard was restored from a document that is
    not in a log yet, so it is written as a whole. oldest: the number of the oldest file that the shard needs. The
    first one that its worker writes is 1, and those from before are 0 and less."""

    def __init__(self, name: str, extents: list[Extent]) -> None:
        self.name = name
        self.mark = bytes.fromhex(name)
        self.must_rewrite = False
        self._extents = extents
        self.oldest = 1 - len(extents)
        self._state: LoggedState | None = None

    def follow(self, state: LoggedState) -> None:
        """Set the state that the log saves. Call it before all other methods."""
        self._state = state

    @property
    def state(self) -> LoggedState:
        """The state that the log saves."""
        assert self._state is not None
        return self._state

    def pointer(self) -> bytes:
        """The resume state: a `LogPointer` to all bytes written so far."""
        return encode_pointer(self.name, self._extents)

    def next_document(self) -> bytes | None:
        """The document to append: of the changes since the last one. None if there are none."""
        return b"" if self.must_rewrite else self.state.changes()

    def whole(self) -> bytes:
        """A document of the whole shard."""
        self.must_rewrite = False
        return self.state.snapshot()

    def estimate_bytes(self) -> int:
        """Approximate length of that document."""
        return self.state.estimate_bytes()

    @property
    def files(self) -> set[str]:
        """The files that the shard needs."""
        return {extent.file for extent in self._extents}

    def note(self, record: Extent, number: int, *, is_whole: bool) -> None:
        """Note where a record is. number: of its file. is_whole: it has the whole shard, so that earlier records
        are not needed any more."""
        if is_whole or not self._extents:
            self._extents, self.oldest = [record], number
        elif self._extents[-1].file == record.file:
            self._extents[-1] = msgspec.structs.replace(record, start=self._extents[-1].start)
        else:
            self._extents.append(record)
