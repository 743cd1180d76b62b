"""Tables of the lake, on files: exactly once over any failure of a commit, upkeep that changes no row, columns that
come and go."""

import random
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.types import StringType

import telemetry
from core.errors import StartRefusedError
from pricing.published import ReadUpdate, UpdateAdjustment
from sinks.lake.batch import LakeBatch, Positions
from sinks.lake.catalog import open_catalog
from sinks.lake.price_rows import Versions, decode_positions
from sinks.lake.sink import CommitLimits, LakeWriter
from sinks.lake.table import LakeTable
from sinks.lake.tables import PRICE_HISTORY
from sinks.lake.upkeep import Upkeep, UpkeepPlan

DAY_MS = 86_400_000
T0 = 20_000 * DAY_MS
AT_ONCE = CommitLimits(0, 1)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with closing(_catalog(tmp_path)) as opened:
        yield opened


def _catalog(folder: Path) -> Catalog:
    return open_catalog(f"sqlite:///{folder}/catalogue.db", f"file://{folder}/lake", {})


class _EndedError(Exception):
    """Stands for the end of the process."""


def _writer(catalog: Catalog, limits: CommitLimits = AT_ONCE) -> LakeWriter:
    """A writer as a flow starts with it."""
    table = LakeTable.open(catalog, PRICE_HISTORY)
    versions = Versions()
    versions.load(table, decode_positions(table.mark()))
    return LakeWriter(table, versions, limits, threading.Event(), send_letters=lambda letters: None)


def _update(product: str, version: int, **fields: Any) -> ReadUpdate:
    usual = {
        "event_time_ms": T0 + version,
        "new_price": version / 100,
        "adjustments": [UpdateAdjustment("base", 1.0, "r")],
    }
    return ReadUpdate(product, version, **{**usual, **fields})


def _batch(log: list[ReadUpdate], since: int, until: int) -> LakeBatch:
    updates = [(log[offset], "t", 0, offset) for offset in range(since, until)]
    return LakeBatch(updates, [], {0: (until, "id", False)})


def _rows(catalog: Catalog) -> list[tuple[str, int, Decimal]]:
    found = catalog.load_table("pricewax.price_history").scan().to_arrow().to_pylist()
    return sorted((row["product_id"], row["version"], row["price"]) for row in found)


def test_the_price_is_exact_and_a_withdrawal_is_no_row(catalog: Catalog) -> None:
    writer = _writer(catalog)
    log = [
        _update("A", 1, new_price=10.99),
        _update("A", 2, new_price=0.0001, previous_price=10.99),
        _update("A", 3, new_price=None),
        _update("A", 2, new_price=7.0),
        _update("A", 4, new_price=9_999_999_999.99),
    ]
    writer.write_batch([_batch(log, 0, 5)])
    assert _rows(catalog) == [
        ("A", 1, Decimal("10.99")),
        ("A", 2, Decimal("0.0001")),
        ("A", 4, Decimal("9999999999.99")),
    ]


