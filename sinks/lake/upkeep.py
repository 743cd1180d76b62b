"""The upkeep of a table of the lake: small files become large ones, old snapshots and files that no snapshot needs
are removed."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby

import msgspec
import pyarrow.fs as pafs
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan, PyArrowFileIO, _dataframe_to_data_files
from pyiceberg.table import FileScanTask

import telemetry
from sinks.lake.table import LakeTable, reason_of

SMALL_BYTES = 8 * 1024 * 1024
"""A file below this size is rewritten with others."""

LARGE_BYTES = 16 * 1024 * 1024
"""Files are rewritten together up to this size, which bounds the memory: rows need up to 50 times as much."""

SNAPSHOTS_MAX = 500
"""Snapshots of a table at most, whatever their age: each commit copies what is known of all of them."""

ORPHANS_EVERY_S = 86_400.0
"""Seconds between two searches for files that no snapshot needs. Each reads every manifest of every snapshot."""

FILES_MIN = 16
"""Small files of a day from which on they are rewritten. With a commit a minute, that is four times an hour."""

ORPHAN_AFTER = timedelta(days=1)
"""Age from which a file that no snapshot needs is removed: a younger one may be of a commit that is under way."""

METADATA = ".metadata.json"
"""The end of the names of a table's own descriptions."""

log = telemetry.get_logger("lake")


class UpkeepPlan(msgspec.Struct, frozen=True):
    """Numbers of the upkeep. every_s: seconds between two runs. keep: age from which snapshots are removed."""

    every_s: float
    keep: timedelta
    files_min: int = FILES_MIN
    orphan_after: timedelta = ORPHAN_AFTER
    snapshots_max: int = SNAPSHOTS_MAX


