"""History: every row reaches the database, once, however long it is away.

Rows wait in memory, ride in the recovery snapshot, and are written by a thread of their own. Where the
database is down or too slow, they go to the backlog topic, and from there to the database when it is back.
Rows may be written twice or in another order: the database keeps the first of each.
"""

import itertools
import math
import random
import threading
import time
from collections.abc import Callable

import msgspec
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

import telemetry
from sinks.backlog import Backlog, BacklogError
from sinks.history_store import HistoryWriter, StoreError, describe_error
from sinks.outgoing import Outgoing
from sinks.parts import part_names, part_of

NAME = "history"
WRITE_ROWS_MAX = 2_000
# What waits rides in every snapshot, so it is kept small: about 2 MB a part.
PENDING_ROWS_MAX = 4_000
STALLED_S = 1.0
PATIENCE_S = 0.5
"""How long a database that is only busy may hold up the flow in all, for each part, before rows go to the backlog
without waiting; anew once the backlog is empty. Enough for a burst; beyond it, its pace is not that of prices."""

LINGER_S = 0.1
BACK_OFF_S = (0.1, 0.25, 0.5, 1.0, 2.0)
CLOSE_WITHIN_S = 1.5

log = telemetry.get_logger(NAME)
_WRITES = telemetry.SINK_WRITES.labels(NAME)
_ERRORS = telemetry.SINK_ERRORS.labels(NAME)
_LATENCY = telemetry.SINK_LATENCY.labels(NAME)


class HistoryState(msgspec.Struct, array_like=True):
    """Resume state: rows that are neither in the database nor in the backlog, how far the backlog is drained (None:
    from its beginning), and in which partition of its topic this part has its rows (None: nobody has noted it)."""

    rows: list[bytes]
    backlog_offset: int | None
    backlog_partition: int | None = None


_encode_state = msgspec.msgpack.Encoder().encode
_decode_state = msgspec.msgpack.Decoder(HistoryState).decode

OpenBacklog = Callable[[str, int | None, int | None], Backlog]


def prepare_schema(open_writer: Callable[[], HistoryWriter], stop: threading.Event) -> threading.Thread:
    """Bring the schema up to date in the background, however long the database takes to answer: Bytewax makes
    sink partitions only with the first row, and the API may be asked for history before that."""

    def prepare() -> None:
        for attempt in itertools.count():
            writer = open_writer()
            try:
                writer.write([])
                return
            except StoreError as error:
                if attempt == 0:
                    log.warning("the history database does not answer yet", error=str(error))
                if stop.wait(BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)]):
                    return
            finally:
                writer.close()

    thread = threading.Thread(target=prepare, name="history-schema", daemon=True)
    thread.start()
    return thread


