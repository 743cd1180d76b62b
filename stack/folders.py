"""Folders of one process. If a process is killed, the next one of its kind removes the folder that it left."""

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

from core.errors import StartError

LOCK = ".lock"
# A process locks its folder directly after making it. A folder without a lock that is older belongs to none.
LOCKED_WITHIN_S = 60.0


class ProcessFolder:
    """A new folder, `parent/prefix-PID-RANDOM`, that all accounts can enter. This process holds a lock in it until
    `remove` or its end, so that `remove_stale` of another process leaves the folder alone."""

    def __init__(self, parent: Path, prefix: str) -> None:
        try:
            parent.mkdir(parents=True, exist_ok=True)
            self.path = Path(tempfile.mkdtemp(prefix=f"{prefix}-{os.getpid()}-", dir=parent))
            self._lock = os.open(self.path / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.path.chmod(0o755)
        except OSError as error:
            raise StartError(f"no folder can be made in {parent}: {error.strerror}") from None

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def remove_stale(parent: Path, prefix: str) -> None:
    """Remove the folders of this account's processes that ended without removing theirs."""
    for path in parent.glob(f"{prefix}-*"):
        if _is_own(path) and not _is_locked(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_own(path: Path) -> bool:
    try:
        return path.lstat().st_uid == os.geteuid() and path.is_dir() and not path.is_symlink()
    except OSError:
        return False


def _is_locked(path: Path) -> bool:
    try:
        lock = os.open(path / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return path.exists() and time.time() - path.stat().st_mtime < LOCKED_WITHIN_S
    except OSError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False
