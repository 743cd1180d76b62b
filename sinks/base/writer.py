"""The writer thread of sinks with a slow store: it moves rows from a buffer to the store. No error ends it."""

import random
import threading
import time
from collections.abc import Iterable, Sized
from typing import Any, Generic, Protocol, TypeVar

import msgspec

import telemetry
from core.errors import describe_error
from sinks.base.outgoing import Outgoing, oldest_ms

Rows = TypeVar("Rows", bound=Sized)
Written = TypeVar("Written", bound=Sized, contravariant=True)


class Buffer(Protocol[Rows]):
    """Rows that are not written yet. Used under the writer's lock only."""

    def __len__(self) -> int: ...

    def extend(self, rows: Iterable[Any]) -> None: ...

    def take(self, most: int) -> Rows:
        """Remove and return at most `most` rows, the oldest first."""

    def give_back(self, rows: Rows) -> None:
        """Put back rows that `take` returned and the store did not write."""


class Store(Protocol[Written]):
    """The destination of the rows. Every method is called by the writer's thread."""

    def write(self, rows: Written) -> None:
        """Write all rows or none. May raise any error; the rows are then tried again."""

    def has_work(self) -> bool:
        """True if there is work besides the buffer's rows. Called under the writer's lock."""

    def work(self, most: int) -> tuple[int, bool]:
        """Do some work besides the buffer's rows, with at most `most` rows in a call. Returns the number of rows
        written, and True if there is more to do at once. May raise any error; the work is then tried again."""

    def close(self) -> None: ...


class Pace(msgspec.Struct, frozen=True):
    """Limits of a writer. rows_max: rows in one call. linger_s: pause to collect more rows if there are few.
    back_off_s: the pauses after the first, second, … failure; the last one repeats. close_within_s: the longest
    time that a stop may take."""

    rows_max: int
    linger_s: float
    back_off_s: tuple[float, ...]
    close_within_s: float


class Writer(Generic[Rows]):
    """The thread that moves rows from `buffer` to `store`, so that a slow store slows nothing else.

    The flow's thread calls the public methods. The public attributes, and the methods that mention it, need the
    lock `changed`. It is notified when the buffer shrinks and when `down` changes. After a failure calls get
    smaller, because over a slow network only a small call ends within the time limits. After a success they grow
    again. Used by the Redis and history sinks.

    name: of the sink, in metrics. title: of the store, in log lines. down: true from a failure to the next success.
    in_flight: the rows that the store is writing. waiting_since: the time, on the monotonic clock, since which the
    buffer has made no progress; None while it is empty."""

    def __init__(
        self,
        name: str,
        partition: str,
        buffer: Buffer[Rows],
        store: Store[Rows],
        pace: Pace,
        *,
        title: str,
    ) -> None:
        self.changed = threading.Condition()
        self.buffer = buffer
        self.in_flight: Rows | None = None
        self.down = False
        self.waiting_since: float | None = time.monotonic() if len(buffer) else None
        self._title = title
        self._store = store
        self._pace = pace
        self._closing = False
        self._idle = False
        self._oldest_ms = 0
        self._call_rows = pace.rows_max
        self._log = telemetry.get_logger(name)
        self._pending = telemetry.SINK_PENDING.labels(name, partition)
        self._breaker = telemetry.BREAKER_OPEN.labels(name, partition)
        self._writes = telemetry.SINK_WRITES.labels(name)
        self._errors = telemetry.SINK_ERRORS.labels(name)
        self._latency = telemetry.SINK_LATENCY.labels(name)
        self._breaker.set(0)
        self._thread = threading.Thread(target=self._run, name=f"{name}-sink-{partition}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, values: list[Outgoing[Any]]) -> None:
        """Add rows to the buffer. Needs the lock."""
        was_empty = not len(self.buffer)
        for outgoing in values:
            self.buffer.extend(outgoing.rows)
        if was_empty and len(self.buffer):
            self.waiting_since = time.monotonic()
            self._oldest_ms = oldest_ms(values)
        if self._idle:
            self._idle = False
            self.changed.notify_all()

    def report(self) -> None:
        """Export the number of rows that are not written yet. Needs the lock."""
        in_flight = 0 if self.in_flight is None else len(self.in_flight)
        self._pending.set(len(self.buffer) + in_flight)

    def wake(self) -> None:
        """Wake the thread, because the store has work. Needs the lock."""
        self.changed.notify_all()

    def close(self) -> None:
        """Write the rows that are left, for at most `close_within_s`, and end the thread."""
        with self.changed:
            self._closing = True
            self.changed.notify_all()
        self._thread.join(self._pace.close_within_s)

    # The methods below run in the writer's thread.

    def _run(self) -> None:
        failures, said = 0, ""
        while True:
            try:
                busy = self._write_next()
                written, more = self._store.work(self._call_rows)
                self._writes.inc(written)
            except Exception as error:  # no error may end the thread
                if said != (said := describe_error(error)):
                    self._log.warning(f"{self._title} cannot be written; rows are kept", error=said)
                if not self._pause(failures):
                    break
                failures += 1
                continue
            if busy or written:
                self._call_rows = min(self._pace.rows_max, 2 * self._call_rows)
            if failures:
                self._log.info(f"{self._title} is written again")
                failures, said = 0, ""
                self._set_down(False)
            if not self._wait(busy=busy or more, at_once=more):
                break
        self._store.close()

    def _write_next(self) -> bool:
        """Write the next rows of the buffer. Returns False if there are none."""
        with self.changed:
            if not len(self.buffer):
                return False
            rows = self.in_flight = self.buffer.take(self._call_rows)
            oldest = self._oldest_ms
            self.waiting_since = time.monotonic() if len(self.buffer) else None
            self.changed.notify_all()
        try:
            self._store.write(rows)
        except Exception:
            with self.changed:
                self.buffer.give_back(rows)
                self._call_rows = min(self._call_rows, len(rows))
                self.waiting_since = self.waiting_since or time.monotonic()
                self.in_flight = None
            raise
        with self.changed:
            self.in_flight = None
            self.report()
            self.changed.notify_all()
        self._writes.inc(len(rows))
        if oldest:
            self._latency.observe(max(0.0, time.time() - oldest / 1000))
        return True

    def _wait(self, *, busy: bool, at_once: bool) -> bool:
        """Wait for rows or other work. Returns False if the thread must end."""
        with self.changed:
            if not busy:
                self._idle = True
                self.changed.wait_for(lambda: len(self.buffer) or self._store.has_work() or self._closing)
                self._idle = False
            if self._closing and not len(self.buffer):
                return False
            few = len(self.buffer) < self._call_rows and not self._closing
        if few and not at_once:
            # A pause, because a wake-up for every batch costs more than writing a row.
            time.sleep(self._pace.linger_s)
        return True

    def _pause(self, failures: int) -> bool:
        """Wait after a failure. Returns False if the thread must end."""
        self._errors.inc()
        self._call_rows = max(1, self._call_rows // 2)
        self._set_down(True)
        pauses = self._pace.back_off_s
        pause = pauses[min(failures, len(pauses) - 1)] * random.uniform(0.5, 1.0)  # noqa: S311
        with self.changed:
            return not self.changed.wait_for(lambda: self._closing, pause)

    def _set_down(self, down: bool) -> None:
        with self.changed:
            self.down = down
            self._breaker.set(down)
            self.report()
            self.changed.notify_all()