class Upkeep:
    """The upkeep of one table. Belongs to the thread that appends to it, so that the two do not meet. A failure is
    logged, and tried again with the next run: it changes no row."""

    def __init__(self, table: LakeTable, plan: UpkeepPlan) -> None:
        self._table = table
        self._plan = plan
        self._next_s = self._next_search_s = time.monotonic() + plan.every_s

    def run(self, *, is_last: bool) -> None:
        """Do all of it, if it is due."""
        if is_last or time.monotonic() < self._next_s:
            return
        try:
            self.compact()
            self.expire()
            if time.monotonic() >= self._next_search_s:
                self.remove_orphans()
                self._next_search_s = time.monotonic() + ORPHANS_EVERY_S
        except Exception as error:
            # The library, the store and the catalogue have no common error.
            telemetry.SINK_ERRORS.labels("lake_upkeep").inc()
            log.warning("upkeep failed; it is tried again", table=self._table.kind.name, reason=reason_of(error))
        self._next_s = time.monotonic() + self._plan.every_s

    def compact(self) -> int:
        """Rewrite the small files of each day that has many, a group in one commit. Returns the number of files
        that were replaced."""
        self._table.refresh()
        replaced = 0
        for group in list(self._groups()):
            self._rewrite(group)
            replaced += len(group)
        if replaced:
            log.info("small files rewritten", table=self._table.kind.name, files=replaced)
            telemetry.LAKE_REWRITTEN.inc(replaced)
        return replaced

    def _groups(self) -> Iterator[list[FileScanTask]]:
        """Groups of small files of one day. Files with deletions of other programs are left alone."""
        tasks = [
            task
            for task in self._table.table.scan().plan_files()
            if task.file.file_size_in_bytes < SMALL_BYTES and not task.delete_files
        ]
        for _, of_day in groupby(sorted(tasks, key=_day), key=_day):
            found = list(of_day)
            if len(found) < self._plan.files_min:
                continue
            group: list[FileScanTask] = []
            size = 0
            for task in found:
                if group and size + task.file.file_size_in_bytes > LARGE_BYTES:
                    yield group
                    group, size = [], 0
                group.append(task)
                size += task.file.file_size_in_bytes
            if len(group) > 1:
                yield group

    def _rewrite(self, tasks: list[FileScanTask]) -> None:
        """Replace files by one with the same rows, in one snapshot, which keeps the mark."""
        lake = self._table
        table, mark = lake.table, lake.mark()
        rows = ArrowScan(table.metadata, table.io, table.schema(), AlwaysTrue()).to_table(tasks)
        rows = rows.sort_by([(name, "ascending") for name in lake.kind.sorted_by])
        properties = {} if mark is None else {lake.kind.mark: mark}
        with table.transaction() as change:
            producer = change.update_snapshot(snapshot_properties=properties).overwrite()
            with producer as rewritten:
                for task in tasks:
                    rewritten.delete_data_file(task.file)
                written = _dataframe_to_data_files(
                    table.metadata, lake.fitted(rows), table.io, write_uuid=rewritten.commit_uuid
                )
                for file in written:
                    rewritten.append_data_file(file)

    def expire(self) -> int:
        """Remove the snapshots that are older than the plan keeps them, and those that are too many, except the
        newest, and those with a branch or a tag. Returns their number."""
        table = self._table.table
        oldest_ms = (datetime.now(UTC) - self._plan.keep).timestamp() * 1000
        named = {ref.snapshot_id for ref in table.metadata.refs.values()}
        by_age = sorted(table.snapshots(), key=lambda snapshot: snapshot.timestamp_ms)
        gone = [
            snapshot.snapshot_id
            for place, snapshot in enumerate(by_age)
            if (snapshot.timestamp_ms < oldest_ms or place < len(by_age) - self._plan.snapshots_max)
            and snapshot.snapshot_id not in named
        ]
        if gone:
            table.maintenance.expire_snapshots().by_ids(gone).commit()
            log.info("old snapshots removed", table=self._table.kind.name, snapshots=len(gone))
        return len(gone)

    def remove_orphans(self) -> int:
        """Remove the files of the table that no snapshot needs: of removed snapshots, of rewritten files, of
        commits that failed. Returns their number."""
        table = self._table.table
        if not isinstance(table.io, PyArrowFileIO):
            return 0
        scheme, netloc, path = table.io.parse_location(table.location(), table.io.properties)
        files = table.io.fs_by_scheme(scheme, netloc)
        before = datetime.now(UTC) - self._plan.orphan_after
        there = files.get_file_info(pafs.FileSelector(path, recursive=True, allow_not_found=True))
        old = [info.path for info in there if info.type == pafs.FileType.File and info.mtime < before]
        if not old:
            return 0
        table.refresh()
        needed = {table.io.parse_location(each, table.io.properties)[2] for each in self._needed()}
        gone = [each for each in old if each not in needed]
        others = [each for each in gone if each.endswith(METADATA) and not self._is_own(files, each)]
        if others:
            log.error(
                "another table has files in this one's folder; none is removed",
                table=self._table.kind.name,
                other=others[0],
            )
            return 0
        for each in gone:
            files.delete_file(each)
        if gone:
            log.info("files removed that no snapshot needs", table=self._table.kind.name, files=len(gone))
        return len(gone)

    def _is_own(self, files: pafs.FileSystem, path: str) -> bool:
        """True if a file of metadata is of this table. Two catalogues may give two tables one folder."""
        with files.open_input_stream(
            path, compression="gzip" if path.endswith(".gz.metadata.json") else None
        ) as file:
            found = json.loads(file.read())
        return bool(found.get("table-uuid") == str(self._table.table.metadata.table_uuid))

    def _needed(self) -> Iterator[str]:
        """The locations of all files that the table needs."""
        table = self._table.table
        metadata = table.metadata
        yield table.metadata_location
        yield from (entry.metadata_file for entry in metadata.metadata_log)
        yield from (each.statistics_path for each in (*metadata.statistics, *metadata.partition_statistics))
        seen: set[str] = set()
        for snapshot in metadata.snapshots:
            yield snapshot.manifest_list
            for manifest in snapshot.manifests(table.io):
                if manifest.manifest_path in seen:
                    continue
                seen.add(manifest.manifest_path)
                yield manifest.manifest_path
                yield from (entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io))


def _day(task: FileScanTask) -> tuple[int, str]:
    return task.file.spec_id, repr(task.file.partition)
