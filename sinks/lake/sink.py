"""The sink of the lake: rows wait in memory, and become files and a snapshot from time to time."""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

import telemetry
from clients.kafka_producer import Record
from clients.throttle import Throttle
from sinks.lake.batch import PART, LakeBatch, Positions
from sinks.lake.price_rows import Versions, encode_positions, to_columns
from sinks.lake.table import LakeTable, is_overtaken, reason_of

RETRY_S = (1.0, 2.0, 5.0, 10.0)
"""Pauses after failed commits; the last one stays."""

HUNG_AFTER_S = 60.0
"""Seconds after which a commit that has not ended raises the alert."""

log = telemetry.get_logger("lake")


class Companion(Protocol):
    """Work that is done after a commit, such as `sinks/lake/upkeep.py`. It must not raise for a store that does not
    answer."""

    def run(self, *, is_last: bool) -> None:
        """Do what is due. is_last: the flow ends."""


class CommitLimits(msgspec.Struct, frozen=True):
    """The limits of rows that wait: seconds since the first of them, and their number."""

    every_s: float
    rows: int


class LakeSink(FixedPartitionedSink[LakeBatch, None]):
    """A sink with one partition: a table has one writer. open_writer: makes it, in the worker's thread."""

    def __init__(self, open_writer: Callable[[], "LakeWriter"]) -> None:
        self._open_writer = open_writer

    def list_parts(self) -> list[str]:
        return [PART]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "LakeWriter":
        return self._open_writer()


class LakeWriter(StatefulSinkPartition[LakeBatch, None]):
    """The writer of `price_history`. Belongs to the worker's thread.

    send_letters: sends dead letters, and returns when Kafka has them. companions: see `Companion`.

    A commit holds rows and the positions behind them, so a crash neither loses nor doubles a row: what was not
    committed is read again. If it is not known whether a commit arrived, the table says so. If it has positions
    that are not of this writer, another flow writes to it, and the process ends."""

    def __init__(
        self,
        table: LakeTable,
        versions: Versions,
        limits: CommitLimits,
        stop: threading.Event,
        *,
        send_letters: Callable[[list[Record]], None],
        companions: tuple[Companion, ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table = table
        self._versions = versions
        self._limits = limits
        self._stop = stop
        self._send_letters = send_letters
        self._companions = companions
        self._clock = clock
        self._mark = table.mark()
        self._gives_up = False
        self._waiting: list[pa.Table] = []
        self._count = 0
        self._since = 0.0
        self._positions: Positions = {}
        self._throttle = Throttle()
        self._pending = telemetry.SINK_PENDING.labels("lake", PART)
        self._writes = telemetry.SINK_WRITES.labels("lake")
        self._errors = telemetry.SINK_ERRORS.labels("lake")
        telemetry.LAKE_COMMITTED.set_to_current_time()

    def write_batch(self, values: list[LakeBatch]) -> None:
        """Keep rows, and commit if that is due."""
        for batch in values:
            if batch.letters:
                self._send_letters(batch.letters)
            self._positions.update(batch.positions)
            if rows := self._versions.fresh(batch.updates, self._versions_of):
                if not self._count:
                    self._since = self._clock()
                self._waiting.append(to_columns(rows))
                self._count += len(rows)
        self._pending.set(self._count)
        is_old = self._count and self._clock() - self._since >= self._limits.every_s
        if is_old or self._count >= self._limits.rows:
            self._commit()
        elif not self._count:
            # Nothing waits, so the table has all that there is.
            telemetry.LAKE_COMMITTED.set_to_current_time()
        for companion in self._companions:
            companion.run(is_last=False)

    def _versions_of(self, product_id: str) -> set[int]:
        """The versions of a product in the table and among the rows that wait. Waits for a table that is away."""
        found: set[int] = set()
        for rows in self._waiting:
            mine = rows.filter(pc.equal(rows.column("product_id"), product_id))
            found.update(mine.column("version").to_pylist())
        while True:
            try:
                there = self._table.rows(("version",), f"product_id = '{product_id}'")
                return found | set(there.column("version").to_pylist())
            except Exception as error:
                # As in `_try`. Without an answer it is not known which rows are there.
                self._errors.inc()
                telemetry.set_alert("lake_not_written", holds=True)
                if self._throttle.is_due():
                    log.warning("the lake cannot be read; rows wait", reason=reason_of(error))
            if self._stop.wait(RETRY_S[-1]):
                # The flow ends, and reads these messages again at its next start.
                self._gives_up = True
                return found

    def snapshot(self) -> None:
        return None

    def close(self) -> None:
        """Commit what waits, when the flow ends. It does not wait for a catalogue that is away: the messages are
        read again at the next start."""
        if self._count:
            self._commit()
        for companion in self._companions:
            companion.run(is_last=True)

    def _commit(self) -> None:
        if self._gives_up:
            return
        rows = pa.concat_tables(self._waiting).sort_by([(name, "ascending") for name in self._table.kind.sorted_by])
        # Positions only grow, so two commits of this writer never have the same mark.
        mark = encode_positions(self._positions)
        pauses = iter(RETRY_S)
        pause_s = 0.0
        while not self._try(rows, mark):
            telemetry.set_alert("lake_not_written", holds=True)
            pause_s = next(pauses, pause_s)
            if self._stop.wait(pause_s):
                log.warning("not committed; these rows are read again at the next start", rows=self._count)
                return
        telemetry.set_alert("lake_not_written", holds=False)
        telemetry.LAKE_COMMITTED.set_to_current_time()
        self._writes.inc(self._count)
        log.info("committed", table=self._table.kind.name, rows=self._count, mark=mark)
        self._mark, self._waiting, self._count = mark, [], 0
        self._pending.set(0)

    def _try(self, rows: pa.Table, mark: str) -> bool:
        """Commit once. True if the table has the rows."""
        hung = threading.Timer(HUNG_AFTER_S, telemetry.set_alert, ("lake_not_written",), {"holds": True})
        hung.daemon = True
        hung.start()
        try:
            self._table.append(rows, mark)
            return True
        except Exception as error:
            # pyiceberg, the store and the catalogue have no common error. None of them loses a row: what is in the
            # table decides.
            self._errors.inc()
            if not is_overtaken(error) and self._throttle.is_due():
                log.warning("the lake cannot be written; rows wait", rows=self._count, reason=reason_of(error))
        finally:
            hung.cancel()
        with contextlib.suppress(Exception):
            self._table.refresh()
            found = self._table.mark()
            if found not in (mark, self._mark):
                telemetry.fatal(
                    "another flow writes to this table; this one ends", table=self._table.kind.name, mark=found
                )
            return found == mark
        return False
