"""The fence of a recovery folder: one flow at a time uses it.

The problem. The start of a flow deletes snapshots that were not committed, and log files that no snapshot names.
If another flow still runs on the folder, these are the ones that it is about to commit. Two flows that both commit
leave a store from which neither starts.

The idea. Each process holds locks in the folder until it ends. The kernel releases them, also after `kill -9`.
`flow.lock` is exclusive for a flow of one process, and shared among the processes of one cluster: the file holds
the cluster's addresses, and a process of another cluster does not share it. `flow-N.lock` is exclusive for process
N of a cluster, and holds its stage. A process of a cluster that starts waits for the end of those that already run:
they belong to the execution before. Processes that start wait for each other in Bytewax, where they do no harm.

An example. Processes 0 and 1 run. Process 1 is killed and started again while process 0 has not noticed. It takes
`flow.lock` and `flow-1.lock`, but `flow-0.lock` is held at stage `runs`, so it waits. Process 0 ends, because its
cluster is broken. Process 1 goes on to Bytewax and waits there for process 0, whose stage will be `starts`."""

import argparse
import errno
import fcntl
import os
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import msgspec

import telemetry
from clients.throttle import Throttle
from core.errors import StartRefusedError, StoppedError

WAIT_S = 10.0
"""Time that a start waits for the end of another flow. A clean stop takes at most as long."""

LOOK_AGAIN_S = 0.1
FILE = "flow.lock"
STARTS, RUNS = "starts", "runs"

log = telemetry.get_logger("recovery")


class Member(msgspec.Struct, frozen=True):
    """A process of a cluster: its number, and the addresses of all, which the whole cluster has in common."""

    number: int
    addresses: str

    @property
    def others(self) -> list[int]:
        """The numbers of all other processes."""
        return [number for number in range(len(self.addresses.split(";"))) if number != self.number]


class Holder(msgspec.Struct, frozen=True):
    """The content of a lock file. addresses: of the cluster, empty for a flow of one process. stage: `STARTS`, or
    `RUNS` once the cluster has come together."""

    pid: int
    host: str
    addresses: str = ""
    stage: str = STARTS


def cluster_member() -> Member | None:
    """This process's place in a cluster, from Bytewax's command line or environment. None for a flow of one
    process."""
    environment = os.environ
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-i", "--process-id", default=environment.get("BYTEWAX_PROCESS_ID"))
    parser.add_argument("-a", "--addresses", default=environment.get("BYTEWAX_ADDRESSES"))
    found = parser.parse_known_args(sys.argv[1:])[0]
    number, addresses = found.process_id, found.addresses
    if number is None and (pod := environment.get("BYTEWAX_POD_NAME")):
        number = pod.replace(environment.get("BYTEWAX_STATEFULSET_NAME", "") + "-", "")
    if number is None or not str(number).isdigit():
        return None
    if addresses is None and (hosts := environment.get("BYTEWAX_HOSTFILE_PATH")):
        lines = Path(hosts).read_text(encoding="utf-8").splitlines()
        addresses = ";".join(line.strip() for line in lines if line.strip())
    return Member(int(number), addresses or "")


