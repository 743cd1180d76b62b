"""The fence of a recovery folder: the processes of one cluster share it, and every other flow is refused."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import StartRefusedError, StoppedError
from dataflows.recovery import fence
from dataflows.recovery.fence import Fence, Member, cluster_member
from settings import EXIT_BAD_SETTING
from tests.support.pipeline import ROOT

TWO, THREE = "a:1;b:1", "a:1;b:1;c:1"
RUN = """
import runpy, sys
from dataflows.recovery.fence import Fence
Fence.hold.__defaults__ = (0.5,)
sys.argv = ["run", "dataflows.pricing", "-r", sys.argv[1], "-s", "1", "-b", "0"]
runpy.run_module("bytewax.run", run_name="__main__")
"""
HOLD = """
import sys, threading
from pathlib import Path
from dataflows.recovery.fence import Fence
Fence(Path(sys.argv[1])).hold(threading.Event())
print("held", flush=True)
sys.stdin.read()
"""

Hold = Callable[..., Fence]


@pytest.fixture
def hold(tmp_path: Path) -> Hold:
    """A process of a flow on the folder. `flock` belongs to a file that is open, so one process can be several."""

    def start(number: int | None = None, addresses: str = TWO, within_s: float = 0.0) -> Fence:
        made = Fence(tmp_path, None if number is None else Member(number, addresses))
        made.hold(threading.Event(), within_s)
        return made

    return start


def test_a_second_flow_is_refused_with_the_holder_and_nothing_is_changed(hold: Hold, tmp_path: Path) -> None:
    first = hold()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(StartRefusedError) as refused:
        hold()
    assert f"{tmp_path}: process {os.getpid()} on host {os.uname().nodename};" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    first.release()
    hold()


def test_the_processes_of_one_cluster_share_a_folder(hold: Hold) -> None:
    hold(0)
    hold(1)
    for again in (0, 1):
        with pytest.raises(StartRefusedError):
            hold(again)


@pytest.mark.parametrize("other", [(None, ""), (0, THREE), (2, THREE), (0, "a:2;b:2")])
def test_a_flow_of_another_size_is_refused_while_one_process_of_a_cluster_runs(
    hold: Hold, other: tuple[int | None, str]
) -> None:
    first, second = hold(0), hold(1)
    with pytest.raises(StartRefusedError, match="of a cluster"):
        hold(*other)
    first.release()
    with pytest.raises(StartRefusedError, match="of a cluster"):
        hold(*other)
    second.release()
    hold(*other)


def test_a_cluster_is_refused_while_a_flow_of_one_process_runs(hold: Hold) -> None:
    alone = hold()
    with pytest.raises(StartRefusedError):
        hold(0)
    alone.release()
    hold(1)
    hold(0)


def test_a_process_waits_for_the_others_of_the_execution_before(hold: Hold) -> None:
    before = [hold(0), hold(1)]
    for each in before:
        each.note_running()
    before[1].release()
    with pytest.raises(StartRefusedError):
        hold(1)
    before[0].release()
    # Those of the new execution wait for each other in Bytewax.
    hold(1)
    hold(0)


def test_a_start_waits_a_moment_for_a_flow_that_ends(hold: Hold) -> None:
    first = hold()
    threading.Timer(0.3, first.release).start()
    hold(within_s=30.0)


def test_a_stop_ends_the_wait(hold: Hold, tmp_path: Path) -> None:
    hold()
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(StoppedError):
        Fence(tmp_path).hold(stop, 30.0)


def test_a_killed_flow_leaves_no_lock_and_a_living_one_refuses_the_flow(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder.stdin, holder.stdout:
        assert holder.stdout.readline() == b"held\n"
        (tmp_path / "state").mkdir()
        before = sorted(path.name for path in tmp_path.iterdir())
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(tmp_path)],
            env={"PATH": "/usr/bin:/bin", "STATE_LOG": "off"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == EXIT_BAD_SETTING, done.stderr
        last = done.stderr.splitlines()[-1]
        assert last.startswith(f"pricewax: another flow uses the recovery folder {tmp_path}: process {holder.pid} ")
        assert "Traceback" not in done.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == before
        holder.kill()
        holder.wait()
    Fence(tmp_path).hold(threading.Event(), 0.0)


def test_a_file_system_without_locks_is_used_with_a_warning(
    hold: Hold, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(descriptor: int, kind: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    hold()
    said = capsys.readouterr()
    assert "cannot be locked" in said.out + said.err


def test_a_full_disk_is_waited_for(hold: Hold, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []
    pwrite = os.pwrite

    def full(descriptor: int, data: bytes, offset: int) -> int:
        tries.append(1)
        if len(tries) < 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return pwrite(descriptor, data, offset)

    monkeypatch.setattr(fence, "LOOK_AGAIN_S", 0.0)
    monkeypatch.setattr(os, "pwrite", full)
    hold(0)
    assert len(tries) > 3


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (["-w", "2"], {}, None),
        (["-i", "1", "-a", TWO], {}, Member(1, TWO)),
        (["-i1", f"--addresses={TWO}"], {}, Member(1, TWO)),
        ([], {"BYTEWAX_PROCESS_ID": "0", "BYTEWAX_ADDRESSES": TWO}, Member(0, TWO)),
        (
            ["-a", TWO],
            {"BYTEWAX_POD_NAME": "pricewax-flow-1", "BYTEWAX_STATEFULSET_NAME": "pricewax-flow"},
            Member(1, TWO),
        ),
    ],
)
def test_the_place_in_a_cluster_is_the_one_that_bytewax_was_told(
    arguments: list[str], environment: dict[str, str], expected: Member | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["run.py", "dataflows.pricing", "-r", "here", *arguments])
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cluster_member() == expected


def test_addresses_may_be_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hosts").write_text("a:1\n\nb:1\n")
    monkeypatch.setattr("sys.argv", ["run.py", "dataflows.pricing", "-i", "0"])
    monkeypatch.setenv("BYTEWAX_HOSTFILE_PATH", str(tmp_path / "hosts"))
    assert cluster_member() == Member(0, TWO)
