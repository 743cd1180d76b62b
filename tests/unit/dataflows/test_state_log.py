"""The state log: an epoch writes only its changes, uncommitted bytes do not count, and damaged files end the
flow."""

import errno
import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import telemetry
from core.positions import SourcePosition
from dataflows.recovery import state_log
from dataflows.recovery.state_log import LogPointer, ShardLog, StateLog, _decode_pointer, recovery_folder
from pricing.catalogue import CatalogueChange, CatalogueEntry
from pricing.commands import Freeze, FreezeLift
from pricing.events import ProductEvent
from pricing.policy import default_policy
from pricing.state.shard import Shard
from pricing.state.snapshot import FORMAT
from tests.support.pipeline import ROOT
from tests.support.shards import apply

NOW_MS = 1_700_000_000_000
SNAPSHOTS = ROOT / "tests" / "unit" / "pricing" / "snapshots"


class FatalError(Exception):
    pass


@pytest.fixture(autouse=True)
def fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(message: str, **details: object) -> None:
        raise FatalError(f"{message} {details}")

    monkeypatch.setattr(telemetry, "fatal", end)


def start(folder: Path, resume_state: bytes | None = None) -> tuple[StateLog, ShardLog, Shard]:
    log = StateLog(folder)
    shard_log, documents = log.open(resume_state)
    shard = Shard(default_policy(), *documents)
    shard_log.follow(shard)
    return log, shard_log, shard


def feed(shard: Shard, product_id: str = "A", price: float = 10.0) -> None:
    apply(shard, ProductEvent("view", product_id, NOW_MS, price), now_ms=NOW_MS)


def products(shard: Shard) -> list[tuple[str, int]]:
    return sorted((d.product_id, d.version) for d in shard.refill())


def snapshot(log: StateLog, shard_log: ShardLog) -> bytes:
    log.save()
    return shard_log.pointer()


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.log"))


def test_a_shard_is_what_its_place_says_whatever_came_after(tmp_path: Path) -> None:
    log, shard_log, shard = start(tmp_path)
    feed(shard, "A")
    feed(shard, "B")
    first = snapshot(log, shard_log)
    feed(shard, "A")
    second = snapshot(log, shard_log)
    feed(shard, "C")
    snapshot(log, shard_log)
    assert products(start(tmp_path, second)[2]) == [("A", 2), ("B", 1)]
    # An older pointer still finds its whole state. Resuming from it drops everything after it.
    assert products(start(tmp_path, first)[2]) == [("A", 1), ("B", 1)]


def test_an_epoch_writes_what_changed_and_nothing_else(tmp_path: Path) -> None:
    log, shard_log, shard = start(tmp_path)
    for index in range(1000):
        feed(shard, f"P{index}")
    snapshot(log, shard_log)
    (file,) = files(tmp_path)
    size = file.stat().st_size
    assert snapshot(log, shard_log) == shard_log.pointer()
    assert file.stat().st_size == size
    feed(shard, "P7")
    snapshot(log, shard_log)
    assert 0 < file.stat().st_size - size < size / 100


def test_a_shard_that_was_not_touched_writes_no_file(tmp_path: Path) -> None:
    log, shard_log, _ = start(tmp_path / "state")
    place = snapshot(log, shard_log)
    assert not (tmp_path / "state").exists()
    assert products(start(tmp_path / "state", place)[2]) == []


def price_of(shard: Shard, product_id: str) -> float | None:
    state = shard.get(product_id)
    assert state is not None
    return state.price


def test_removed_products_and_freezes_are_restored(tmp_path: Path) -> None:
    log, shard_log, shard = start(tmp_path)
    entry = CatalogueEntry("C", "Mug", "kitchen", 2.5)
    position = SourcePosition("price-freezes", 0, 1)
    apply(shard, CatalogueChange("C", entry, NOW_MS, 1), now_ms=NOW_MS)
    apply(shard, Freeze("all", "r", "s", NOW_MS, position, True), now_ms=NOW_MS)
    frozen = snapshot(log, shard_log)
    apply(shard, CatalogueChange("C", None, NOW_MS, 2), now_ms=NOW_MS)
    apply(shard, FreezeLift("all", NOW_MS, 2, True), now_ms=NOW_MS)
    lifted = snapshot(log, shard_log)
    _, _, again = start(tmp_path, lifted)
    assert price_of(again, "C") is None
    list(again.refill())
    assert [(c.scope, c.freeze) for c in again.take_freeze_changes()] == [("all", None)]
    _, _, before = start(tmp_path, frozen)
    assert price_of(before, "C") == 2.5
    list(before.refill())
    assert [c.freeze is not None for c in before.take_freeze_changes()] == [True]


def test_a_log_without_anything_outdated_is_not_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_log, "REWRITE_BYTES_MIN", 100)
    log, shard_log, shard = start(tmp_path)
    for name in range(500):
        feed(shard, f"P{name}")
        place = snapshot(log, shard_log)
    assert [path.name for path in files(tmp_path)] == ["000001.log"]
    # After a start, which has written nothing itself, the log is not written again either.
    log, shard_log, shard = start(tmp_path, place)
    feed(shard, "P500")
    snapshot(log, shard_log)
    assert [path.name for path in files(tmp_path)] == ["000001.log", "000002.log"]
    assert shard_log.excess() < 1