class Fence:
    """The locks of one process on a recovery folder. They are held until the process ends.

    member: None for a flow of one process. Used by `dataflows/startup.py`."""

    def __init__(self, folder: Path, member: Member | None = None) -> None:
        self._folder = folder
        self._member = member
        self._descriptors: list[int] = []

    def hold(self, stop: threading.Event, within_s: float = WAIT_S) -> None:
        """Take the locks. Waits for another flow to end, for at most `within_s`; while the disk is full, without a
        limit.

        Raises StartRefusedError if the other flow has not ended by then, and StoppedError if `stop` is set in the
        meantime. If the file system has no locks, a log line says that a second flow would not be refused."""
        deadline = time.monotonic() + within_s
        throttle = Throttle()
        while True:
            try:
                holder = self._take()
                if holder is None:
                    return
                if time.monotonic() >= deadline:
                    raise StartRefusedError(
                        f"another flow uses the recovery folder {self._folder}: process {holder.pid} on host"
                        f" {holder.host}{' (of a cluster)' if holder.addresses else ''}; stop it first"
                    )
                if throttle.is_due():
                    log.warning(
                        "another flow uses the recovery folder; waiting for its end",
                        folder=str(self._folder),
                        pid=holder.pid,
                        host=holder.host,
                    )
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    log.warning(
                        "the recovery folder cannot be locked; a second flow on it would not be refused",
                        folder=str(self._folder),
                        error=error.strerror,
                    )
                    return
                if throttle.is_due():
                    log.warning("the recovery folder's disk is full; the flow waits", folder=str(self._folder))
            if stop.wait(LOOK_AGAIN_S):
                raise StoppedError

    def note_running(self) -> None:
        """Record that the cluster has come together. From now on, no process of another execution may start."""
        if self._member is not None and self._descriptors:
            with suppress(OSError):
                _write(self._descriptors[-1], self._holder(RUNS))

    def release(self) -> None:
        """Give up all locks."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _take(self) -> Holder | None:
        """Take all locks, or none. Returns the holder of one that is taken. Raises OSError."""
        try:
            holder = self._take_alone() if self._member is None else self._take_among(self._member)
        except OSError:
            self.release()
            raise
        if holder is not None:
            self.release()
        return holder

    def _take_alone(self) -> Holder | None:
        shared = self._open(FILE)
        if not _lock(shared, fcntl.LOCK_EX):
            return self._running_member() or _read(shared)
        with suppress(OSError):
            _write(shared, self._holder(RUNS))
        return None

    def _take_among(self, member: Member) -> Holder | None:
        shared = self._open(FILE)
        if _lock(shared, fcntl.LOCK_EX):
            _write(shared, self._holder(STARTS))
        # The change to a shared lock is not atomic: another cluster may come in between, so the file is read again.
        if not _lock(shared, fcntl.LOCK_SH) or _read(shared).addresses != member.addresses:
            return self._running_member() or _read(shared)
        own = self._open(_name(member.number))
        if not _lock(own, fcntl.LOCK_EX):
            return _read(own)
        _write(own, self._holder(STARTS))
        held = (self._holder_of(self._folder / _name(number)) for number in member.others)
        return next((holder for holder in held if holder is not None and holder.stage != STARTS), None)

    def _running_member(self) -> Holder | None:
        """A process of a cluster that holds its lock."""
        held = map(self._holder_of, sorted(self._folder.glob("flow-*.lock")))
        return next((holder for holder in held if holder is not None), None)

    def _holder_of(self, path: Path) -> Holder | None:
        """The holder of a lock; None if no process holds it."""
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            return None if _lock(descriptor, fcntl.LOCK_SH) else _read(descriptor)
        finally:
            os.close(descriptor)

    def _open(self, name: str) -> int:
        descriptor = os.open(self._folder / name, os.O_RDWR | os.O_CREAT, 0o644)
        self._descriptors.append(descriptor)
        return descriptor

    def _holder(self, stage: str) -> Holder:
        addresses = "" if self._member is None else self._member.addresses
        return Holder(os.getpid(), socket.gethostname(), addresses, stage)


def _name(number: int) -> str:
    return f"flow-{number}.lock"


def _lock(descriptor: int, kind: int) -> bool:
    """Take a lock at once. Returns False if another process holds one that excludes it. Raises OSError.

    It is `flock`, because `fcntl` locks end when any other descriptor of the file is closed. Over NFS, Linux makes
    a lock of the server from it."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(descriptor: int, holder: Holder) -> None:
    content = msgspec.json.encode(holder) + b"\n"
    os.pwrite(descriptor, content, 0)
    os.ftruncate(descriptor, len(content))


def _read(descriptor: int) -> Holder:
    """The content of a lock file. Unknown while it is being written, and after a crash of the machine."""
    try:
        return msgspec.json.decode(os.pread(descriptor, 65_536, 0), type=Holder)
    except msgspec.MsgspecError:
        return Holder(0, "unknown", stage=RUNS)
