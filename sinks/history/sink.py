"""The history sink: every row reaches the database, once, after an outage of any length.

Rows wait in memory and are part of the recovery snapshot. A thread of its own writes them. If the database is down
or too slow, rows go to the backlog topic, and from there to the database when it is back. Rows may be written twice
or in another order: the database keeps the first row of each key."""

import math
import time
from collections.abc import Callable, Iterable

import msgspec
from bytewax.outputs import StatefulSinkPartition

import telemetry
from sinks.base.outgoing import Outgoing
from sinks.base.sink import PlacedSink
from sinks.base.writer import Pace, Writer
from sinks.history.backlog import Backlog, OpenBacklog
from sinks.history.store import HistoryWriter

NAME = "history"
PACE = Pace(rows_max=2_000, linger_s=0.1, back_off_s=(0.1, 0.25, 0.5, 1.0, 2.0), close_within_s=1.5)

PENDING_ROWS_MAX = 4_000
"""Rows in memory at most. Every snapshot holds them, so this is small: about 2 MB for a partition."""

STALLED_S = 1.0
"""If the rows in memory make no progress for this time, they go to the backlog."""

PATIENCE_S = 0.5
"""Total time for which a busy database may hold up the flow, for each partition. It is enough for a burst.

If it is used up, rows go to the backlog without waiting, because prices come faster than the database writes. It is
restored when the backlog is empty."""

EXPLAINED_S = 60.0
"""Time for which a replay brings rows that are stored already."""

CALM_S = 600.0
"""Time without repeated rows after which their alert ends."""

log = telemetry.get_logger(NAME)


class HistoryState(msgspec.Struct, array_like=True):
    """Resume state of a partition. rows: neither in the database nor in the backlog yet. backlog_offset: the next
    message to drain, None for the beginning. backlog_partition: the topic partition that holds this partition's
    rows, None if it is not known yet. backlog_topic_id: of the topic that has the offset, None if not known."""

    rows: list[bytes]
    backlog_offset: int | None
    backlog_partition: int | None = None
    backlog_topic_id: str | None = None


encode_state = msgspec.msgpack.Encoder().encode
decode_state = msgspec.msgpack.Decoder(HistoryState).decode


