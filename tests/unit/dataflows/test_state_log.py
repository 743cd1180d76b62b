"""The state log: an epoch writes only its changes, uncommitted bytes do not count, and damaged files end the
flow."""

import errno
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import telemetry
from core.positions import SourcePosition
from dataflows.recovery import log_files, state_log
from dataflows.recovery.pointer import encode_pointer, read_pointer
from dataflows.recovery.state_log import StateLog, recovery_folder
from pricing.catalogue import CatalogueChange, CatalogueEntry
from pricing.commands import Freeze, FreezeLift
from pricing.policy import default_policy
from pricing.state.shard import Shard
from pricing.state.snapshot import FORMAT
from tests.support.pipeline import ROOT
from tests.support.shards import apply
from tests.support.state_logs import (
    NOW_MS,
    add,
    feed,
    files,
    make_files_small,
    products,
    read,
    snapshot,
    start,
)

SNAPSHOTS = ROOT / "tests" / "unit" / "pricing" / "snapshots"


class FatalError(Exception):
    pass


@pytest.fixture(autouse=True)
def fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(message: str, **details: object) -> None:
        raise FatalError(f"{message} {details}")

    monkeypatch.setattr(telemetry, "fatal", end)


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
    # An older pointer still finds its whole state.
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


def test_shards_of_a_worker_share_a_file_and_find_their_own(tmp_path: Path) -> None:
    log = StateLog(tmp_path)
    first, second = add(log), add(log)
    for name in "ABC":
        feed(first[1], name)
        feed(second[1], name.lower())
        places = snapshot(log, first[0]), snapshot(log, second[0])
    assert len(files(tmp_path)) == 1
    again = StateLog(tmp_path)
    restored = [add(again, place)[1] for place in places]
    assert [products(shard) for shard in restored] == [products(first[1]), products(second[1])]
    assert products(restored[1]) == [("a", 1), ("b", 1), ("c", 1)]


def test_a_place_ends_where_it_says_although_another_shard_goes_on(tmp_path: Path) -> None:
    log = StateLog(tmp_path)
    first, second = add(log), add(log)
    feed(first[1])
    feed(second[1])
    before = snapshot(log, first[0])
    feed(first[1])
    feed(second[1])
    after = snapshot(log, second[0])
    again = StateLog(tmp_path)
    assert products(add(again, after)[1]) == [("A", 2)]
    assert products(add(again, before)[1]) == [("A", 1)]


def test_what_came_before_a_whole_shard_is_not_read(tmp_path: Path) -> None:
    log, shard_log, shard = start(tmp_path)
    for name in "ABC":
        feed(shard, name)
        snapshot(log, shard_log)
    shard_log.must_rewrite = True
    place = snapshot(log, shard_log)
    assert len(files(tmp_path)) == 1
    _, documents = StateLog(tmp_path).open(place)
    assert len(documents) == 1


def test_a_shard_that_did_not_change_keeps_its_place(tmp_path: Path) -> None:
    log = StateLog(tmp_path)
    first, second = add(log), add(log)
    feed(first[1])
    feed(second[1])
    place = snapshot(log, second[0])
    feed(first[1])
    assert snapshot(log, second[0]) == place


def test_old_files_are_deleted_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_files_small(monkeypatch)
    log = StateLog(tmp_path)
    pairs = [add(log) for _ in range(4)]
    counts, places = [], []
    for count in range(200):
        # The first shard changes in every round, the last one in every fourth.
        for number, (_, shard) in enumerate(pairs, 1):
            if count % number == 0:
                feed(shard)
        log.mine().save()
        places.append([shard_log.pointer() for shard_log, _ in pairs])
        counts.append(len(files(tmp_path)))
    assert max(counts) <= state_log.KEEP_OLD_ROUNDS + 3 * state_log.FILES_BACK
    # The flow can resume from any pointer of the last rounds.
    for back in (1, 10, state_log.KEEP_OLD_ROUNDS):
        again = StateLog(tmp_path)
        versions = [products(add(again, place)[1]) for place in places[-back]]
        rounds = len(places) - back
        assert versions == [[("A", rounds // number + 1)] for number in range(1, 5)]


def test_whole_shards_at_most_double_what_a_round_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_files_small(monkeypatch)
    log = StateLog(tmp_path)
    pairs = [add(log) for _ in range(8)]
    for _, shard in pairs:
        for name in range(300):
            feed(shard, f"P{name}")
    log.mine().save()
    whole = pairs[0][1].estimate_bytes()
    sizes = []
    for count in range(20):
        for _, shard in pairs:
            feed(shard, f"P{count}")
        before = sum(file.stat().st_size for file in files(tmp_path))
        log.mine().save()
        written = sum(file.stat().st_size for file in files(tmp_path)) - before
        sizes.append(written)
        assert written < 1.2 * whole + len(pairs) * 500
    assert max(sizes) > 0.8 * whole


def test_a_file_that_is_young_or_short_is_not_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, shard_log, shard = start(tmp_path)
    for young, short, count in ((0.0, 1_000_000, 1), (60.0, 1, 1), (0.0, 1, 2)):
        monkeypatch.setattr(state_log, "FILE_S_MIN", young)
        monkeypatch.setattr(state_log, "FILE_BYTES_MIN", short)
        log.mine()._full_at = 0.0
        feed(shard)
        snapshot(log, shard_log)
        assert len(files(tmp_path)) == count


def test_a_log_of_an_older_version_goes_on(tmp_path: Path) -> None:
    shard = Shard(default_policy())
    feed(shard, "A")
    documents = [shard.snapshot()]
    feed(shard, "B")
    documents.append(shard.changes() or b"")
    name = "0123456789abcdef" * 2
    content = b"".join(struct.pack("<II", len(each), zlib.crc32(each)) + each for each in documents)
    old = tmp_path / name / "000001.log"
    old.parent.mkdir()
    old.write_bytes(content + b"not committed")
    place = msgspec.msgpack.encode({"log": name, "extents": [["000001.log", len(content)]]})
    log, shard_log, again = start(tmp_path, place)
    assert products(again) == [("A", 1), ("B", 1)]
    feed(again, "B")
    assert products(start(tmp_path, snapshot(log, shard_log))[2]) == [("A", 1), ("B", 2)]
    assert read(shard_log.pointer()).extents[0].file == f"{name}/000001.log"


@given(st.integers(1, 200), st.floats(1, 1e6))
def test_the_estimate_of_a_shard_is_near_its_length(count: int, price: float) -> None:
    shard = Shard(default_policy())
    for name in range(count):
        feed(shard, f"P{name}", price)
    assert shard.estimate_bytes() == pytest.approx(len(shard.snapshot()), rel=0.1)


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


@pytest.mark.parametrize("damage", ["gone", "short", "header", "mark", "document"])
def test_a_log_that_is_not_as_it_was_left_ends_the_flow_with_one_line(tmp_path: Path, damage: str) -> None:
    log, shard_log, shard = start(tmp_path)
    feed(shard)
    place = snapshot(log, shard_log)
    (file,) = files(tmp_path)
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    elif damage in ("mark", "document"):
        content[12 if damage == "mark" else 30] ^= 1
        file.write_bytes(content)
    else:
        file.write_bytes(content[: 3 if damage == "header" else -1])
    with pytest.raises(FatalError, match="lost state"):
        start(tmp_path, place)


def test_a_full_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "LOOK_AGAIN_S", 0.0)
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
        log.mine().save()


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
    assert read_pointer(encode_pointer("x", [])) is not None
    assert read_pointer(Shard(default_policy()).snapshot()) is None
