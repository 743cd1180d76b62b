"""The state log: the changes of each shard, appended to files beside Bytewax's recovery store.

The problem. Bytewax stores a whole snapshot of every key that an epoch touched. For a shard of 15,000 products, one
event would cost megabytes a second.

The idea. A shard's snapshot is a pointer (`LogPointer`): the files that hold its documents (`core/snapshots.py`),
and the number of bytes of each that count. Files are only appended to, by the process that made them, and are
synced before Bytewax gets the pointer. So for any epoch that Bytewax resumes from, all bytes that its pointers name
are on the disk, and bytes after them do not count.

An example. Epoch 5 appends 300 bytes to `000001.log`, which had 1,000: its pointer is (000001.log, 1300). Epoch 6
appends 200 bytes and syncs them; the process is killed before Bytewax commits. It resumes from epoch 5, reads 1,300
bytes, and goes on in a new file `000002.log`.
"""

import argparse
import itertools
import os
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from struct import Struct
from zlib import crc32

import msgspec

import telemetry
from clients.throttle import Throttle
from core.snapshots import LoggedState

FOLDER = "state"
REWRITE_RATIO = 3
"""A log is rewritten when it is this many times as long as a document of the whole shard."""

ESTIMATE_AGAIN_RATIO = 1.25
"""The length of that document is estimated again when the log has grown by this factor."""

REWRITE_BYTES_MIN = 256 * 1024
"""A log shorter than this is not rewritten for its length."""

FILES_MAX = 32
"""A log with this many files is rewritten."""

KEEP_OLD_S = 60.0
"""Replaced files are kept for at least this time, and for `KEEP_OLD_ROUNDS` rounds."""

KEEP_OLD_ROUNDS = 30
FREE_BYTES_MIN = 32 * 1024 * 1024
"""The flow waits while the disk has less room than this."""

LOOK_AGAIN_S = 0.5
SYNC_THREADS = 32

_HEADER = Struct("<II")
"""Length and CRC-32 of the document that follows."""

log = telemetry.get_logger("state_log")


class Extent(msgspec.Struct, frozen=True, array_like=True):
    """The part of a file that counts: its first `end` bytes."""

    file: str
    end: int


class LogPointer(msgspec.Struct, frozen=True):
    """Resume state of a shard. log: name of the folder of its files. extents: in the order of writing."""

    log: str
    extents: list[Extent]


_encode_pointer = msgspec.msgpack.Encoder().encode
_decode_pointer = msgspec.msgpack.Decoder(LogPointer).decode


