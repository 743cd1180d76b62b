"""Files of the state log: records of many logs, one behind the other."""

import mmap
import os
import time
import uuid
from pathlib import Path
from struct import Struct
from zlib import crc32

import telemetry
from clients.throttle import Throttle
from dataflows.recovery.pointer import Extent

SUFFIX = ".log"
FREE_BYTES_MIN = 32 * 1024 * 1024
"""The flow waits while the disk has less room than this."""

LOOK_AGAIN_S = 0.5

_HEADER = Struct("<II16s")
"""Length of the document that follows, CRC-32 of mark and document, and the mark of its log."""

_HEADER_BEFORE = Struct("<II")
"""Length and CRC-32 of the document, in a file of one log, as versions before decision 34 wrote it."""

log = telemetry.get_logger("state_log")


def pack(mark: bytes, document: bytes) -> bytes:
    """A record of a log. mark: 16 bytes."""
    return _HEADER.pack(len(document), crc32(document, crc32(mark)), mark) + document


class WrittenFile:
    """A new file that is appended to. Belongs to one thread. It waits while the disk is full, and ends the process
    if a sync fails: it is not known then which bytes are on the disk, so they must not count."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{uuid.uuid4().hex}{SUFFIX}"
        self.end = 0
        self.made_at = time.monotonic()
        self._descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o644)
        _sync_folder(folder)

    @property
    def name(self) -> str:
        """The name in extents."""
        return self.path.name

    def append(self, data: bytes) -> None:
        """Write all data, and wait until it is on the disk."""
        _write_all(self._descriptor, data)
        self.end += len(data)
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            telemetry.fatal("the state log cannot be synced", file=str(self.path), error=error.strerror)

    def close(self) -> None:
        """Close the file. It stays."""
        os.close(self._descriptor)


class ReadFile:
    """A file that is read at a start: an index of the records of each log, as far as any log has asked.

    Ends the process if the file is missing or damaged."""

    def __init__(self, folder: Path, extent: Extent) -> None:
        self._path = folder / extent.file
        self._header = _HEADER_BEFORE if extent.is_of_one_log else _HEADER
        self._position = 0
        self._records: dict[bytes, list[tuple[int, int]]] = {}
        try:
            with self._path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                # An empty file cannot be mapped.
                self._content = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) if size else b"")
        except OSError as error:
            _lost(self._path, error.strerror)

    def documents(self, mark: bytes, extent: Extent) -> list[bytes]:
        """The documents of a log, the oldest first."""
        self._index(extent.end)
        return [
            bytes(self._content[start:end])
            for start, end in self._records.get(b"" if extent.is_of_one_log else mark, [])
            if extent.start <= start < extent.end
        ]

    def _index(self, end: int) -> None:
        """Note all records up to a byte. Those of other logs are checked too: with a damaged mark, a record would
        be missing in its log."""
        content, header = self._content, self._header
        while self._position < end:
            start = self._position + header.size
            if start > len(content):
                _lost(self._path, f"it ends at byte {len(content)} of {end}")
            length, checksum, *marks = header.unpack_from(content, self._position)
            mark = marks[0] if marks else b""
            document = content[start : start + length]
            if start + length > min(end, len(content)) or crc32(document, crc32(mark)) != checksum:
                _lost(self._path, f"what begins at byte {start} is not what was written")
            self._records.setdefault(mark, []).append((start, start + length))
            self._position = start + length


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


def wait_for_room(folder: Path) -> None:
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


def _sync_folder(folder: Path) -> None:
    """Wait until the name of a new file is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lost(path: Path, problem: str | None) -> None:
    telemetry.fatal(
        "state is lost: a file of the state log is not as it was left; see docs/operations.md, lost state",
        file=str(path),
        problem=problem,
    )