FAULTS = ("none", "refused", "before", "after", "killed")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_failure_of_a_commit_leaves_each_version_once(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A commit may be refused as another program was first, fail before or after it took effect, or be cut off by a
    kill; the flow may end and start again between two. Updates come again at any time."""
    folder = tmp_path_factory.mktemp("lake")
    newest: dict[str, int] = {}
    log: list[ReadUpdate] = []
    for _ in range(data.draw(st.integers(5, 40))):
        comes_again: bool = data.draw(st.booleans())
        if log and comes_again:
            again: ReadUpdate = data.draw(st.sampled_from(log))
            log.append(again)
        else:
            product = data.draw(st.sampled_from("ABC"))
            newest[product] = newest.get(product, 0) + 1
            log.append(_update(product, newest[product], event_time_ms=T0 + data.draw(st.integers(0, 2 * DAY_MS))))
    with closing(_catalog(folder)) as catalog:
        done = 0
        while done < len(log):
            writer = _writer(catalog)
            done = (decode_positions(writer._table.mark()).get(0) or (0, None, False))[0] or 0
            faults = data.draw(st.lists(st.sampled_from(FAULTS), min_size=1, max_size=4))
            _break(writer._table, catalog, faults)
            try:
                while done < len(log) and not writer._stop.is_set():
                    until = data.draw(st.integers(done + 1, len(log)))
                    writer.write_batch([_batch(log, done, until)])
                    done = until
                    if data.draw(st.booleans()):
                        break
            except _EndedError:
                pass
            done = (decode_positions(LakeTable.open(catalog, PRICE_HISTORY).mark()).get(0) or (0,))[0] or 0
            if all(update.version <= _newest_in(log[:done], update.product_id) for update in log[done:]):
                break
        expected = {(each.product_id, each.version, Decimal(str(each.new_price))) for each in log}
        assert _rows(catalog) == sorted(expected)


def _newest_in(log: list[ReadUpdate], product: str) -> int:
    return max((each.version for each in log if each.product_id == product), default=0)


def _break(table: LakeTable, catalog: Catalog, faults: list[str]) -> None:
    """Let the next commits of a table fail in these ways, one after the other."""
    usual = table.append
    waiting = iter(faults)

    def append(rows: pa.Table, mark: str) -> None:
        fault = next(waiting, "none")
        if fault == "before":
            raise ConnectionError("the catalogue does not answer")
        if fault == "refused":
            # Another program changes the table.
            with catalog.load_table("pricewax.price_history").transaction() as change:
                change.set_properties({"touched": str(random.random())})
        usual(rows, mark)
        if fault == "after":
            raise CommitStateUnknownException("the answer is lost")
        if fault == "killed":
            raise _EndedError

    table.append = append  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.lake.sink.RETRY_S", (0.0,))


def test_a_second_flow_on_a_table_ends_the_one_that_it_has_overtaken(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def fatal(message: str, **details: object) -> None:
        said.append(message)
        raise SystemExit(1)

    monkeypatch.setattr(telemetry, "fatal", fatal)
    log = [_update("A", version + 1) for version in range(9)]
    first = _writer(catalog)
    first.write_batch([_batch(log, 0, 3)])
    second = _writer(catalog)
    second.write_batch([_batch(log, 3, 6)])
    with pytest.raises(SystemExit):
        first.write_batch([_batch(log, 3, 5)])
    assert said == ["another flow writes to this table; this one ends"]
    second.write_batch([_batch(log, 6, 9)])
    assert [version for _, version, _ in _rows(catalog)] == list(range(1, 10))


def test_a_store_that_stays_away_does_not_hold_up_the_end_of_the_flow(catalog: Catalog) -> None:
    writer = _writer(catalog, CommitLimits(3600, 100))
    writer.write_batch([_batch([_update("A", 1)], 0, 1)])
    _break(writer._table, catalog, ["before"] * 99)
    writer._stop.set()
    writer.close()
    assert _rows(catalog) == []
    assert telemetry.alerts_in_force() == [("lake_not_written", "")]


def test_versions_of_before_the_look_back_are_not_needed(catalog: Catalog) -> None:
    writer = _writer(catalog)
    writer.write_batch([_batch([_update("A", 1), _update("B", 5)], 0, 2)])
    versions = Versions()
    far: Positions = {0: (2_000_000, "id", False)}
    versions.load(LakeTable.open(catalog, PRICE_HISTORY), far)
    assert len(versions) == 0
    versions.load(LakeTable.open(catalog, PRICE_HISTORY), {0: (2, "id", False)})
    updates = [(_update("A", 1), "t", 0, 2), (_update("B", 6), "t", 0, 3)]
    assert versions.fresh(updates, lambda product: set()) == updates[1:]


def test_older_versions_that_are_read_later_from_another_partition_have_rows(catalog: Catalog) -> None:
    """The topic got more partitions, and the product changed its own. Then all of it comes once more."""
    old = [(_update("A", version), "t", 1, version) for version in range(1, 8)]
    new = [(_update("A", version), "t", 5, version) for version in range(8, 11)]
    for start in range(3):
        writer = _writer(catalog, CommitLimits(3600, 4))
        for part in (old[:2], new[start:], old[2:], new, old):
            positions: Positions = {1: (8 + start, "id", False), 5: (11 + start, "id", False)}
            writer.write_batch([LakeBatch(part, [], positions)])
        writer.close()
        assert [version for _, version, _ in _rows(catalog)] == list(range(1, 11))


def _upkeep(catalog: Catalog, **plan: Any) -> tuple[LakeTable, Upkeep]:
    table = LakeTable.open(catalog, PRICE_HISTORY)
    usual: dict[str, Any] = {"keep": timedelta(0), "files_min": 4, "orphan_after": timedelta(0)}
    return table, Upkeep(table, UpkeepPlan(0, **{**usual, **plan}))


def _files(folder: Path) -> set[Path]:
    return {path for path in (folder / "lake").rglob("*") if path.is_file()}


def test_upkeep_makes_few_files_and_changes_no_row(catalog: Catalog, tmp_path: Path) -> None:
    writer = _writer(catalog)
    log = [_update(f"P{index % 3}", index + 1, event_time_ms=T0 + index % 2 * DAY_MS) for index in range(40)]
    for start in range(0, 40, 4):
        writer.write_batch([_batch(log, start, start + 4)])
    before, files = _rows(catalog), _files(tmp_path)
    table, upkeep = _upkeep(catalog)
    assert len(list(table.table.scan().plan_files())) == 20
    assert upkeep.compact() == 20
    assert len(list(table.table.scan().plan_files())) == 2
    # One snapshot replaces the files of a day, so that no reader sees a day without them.
    counts = [
        table.table.scan(snapshot_id=snapshot.snapshot_id).to_arrow().num_rows
        for snapshot in table.table.snapshots()
    ]
    assert counts == [*range(4, 44, 4), 40, 40]
    assert _rows(catalog) == before
    assert decode_positions(table.mark()) == {0: (40, "id", False)}
    assert upkeep.compact() == 0
    assert upkeep.expire() == 11
    assert upkeep.remove_orphans() > 20
    assert _rows(catalog) == before
    assert len(_files(tmp_path)) < len(files)
    # The writer goes on, as does one that starts now.
    log += [_update("P0", 41), _update("P1", 42)]
    writer.write_batch([_batch(log, 40, 41)])
    _writer(catalog).write_batch([_batch(log, 41, 42)])
    assert [version for _, version, _ in sorted(_rows(catalog), key=lambda row: row[1])] == list(range(1, 43))


def test_a_file_of_a_commit_that_is_under_way_stays(catalog: Catalog, tmp_path: Path) -> None:
    _writer(catalog).write_batch([_batch([_update("A", 1)], 0, 1)])
    stray = tmp_path / "lake" / "pricewax" / "price_history" / "data" / "stray.parquet"
    stray.write_bytes(b"x")
    _, patient = _upkeep(catalog, orphan_after=timedelta(days=1))
    assert patient.remove_orphans() == 0
    _, upkeep = _upkeep(catalog)
    assert upkeep.remove_orphans() == 1
    assert not stray.exists()
    assert len(_rows(catalog)) == 1


def test_another_table_in_the_same_folder_is_never_removed(catalog: Catalog, tmp_path: Path) -> None:
    """The catalogue was lost, or is another one: its table has the same folder."""
    _writer(catalog).write_batch([_batch([_update("A", 1)], 0, 1)])
    files = _files(tmp_path)
    with closing(open_catalog(f"sqlite:///{tmp_path}/second.db", f"file://{tmp_path}/lake", {})) as second:
        _writer(second).write_batch([_batch([_update("B", 1)], 0, 1)])
        _, upkeep = _upkeep(second)
        assert upkeep.remove_orphans() == 0
    assert files <= _files(tmp_path)
    assert len(_rows(catalog)) == 1


def test_snapshots_are_few_whatever_their_age(catalog: Catalog) -> None:
    writer = _writer(catalog)
    log = [_update("A", version + 1) for version in range(8)]
    for offset in range(8):
        writer.write_batch([_batch(log, offset, offset + 1)])
    table, upkeep = _upkeep(catalog, keep=timedelta(days=9), snapshots_max=3)
    table.table.manage_snapshots().create_tag(table.table.snapshots()[0].snapshot_id, "audit").commit()
    assert upkeep.expire() == 4
    assert len(table.table.snapshots()) == 4
    assert len(_rows(catalog)) == 8


def test_a_compaction_that_was_overtaken_changes_nothing(catalog: Catalog) -> None:
    writer = _writer(catalog)
    log = [_update("A", version + 1) for version in range(6)]
    for offset in range(5):
        writer.write_batch([_batch(log, offset, offset + 1)])
    _, upkeep = _upkeep(catalog)
    rewrite = upkeep._rewrite

    def overtaken(tasks: Any) -> None:
        writer.write_batch([_batch(log, 5, 6)])
        rewrite(tasks)

    upkeep._rewrite = overtaken  # type: ignore[method-assign]
    with pytest.raises(CommitFailedException):
        upkeep.compact()
    assert len(_rows(catalog)) == 6
    _, again = _upkeep(catalog)
    assert again.compact() == 6
    assert len(_rows(catalog)) == 6


def test_a_table_of_an_earlier_release_gets_the_new_columns(catalog: Catalog) -> None:
    old = PRICE_HISTORY.schema
    fields = [field for field in old.fields if field.name not in ("adjustments", "policy")]
    catalog.create_namespace("pricewax")
    table = catalog.create_table(
        "pricewax.price_history", type(old)(*fields), partition_spec=PRICE_HISTORY.partitions
    )
    assert "policy" not in table.schema().column_names
    _writer(catalog).write_batch([_batch([_update("A", 1, policy="p")], 0, 1)])
    (row,) = catalog.load_table("pricewax.price_history").scan().to_arrow().to_pylist()
    assert (row["policy"], row["adjustments"]) == ("p", [{"rule": "base", "amount": 1.0, "reason": "r"}])


def test_a_column_of_another_program_stays_and_is_empty_in_new_rows(catalog: Catalog) -> None:
    writer = _writer(catalog)
    log = [_update("A", 1), _update("A", 2)]
    writer.write_batch([_batch(log, 0, 1)])
    with catalog.load_table("pricewax.price_history").update_schema() as change:
        change.add_column("checked_by", StringType())
    # The running flow is told by the refusal of its next commit, or takes it as it is.
    writer.write_batch([_batch(log, 1, 2)])
    rows = catalog.load_table("pricewax.price_history").scan().to_arrow().to_pylist()
    assert [row["checked_by"] for row in rows] == [None, None]
    _, upkeep = _upkeep(catalog, files_min=2)
    assert upkeep.compact() == 2
    assert len(_rows(catalog)) == 2


def test_the_mark_outlives_snapshots_of_other_programs(catalog: Catalog) -> None:
    _writer(catalog).write_batch([_batch([_update("A", 1)], 0, 1)])
    table = catalog.load_table("pricewax.price_history")
    table.append(table.scan().to_arrow())
    assert decode_positions(LakeTable.open(catalog, PRICE_HISTORY).mark()) == {0: (1, "id", False)}
    # Then that program expires ours: the property of the table has it still.
    table.maintenance.expire_snapshots().by_id(table.snapshots()[0].snapshot_id).commit()
    assert decode_positions(LakeTable.open(catalog, PRICE_HISTORY).mark()) == {0: (1, "id", False)}
    with table.transaction() as change:
        change.remove_properties(PRICE_HISTORY.mark)
    with pytest.raises(StartRefusedError, match=r"no snapshot says up to which message.*pricewax\.offsets"):
        LakeTable.open(catalog, PRICE_HISTORY)


def test_a_table_that_was_rolled_back_goes_on_from_there(catalog: Catalog) -> None:
    writer = _writer(catalog)
    log = [_update("A", version + 1) for version in range(3)]
    for offset in range(3):
        writer.write_batch([_batch(log, offset, offset + 1)])
    table = catalog.load_table("pricewax.price_history")
    table.manage_snapshots().rollback_to_snapshot(table.snapshots()[0].snapshot_id).commit()
    again = _writer(catalog)
    assert decode_positions(again._table.mark()) == {0: (1, "id", False)}
    again.write_batch([_batch(log, 1, 3)])
    assert [version for _, version, _ in _rows(catalog)] == [1, 2, 3]