def recovery_folder() -> Path | None:
    """Bytewax's recovery folder, from its command line or its environment. None if the flow runs without
    recovery."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-r", "--recovery-directory", default=os.environ.get("BYTEWAX_RECOVERY_DIRECTORY"))
    found = parser.parse_known_args(sys.argv[1:])[0].recovery_directory
    return Path(found) if found else None


class StateLog:
    """The logs of all shards of a process. Any worker's thread may call the methods; each works on the shards that
    this thread has opened. Used by `dataflows/steps/price.py`.

    folder: made when the first log is written. writes: false if snapshots are to hold whole shards again; existing
    logs are still read."""

    def __init__(self, folder: Path, *, writes: bool = True) -> None:
        self.writes = writes
        self._folder = folder
        self._of_worker: dict[int, list[ShardLog]] = {}
        self._sync = ThreadPoolExecutor(SYNC_THREADS, thread_name_prefix="state-log")
        self.round = 0

    def open(self, resume_state: bytes | None) -> tuple["ShardLog", list[bytes]]:
        """The log of a shard, and the documents from which to restore the shard, the oldest first. resume_state: a
        pointer, a document of the whole shard, or None.

        Ends the process if a file that the pointer names is missing or damaged."""
        pointer = LogPointer(uuid.uuid4().hex, [])
        documents: list[bytes] = []
        if resume_state is not None and _is_pointer(resume_state):
            pointer = _decode_pointer(resume_state)
            documents = [document for extent in pointer.extents for document in self._read(pointer, extent)]
        elif resume_state is not None:
            documents = [resume_state]
        shard_log = ShardLog(self._folder / pointer.log, pointer, inherited=bool(documents) and not pointer.extents)
        self._of_worker.setdefault(threading.get_ident(), []).append(shard_log)
        return shard_log, documents

    def save(self) -> None:
        """Append the changes of all shards of the calling worker, and sync them. Blocks while the disk is full.
        Ends the process if a sync fails.

        At the end of an epoch, Bytewax asks for the snapshot of one shard after the other. The first call saves all
        shards, so that their files are synced in parallel; the others then find no changes."""
        now = self.round + 1
        wrote = [shard_log for shard_log in self._of_worker[threading.get_ident()] if shard_log.write(now)]
        if not wrote:
            return
        self.round = now
        _wait_for_room(self._folder)
        ripe = [shard_log for shard_log in wrote if shard_log.may_rewrite(now)]
        if ripe:
            # Only one in a round, because writing a whole shard takes long.
            max(ripe, key=ShardLog.excess).rewrite(now)
        for shard_log, problem in zip(wrote, self._sync.map(ShardLog.sync, wrote), strict=True):
            if problem is not None:
                # It is not known if the bytes are on the disk, so they must not count.
                telemetry.fatal("the state log cannot be synced", file=str(shard_log.file), error=problem)

    def _read(self, pointer: LogPointer, extent: Extent) -> Iterator[bytes]:
        path = self._folder / pointer.log / extent.file
        try:
            content = memoryview(path.read_bytes())
        except OSError as error:
            _lost(path, error.strerror)
        position = 0
        while position < extent.end:
            start = position + _HEADER.size
            if start > len(content):
                _lost(path, f"it ends at byte {len(content)} of {extent.end}")
            length, checksum = _HEADER.unpack(content[position:start])
            position = start + length
            document = bytes(content[start:position])
            if len(document) < length or crc32(document) != checksum:
                _lost(path, f"what begins at byte {start} is not what was written")
            yield document


class ShardLog:
    """The files of one shard, in `folder`. Belongs to the thread of the shard's worker. `sync` runs in another
    thread while the worker's thread waits for it.

    inherited: the shard was restored from a document that is not in a log yet, so the first write is a rewrite."""

    def __init__(self, folder: Path, pointer: LogPointer, *, inherited: bool = False) -> None:
        self._folder = folder
        self._pointer = pointer
        self._must_rewrite = inherited
        self._old = list(pointer.extents)
        self._current: Extent | None = None
        self._descriptor: int | None = None
        self._whole_bytes = 0
        self._estimate_at = 0.0
        self._obsolete: list[Path] = []
        self._obsolete_round = 0
        self._obsolete_at = 0.0
        self._state: LoggedState | None = None
        self._remove_strangers()

    def follow(self, state: LoggedState) -> None:
        """Set the state that the log saves. Call it before all other methods."""
        self._state = state

    @property
    def file(self) -> Path | None:
        """The file that is appended to, None before the first write."""
        return self._folder / self._current.file if self._current else None

    def pointer(self) -> bytes:
        """The resume state: a `LogPointer` in MessagePack to all bytes written so far."""
        return _encode_pointer(LogPointer(self._pointer.log, self._extents()))

    def _extents(self) -> list[Extent]:
        return [*self._old, self._current] if self._current else self._old

    def write(self, now: int) -> bool:
        """Append the changes since the last write. Returns False if there are none. now: number of the round."""
        assert self._state is not None
        if self._must_rewrite:
            self.rewrite(now)
            return True
        document = self._state.changes()
        if document is None:
            return False
        self._append(document)
        return True

    def excess(self) -> float:
        """Length of the log as a share of its limit. From 1 on, the log should be rewritten."""
        assert self._state is not None
        length = sum(extent.end for extent in self._extents())
        if length >= self._estimate_at:
            self._whole_bytes = self._state.estimate_bytes()
            self._estimate_at = length * ESTIMATE_AGAIN_RATIO
        size = length / max(REWRITE_RATIO * self._whole_bytes, REWRITE_BYTES_MIN)
        return max(size, len(self._old) / FILES_MAX)

    def may_rewrite(self, now: int) -> bool:
        """True if the log should be rewritten, and the files that the last rewrite replaced can be deleted."""
        if self.excess() < 1:
            return False
        rounds, seconds = now - self._obsolete_round, time.monotonic() - self._obsolete_at
        return not self._obsolete or (rounds >= KEEP_OLD_ROUNDS and seconds >= KEEP_OLD_S)

    def rewrite(self, now: int) -> None:
        """Begin a new file with a document of the whole shard.

        The replaced files are kept until Bytewax can no longer resume from an epoch whose pointer names them. The
        next rewrite deletes them."""
        assert self._state is not None
        for path in self._obsolete:
            path.unlink(missing_ok=True)
        self._obsolete = [self._folder / extent.file for extent in self._extents()]
        self._obsolete_round, self._obsolete_at = now, time.monotonic()
        self._old, self._current, self._must_rewrite = [], None, False
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._estimate_at = 0.0
        self._append(self._state.snapshot())

    def sync(self) -> str | None:
        """Wait until all written bytes are on the disk. Returns the error's text, None if there was no error."""
        assert self._descriptor is not None
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            return error.strerror
        return None

    def _append(self, document: bytes) -> None:
        if self._descriptor is None:
            self._create()
        assert self._descriptor is not None
        assert self._current is not None
        data = _HEADER.pack(len(document), crc32(document)) + document
        _write_all(self._descriptor, data)
        self._current = Extent(self._current.file, self._current.end + len(data))

    def _create(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(self._last_number() + 1):
            name = f"{number:06d}.log"
            try:
                flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND
                self._descriptor = os.open(self._folder / name, flags, 0o644)
            except FileExistsError:
                continue
            self._current = Extent(name, 0)
            return

    def _last_number(self) -> int:
        return max((int(path.stem) for path in self._folder.glob("*.log")), default=0)

    def _remove_strangers(self) -> None:
        """Delete files that the pointer does not name: those of epochs that were never committed, and replaced ones
        that a crash left."""
        known = {extent.file for extent in self._old}
        for path in self._folder.glob("*.log"):
            if path.name not in known:
                path.unlink(missing_ok=True)


def _is_pointer(resume_state: bytes) -> bool:
    # A pointer is a map in MessagePack, a document an array.
    return resume_state[0] >> 4 == 0x8


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all data. Waits while there is no room: a late price is better than a lost one."""
    view = memoryview(data)
    throttle = Throttle()
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except OSError as error:
            if throttle.is_due():
                log.warning("the state log cannot be written; the flow waits", error=error.strerror)
            time.sleep(LOOK_AGAIN_S)


def _wait_for_room(folder: Path) -> None:
    """Wait until the disk has room for Bytewax's own store too, because Bytewax panics if it cannot write it."""
    throttle = Throttle()
    waited = False
    while (room := os.statvfs(folder)).f_bavail * room.f_frsize < FREE_BYTES_MIN:
        waited = True
        if throttle.is_due():
            log.warning("the recovery folder's disk is full; the flow waits", folder=str(folder))
        time.sleep(LOOK_AGAIN_S)
    if waited:
        log.info("the recovery folder's disk has room again")


def _lost(path: Path, problem: str | None) -> None:
    telemetry.fatal(
        "state is lost: a file of the state log is not as it was left; see docs/operations.md, lost state",
        file=str(path),
        problem=problem,
    )