class HistorySink(FixedPartitionedSink[Outgoing[bytes], bytes]):
    """Items are `(shard, Outgoing[bytes])`, rows as in sinks/history_rows.py.

    open_writer: a new writer, not connected. open_backlog: part name, resume offset and partition to a backlog."""

    def __init__(self, open_writer: Callable[[], HistoryWriter], open_backlog: OpenBacklog) -> None:
        self._open_writer = open_writer
        self._open_backlog = open_backlog

    def list_parts(self) -> list[str]:
        return part_names()

    def part_fn(self, item_key: str) -> int:
        return part_of(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> "HistorySinkPartition":
        state = _decode_state(resume_state) if resume_state else HistoryState([], None)
        backlog = self._open_backlog(for_part, state.backlog_offset, state.backlog_partition)
        return HistorySinkPartition(self._open_writer(), backlog, for_part, state.rows)


class HistorySinkPartition(StatefulSinkPartition[Outgoing[bytes], bytes]):
    """The flow's thread calls the public methods; `_run` is the writer's."""

    def __init__(self, writer: HistoryWriter, backlog: Backlog, part: str, rows: list[bytes]) -> None:
        self._writer = writer
        self._backlog = backlog
        self._changed = threading.Condition()
        self._pending = rows
        self._in_flight: list[bytes] = []
        self._call_rows = WRITE_ROWS_MAX
        # Read from the backlog, not written yet; the writer thread's own.
        self._draining: list[bytes] = []
        self._drained_to: int | None = None
        self._waiting_since: float | None = time.monotonic() if rows else None
        self._oldest_ms = 0
        # How often rows went to the backlog since it was last empty. A start counts: there may be rows from
        # before it.
        self._undrained = 1
        self._patience_s = self._whole_patience()
        self._down = False
        self._closing = False
        self._idle = False
        self._pending_gauge = telemetry.SINK_PENDING.labels(NAME, part)
        self._breaker = telemetry.BREAKER_OPEN.labels(NAME, part)
        self._backlog_gauge = telemetry.BACKLOG.labels(part)
        self._breaker.set(0)
        self._thread = threading.Thread(target=self._run, name=f"history-sink-{part}", daemon=True)
        self._thread.start()

    def write_batch(self, values: list[Outgoing[bytes]]) -> None:
        rows = [row for outgoing in values for row in outgoing.rows]
        if not rows:
            return
        with self._changed:
            if not self._pending:
                self._waiting_since = time.monotonic()
                self._oldest_ms = min((o.kafka_time_ms for o in values if o.kafka_time_ms), default=0)
            self._pending.extend(rows)
            if self._idle:
                self._idle = False
                self._changed.notify_all()
            if len(self._pending) > PENDING_ROWS_MAX and not self._stalled():
                began = time.monotonic()
                self._changed.wait_for(self._has_room_or_is_stalled, min(self._patience_s, STALLED_S))
                self._patience_s = max(0.0, self._patience_s - (time.monotonic() - began))
            # Where the database is down, with the next snapshot: a message for every few rows is slow to drain.
            if len(self._pending) > PENDING_ROWS_MAX or self._waits_long():
                self._spill()
            self._pending_gauge.set(len(self._pending) + len(self._in_flight))

    def snapshot(self) -> bytes:
        with self._changed:
            if self._stalled():
                self._spill()
            rows, offset = [*self._in_flight, *self._pending], self._backlog.offset
        self._backlog.flush()
        return _encode_state(HistoryState(rows, offset, self._backlog.partition))

    def close(self) -> None:
        """Write what waits, for a moment at most: what is left rides in the last snapshot."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(CLOSE_WITHIN_S)

    def _stalled(self) -> bool:
        return bool(self._pending) and (self._down or self._waits_long())

    def _waits_long(self) -> bool:
        return self._waiting_since is not None and time.monotonic() - self._waiting_since > STALLED_S

    def _has_room_or_is_stalled(self) -> bool:
        return len(self._pending) <= PENDING_ROWS_MAX or self._stalled()

    def _whole_patience(self) -> float:
        # Where the backlog may lose rows, being late is better.
        return PATIENCE_S if self._backlog.keeps_all else math.inf

    def _spill(self) -> None:
        """Hand what waits to the backlog. Rows that the writer holds stay with it, and in the snapshot, until
        it knows their fate."""
        if not self._undrained:
            log.warning("history goes to the backlog topic", rows=len(self._pending))
        self._backlog.put(self._pending)
        self._undrained += 1
        self._pending = []
        self._pending_gauge.set(len(self._in_flight))
        self._waiting_since = None
        self._changed.notify_all()

    def _run(self) -> None:
        failures = 0
        said = ""
        while True:
            try:
                wrote = self._write_pending()
                draining = self._drain()
            except Exception as error:  # whatever it is, the thread must go on
                expected = isinstance(error, StoreError | BacklogError)
                if said != (said := str(error) if expected else describe_error(error)):
                    log.warning("history cannot be written; rows are kept", error=said)
                _ERRORS.inc()
                # Over a slow line only a small batch gets through within the time limits.
                self._call_rows = max(1, self._call_rows // 2)
                self._set_down(True)
                pause = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)] * random.uniform(0.5, 1.0)  # noqa: S311
                failures += 1
                with self._changed:
                    if self._changed.wait_for(lambda: self._closing, pause):
                        break
                continue
            if failures:
                log.info("history is written again")
                failures, said = 0, ""
                self._set_down(False)
            with self._changed:
                if not wrote and not draining:
                    self._idle = True
                    self._changed.wait_for(lambda: self._pending or self._undrained or self._closing)
                    self._idle = False
                if self._closing and not self._pending:
                    break
                few = len(self._pending) < WRITE_ROWS_MAX and not self._closing
            if few and not draining:
                # Not woken for every batch that comes: a wake-up costs more than a row.
                time.sleep(LINGER_S)
        self._writer.close()
        self._backlog.close()

    def _write_pending(self) -> bool:
        """Write the next rows from memory; whether there were any."""
        with self._changed:
            if not self._in_flight:
                self._in_flight = self._pending[:WRITE_ROWS_MAX]
                self._pending = self._pending[WRITE_ROWS_MAX:]
            if not self._in_flight:
                return False
            oldest_ms = self._oldest_ms
            self._waiting_since = time.monotonic() if self._pending else None
            self._changed.notify_all()
        rows = self._in_flight[: self._call_rows]
        self._write(rows)
        with self._changed:
            self._report(len(rows), oldest_ms)
            self._in_flight = self._in_flight[len(rows) :]
            self._pending_gauge.set(len(self._pending) + len(self._in_flight))
            self._changed.notify_all()
        return True

    def _write(self, rows: list[bytes]) -> None:
        self._writer.write(rows)
        self._call_rows = min(WRITE_ROWS_MAX, 2 * self._call_rows)

    def _drain(self) -> bool:
        """Write the next rows from the backlog; whether there may be more."""
        with self._changed:
            undrained = self._undrained
        if not undrained:
            return False
        if not self._draining:
            self._draining, self._drained_to = self._backlog.read()
        # Also without rows: whether the database answers is worth knowing before there are any.
        while True:
            rows = self._draining[: self._call_rows]
            self._write(rows)
            self._report(len(rows), 0)
            # What is written is not written again, or a slow line would never get through a whole read.
            self._draining = self._draining[len(rows) :]
            if not self._draining:
                break
        with self._changed:
            self._backlog.offset = self._drained_to
        waiting = self._backlog.waiting(self._drained_to)
        self._backlog_gauge.set(waiting)
        with self._changed:
            # Nothing was put since we looked, so nothing is left.
            drained = waiting == 0 and undrained == self._undrained
            if drained:
                self._undrained = 0
                self._patience_s = self._whole_patience()
        if drained:
            self._backlog.close()
        return not drained

    def _report(self, rows: int, oldest_ms: int) -> None:
        _WRITES.inc(rows)
        if oldest_ms:
            _LATENCY.observe(max(0.0, time.time() - oldest_ms / 1000))

    def _set_down(self, down: bool) -> None:
        with self._changed:
            self._down = down
            self._breaker.set(down)
            self._changed.notify_all()