class PendingRows:
    """The buffer: rows in order of arrival. Used under the writer's lock."""

    def __init__(self, rows: list[bytes]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def extend(self, rows: Iterable[bytes]) -> None:
        self.rows.extend(rows)

    def take(self, most: int) -> list[bytes]:
        taken, self.rows = self.rows[:most], self.rows[most:]
        return taken

    def give_back(self, rows: list[bytes]) -> None:
        self.rows = rows + self.rows


class Repeats:
    """Rows that the database refused because it has rows of the same keys. Belongs to the writer's thread.

    After a start, a failure, and from the backlog, rows come again, and the database has them: `explain`. For
    `EXPLAINED_S` after that, repeats are only counted. At any other time they raise the alert, which ends after
    `CALM_S` without one. partition: of the sink."""

    def __init__(self, partition: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._partition = partition
        self._clock = clock
        self._refused = telemetry.NOT_NEWER.labels(NAME)
        self._alert_until: float | None = None
        self.explain()

    def explain(self) -> None:
        """Rows that come soon may be stored already."""
        self._explained_until = self._clock() + EXPLAINED_S

    def note(self, repeated: int) -> None:
        """Record the number of rows of a write that were stored before."""
        if not repeated and self._alert_until is None:
            return
        now = self._clock()
        self._refused.inc(repeated)
        if repeated and now >= self._explained_until:
            self._alert_until = now + CALM_S
            telemetry.set_alert("history_repeats", self._partition, holds=True)
        elif self._alert_until is not None and now >= self._alert_until:
            self._alert_until = None
            telemetry.set_alert("history_repeats", self._partition, holds=False)


class HistoryStore:
    """The destination: the database, and the backlog, which is drained into the database.

    undrained: number of times that rows went to the backlog since it was last empty. It starts at 1, because the
    backlog may hold rows from before the start. It needs the writer's lock, and so does the backlog's offset.
    Errors of the database and of the backlog are raised as StoreError and BacklogError."""

    def __init__(self, database: HistoryWriter, backlog: Backlog, partition: str) -> None:
        self._database = database
        self._backlog = backlog
        self._gauge = telemetry.BACKLOG.labels(partition)
        # Rows from the backlog that are not written yet.
        self._rows: list[bytes] = []
        self._rows_end: int | None = None
        self.undrained = 1
        self._repeats = Repeats(partition)
        self.on_drained: Callable[[], None] = lambda: None
        """Called under the writer's lock when the backlog is empty."""

    def attach(self, writer: Writer[list[bytes]]) -> None:
        """Use the lock of a writer."""
        self._changed = writer.changed

    def write(self, rows: list[bytes]) -> None:
        try:
            repeated = self._database.write(rows)
        except Exception:
            # It is not known if the rows were written.
            self._repeats.explain()
            raise
        self._repeats.note(repeated)

    def has_work(self) -> bool:
        return self.undrained > 0

    def work(self, most: int) -> tuple[int, bool]:
        """Write the next rows of the backlog.

        Rows that were written are not written again after a failure. Otherwise a slow network would never complete
        a whole read."""
        with self._changed:
            undrained = self.undrained
        if not undrained:
            return 0, False
        if not self._rows:
            self._rows, self._rows_end = self._backlog.read()
        rows = self._rows[:most]
        # The backlog may hold rows that were written before a crash.
        self._repeats.explain()
        # Also without rows, to find out if the database answers before there are any.
        self._repeats.note(self._database.write(rows))
        self._rows = self._rows[len(rows) :]
        return len(rows), bool(self._rows) or not self._is_drained(undrained)

    def _is_drained(self, undrained: int) -> bool:
        with self._changed:
            self._backlog.offset = self._rows_end
        waiting = self._backlog.waiting(self._rows_end)
        self._gauge.set(waiting)
        with self._changed:
            # If no rows were put in the meantime, the backlog is empty.
            drained = waiting == 0 and undrained == self.undrained
            if drained:
                self.undrained = 0
                self.on_drained()
        if drained:
            self._backlog.close()
        return drained

    def close(self) -> None:
        self._database.close()
        self._backlog.close()


class HistorySink(PlacedSink[bytes, bytes]):
    """A sink that writes rows of `sinks/history/tables.py`. `open_writer` makes a writer that is not connected
    yet."""

    def __init__(self, open_writer: Callable[[], HistoryWriter], open_backlog: OpenBacklog) -> None:
        self._open_writer = open_writer
        self._open_backlog = open_backlog

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> "HistorySinkPartition":
        state = decode_state(resume_state) if resume_state else HistoryState([], None)
        backlog = self._open_backlog(
            for_part, state.backlog_offset, state.backlog_partition, state.backlog_topic_id
        )
        return HistorySinkPartition(self._open_writer(), backlog, for_part, state.rows)


class HistorySinkPartition(StatefulSinkPartition[Outgoing[bytes], bytes]):
    """A partition of the sink. It accepts rows at once, unless the database is too busy (`PATIENCE_S`). A writer
    thread writes them. All methods belong to the worker's thread, except `_restore_patience`, which the writer's
    thread calls under the lock."""

    def __init__(self, database: HistoryWriter, backlog: Backlog, partition: str, rows: list[bytes]) -> None:
        self._backlog = backlog
        self._buffer = PendingRows(rows)
        self._store = HistoryStore(database, backlog, partition)
        self._writer = Writer(NAME, partition, self._buffer, self._store, PACE, title="history")
        self._store.attach(self._writer)
        self._store.on_drained = self._restore_patience
        self._patience_s = self._whole_patience()
        self._writer.start()

    def write_batch(self, values: list[Outgoing[bytes]]) -> None:
        writer, buffer = self._writer, self._buffer
        with writer.changed:
            writer.put(values)
            if len(buffer) > PENDING_ROWS_MAX and not self._is_stalled():
                began = time.monotonic()
                writer.changed.wait_for(self._has_room_or_is_stalled, min(self._patience_s, STALLED_S))
                self._patience_s = max(0.0, self._patience_s - (time.monotonic() - began))
            # If the database is down, the snapshot does it: a message for every few rows would be slow to drain.
            if len(buffer) > PENDING_ROWS_MAX or self._waits_long():
                self._spill()
            writer.report()

    def snapshot(self) -> bytes:
        writer = self._writer
        with writer.changed:
            if self._is_stalled():
                self._spill()
            rows, offset = [*(writer.in_flight or []), *self._buffer.rows], self._backlog.offset
            topic_id = self._backlog.topic_id
        self._backlog.flush()
        return encode_state(HistoryState(rows, offset, self._backlog.partition, topic_id))

    def close(self) -> None:
        """Write the last rows, for a moment at most. The last snapshot holds the rows that are left."""
        self._writer.close()

    def _is_stalled(self) -> bool:
        return len(self._buffer) > 0 and (self._writer.down or self._waits_long())

    def _waits_long(self) -> bool:
        since = self._writer.waiting_since
        return since is not None and time.monotonic() - since > STALLED_S

    def _has_room_or_is_stalled(self) -> bool:
        return len(self._buffer) <= PENDING_ROWS_MAX or self._is_stalled()

    def _whole_patience(self) -> float:
        # If the topic may drop rows, the flow waits instead: late rows are better than lost ones.
        return PATIENCE_S if self._backlog.keeps_all else math.inf

    def _restore_patience(self) -> None:
        self._patience_s = self._whole_patience()

    def _spill(self) -> None:
        """Move the buffer to the backlog. Rows that the writer is writing stay in the snapshot until they are
        written."""
        if not self._store.undrained:
            log.warning("history goes to the backlog topic", rows=len(self._buffer))
        self._backlog.put(self._buffer.rows)
        self._store.undrained += 1
        self._buffer.rows = []
        self._writer.waiting_since = None
        self._writer.report()
        self._writer.wake()
