"""The sweep before a start: only files that no snapshot names are deleted."""

import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dataflows.recovery import state_log
from dataflows.recovery.state_log import StateLog
from dataflows.recovery.sweep import Holders, delete_unnamed
from tests.support.state_logs import add, feed, files, make_files_small, products, read, snapshot, start


class Store:
    """A recovery folder with a store that Bytewax would have written: one part, one execution."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        subprocess.run([sys.executable, "-m", "bytewax.recovery", folder, "1"], check=True)
        with self.open() as database:
            database.execute("INSERT INTO exs (ex_num, worker_count, resume_epoch) VALUES (0, 1, 1)")

    @contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.folder / "part-0.sqlite3")) as database, database:
            yield database

    def put(self, shard: str, state: bytes) -> None:
        with self.open() as database:
            query = "INSERT OR REPLACE INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES (?, ?, 1, ?)"
            database.execute(query, ("step", shard, pickle.dumps(state)))

    def sweep(self) -> Holders:
        return delete_unnamed(self.folder, self.folder / "state", "step")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "recovery")


def test_a_start_deletes_files_that_no_snapshot_names(store: Store) -> None:
    folder = store.folder / "state"
    log, shard_log, shard = start(folder)
    feed(shard)
    place = snapshot(log, shard_log)
    store.put("0", place)
    (kept,) = files(folder)
    for _ in range(5):
        # A life whose epoch is not committed.
        again, log_again, shard_again = start(folder, place)
        feed(shard_again)
        snapshot(again, log_again)
        assert store.sweep() == {kept.name: {read(place).log}}
        assert files(folder) == [kept]
    assert products(start(folder, place)[2]) == [("A", 1)]


@pytest.mark.parametrize("damage", ["part is missing", "no database", "no pickle", "half a pickle", "no pointer"])
def test_a_start_deletes_nothing_if_it_does_not_know_all_snapshots(store: Store, damage: str) -> None:
    folder = store.folder / "state"
    log, shard_log, shard = start(folder)
    feed(shard)
    snapshot(log, shard_log)
    with store.open() as database:
        if damage == "part is missing":
            database.execute("UPDATE parts SET part_count = 2")
        elif damage == "no pickle":
            query = "INSERT INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES ('step', '0', 1, 'x')"
            database.execute(query.replace("'x'", "x'00'"))
        elif damage == "half a pickle":
            half = pickle.dumps(b"x" * 100)[:50]
            database.execute("INSERT INTO snaps VALUES ('now', 'step', '0', 1, ?)", (half,))
        elif damage == "no pointer":
            store_pointer = pickle.dumps(b"\x81\xa1x\x01")
            database.execute("INSERT INTO snaps VALUES ('now', 'step', '0', 1, ?)", (store_pointer,))
    if damage == "no database":
        (store.folder / "part-0.sqlite3").write_bytes(b"no database, and long enough to be read as one")
    assert store.sweep() == {}
    assert len(files(folder)) == 1


def test_a_file_of_before_is_deleted_once_no_shard_of_any_process_needs_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_files_small(monkeypatch)
    folder = store.folder / "state"
    log = StateLog(folder)
    first, second = add(log), add(log)
    feed(first[1])
    feed(second[1])
    places = snapshot(log, first[0]), snapshot(log, second[0])
    (old,) = files(folder)
    for number, place in enumerate(places):
        store.put(str(number), place)
    holders = store.sweep()
    # A process with one of the two shards keeps the file, and one with both deletes it.
    for shards, stays in ((1, True), (2, False)):
        again = StateLog(folder, holders={file: set(logs) for file, logs in holders.items()})
        pairs = [add(again, place) for place in places[:shards]]
        for _ in range(state_log.KEEP_OLD_ROUNDS + 2 * state_log.FILES_BACK):
            for _, shard in pairs:
                feed(shard)
            again.mine().save()
        assert old.exists() == stays
