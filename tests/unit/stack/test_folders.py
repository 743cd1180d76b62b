"""Folders of a process: they stay while it lives, and the next process removes those of a killed one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import StartError
from stack.folders import LOCK, LOCKED_WITHIN_S, ProcessFolder, remove_stale

HOLDER = """
import sys, time
from pathlib import Path
from stack.folders import ProcessFolder
folder = ProcessFolder(Path(sys.argv[1]), "demo")
(folder.path / "file").write_text("x")
print(folder.path, flush=True)
time.sleep(60)
"""


def test_a_folder_stays_until_its_process_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    path = Path(holder.stdout.readline().strip())
    remove_stale(tmp_path, "demo")
    assert (path / "file").exists()
    holder.kill()
    holder.communicate()
    remove_stale(tmp_path, "other")
    assert path.exists()
    remove_stale(tmp_path, "demo")
    assert not path.exists()


def test_an_own_folder_can_be_entered_by_all_and_is_removed(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        folder = ProcessFolder(tmp_path / "state", "demo")
    finally:
        os.umask(before)
    assert folder.path.stat().st_mode & 0o777 == 0o755
    remove_stale(tmp_path / "state", "demo")
    assert folder.path.exists()
    folder.remove()
    assert not folder.path.exists()


def test_a_folder_that_has_no_lock_yet_stays_for_a_minute(tmp_path: Path) -> None:
    new, old = tmp_path / "demo-1-new", tmp_path / "demo-1-old"
    for path in (new, old):
        path.mkdir()
    aged = old.stat().st_mtime - LOCKED_WITHIN_S - 1
    os.utime(old, (aged, aged))
    remove_stale(tmp_path, "demo")
    assert new.exists()
    assert not old.exists()


def test_links_are_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / LOCK).touch()
    (tmp_path / "demo-1-link").symlink_to(target)
    remove_stale(tmp_path, "demo")
    assert (target / LOCK).exists()


def test_a_parent_that_takes_no_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=r"no folder can be made in .*file: "):
        ProcessFolder(tmp_path / "file", "demo")