@given(st.integers(1, 200), st.floats(1, 1e6))
def test_the_estimate_of_a_shard_is_near_what_it_is(count: int, price: float) -> None:
    shard = Shard(default_policy())
    for name in range(count):
        feed(shard, f"P{name}", price)
    assert shard.estimate_bytes() == pytest.approx(len(shard.snapshot()), rel=0.1)


def test_a_long_log_is_written_anew_one_shard_a_round_and_old_files_stay_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_log, "REWRITE_BYTES_MIN", 100)
    monkeypatch.setattr(state_log, "KEEP_OLD_S", 0.0)
    log = StateLog(tmp_path)
    pairs = []
    for _ in range(2):
        shard_log, _ = log.open(None)
        shard = Shard(default_policy())
        shard_log.follow(shard)
        pairs.append((shard_log, shard))
    counts = []
    places = []
    for _ in range(2 * state_log.KEEP_OLD_ROUNDS + 10):
        for _, shard in pairs:
            feed(shard)
        places.append(snapshot(log, pairs[0][0]))
        counts.append(len(files(tmp_path)))
    assert max(b - a for a, b in itertools.pairwise(counts)) <= 1
    assert max(counts) <= 6
    rounds = len(places)
    # The flow can resume from any pointer of the last rounds.
    for back in (1, 10, state_log.KEEP_OLD_ROUNDS):
        assert products(start_copy(tmp_path, places[-back])) == [("A", rounds - back + 1)]


def start_copy(folder: Path, place: bytes) -> Shard:
    """Read the state that a pointer names, as `start` does, but without deleting files."""
    found = _decode_pointer(place)
    log = StateLog(folder)
    documents = [document for extent in found.extents for document in log._read(found, extent)]
    return Shard(default_policy(), *documents)


def test_every_older_format_has_a_snapshot() -> None:
    """`tests/support/record_snapshot.py` writes one."""
    found = {path.stem for path in SNAPSHOTS.glob("format-*.bin")}
    assert {f"format-{version}" for version in range(1, FORMAT)} <= found


@pytest.mark.parametrize("version", range(1, FORMAT))
def test_a_whole_snapshot_of_an_older_format_goes_on_in_a_log(tmp_path: Path, version: int) -> None:
    log, shard_log, shard = start(tmp_path, (SNAPSHOTS / f"format-{version}.bin").read_bytes())
    assert shard.get("A") is not None
    place = snapshot(log, shard_log)
    _, _, again = start(tmp_path, place)
    assert list(again.refill()) == list(shard.refill())
    assert again.snapshot()[1] == FORMAT


@pytest.mark.parametrize("damage", ["gone", "short", "header", "bits"])
def test_a_log_that_is_not_as_it_was_left_ends_the_flow_with_one_line(tmp_path: Path, damage: str) -> None:
    log, shard_log, shard = start(tmp_path)
    feed(shard)
    place = snapshot(log, shard_log)
    (file,) = files(tmp_path)
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    elif damage == "bits":
        content[20] ^= 1
        file.write_bytes(content)
    else:
        file.write_bytes(content[: 3 if damage == "header" else -1])
    with pytest.raises(FatalError, match="lost state"):
        start(tmp_path, place)


def test_files_of_epochs_that_were_not_committed_are_removed(tmp_path: Path) -> None:
    log, shard_log, shard = start(tmp_path)
    feed(shard)
    place = snapshot(log, shard_log)
    for _ in range(5):
        again, log_again, shard_again = start(tmp_path, place)
        feed(shard_again)
        snapshot(again, log_again)
    assert len(files(tmp_path)) == 2


def test_a_full_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_log, "LOOK_AGAIN_S", 0.0)
    log, shard_log, shard = start(tmp_path)
    feed(shard)
    tries = {"write": 0, "room": 0}
    write, statvfs = os.write, os.statvfs

    def full(descriptor: int, data: Any) -> int:
        tries["write"] += 1
        if tries["write"] < 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        # Then there is room for a part of the bytes only.
        return write(descriptor, data[:10])

    class NoRoom:
        f_bavail, f_frsize = 1, 4096

    def little(folder: Any) -> Any:
        tries["room"] += 1
        return NoRoom if tries["room"] < 3 else statvfs(folder)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        patched.setattr(os, "statvfs", little)
        place = snapshot(log, shard_log)
    assert tries["write"] > 3
    assert tries["room"] == 3
    assert products(start(tmp_path, place)[2]) == [("A", 1)]


def test_a_failed_sync_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, _, shard = start(tmp_path)
    feed(shard)

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(FatalError, match="Input/output error"):
        log.save()


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (["dataflows.pricing", "-r", "here", "-s", "1", "-b", "0"], {}, Path("here")),
        (["dataflows.pricing", "--recovery-directory=here"], {"BYTEWAX_RECOVERY_DIRECTORY": "there"}, Path("here")),
        (["dataflows.pricing", "-w", "2"], {"BYTEWAX_RECOVERY_DIRECTORY": "there"}, Path("there")),
        (["dataflows.pricing"], {}, None),
    ],
)
def test_the_folder_is_the_one_that_bytewax_was_told(
    arguments: list[str], environment: dict[str, str], expected: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["run.py", *arguments])
    monkeypatch.delenv("BYTEWAX_RECOVERY_DIRECTORY", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert recovery_folder() == expected


def test_a_pointer_is_never_taken_for_a_document() -> None:
    assert state_log._is_pointer(state_log._encode_pointer(LogPointer("x", [])))
    assert not state_log._is_pointer(Shard(default_policy()).snapshot())
