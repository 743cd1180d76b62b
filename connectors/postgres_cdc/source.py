"""The source of the tables of a Postgres, for Bytewax."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

import telemetry
from connectors.postgres_cdc.reader import Reader
from connectors.postgres_cdc.state import ReadState
from connectors.postgres_cdc.steps import Batch
from core.errors import ReadRefusedError

TICK = timedelta(milliseconds=5)
"""Time between two looks while nothing comes."""

PART = "slot"


class PostgresSource(FixedPartitionedSource[Batch, ReadState]):
    """A source of `Batch`, with one partition: a slot has one reader. It ends when `stop` is set.

    make: makes the reader from its resume state. If the tables cannot be read on, the process ends with one line,
    and status 1."""

    def __init__(self, make: Callable[[ReadState | None], Reader], stop: threading.Event) -> None:
        self._make = make
        self._stop = stop

    def list_parts(self) -> list[str]:
        return [PART]

    def build_part(self, step_id: str, for_part: str, resume_state: ReadState | None) -> "PostgresPartition":
        return PostgresPartition(self._make(resume_state), self._stop)


class PostgresPartition(StatefulSourcePartition[Batch, ReadState]):
    """The slot. Belongs to the worker's thread."""

    def __init__(self, reader: Reader, stop: threading.Event) -> None:
        self._reader = reader
        self._steps = reader.steps()
        self._stop = stop
        self._rests = False

    def next_batch(self) -> list[Batch]:
        if self._stop.is_set():
            raise StopIteration
        try:
            batch = next(self._steps)
        except ReadRefusedError as error:
            telemetry.fatal(str(error))
        self._rests = not batch
        return [batch] if batch else []

    def next_awake(self) -> datetime | None:
        return datetime.now(UTC) + TICK if self._rests else None

    def snapshot(self) -> ReadState:
        return self._reader.snapshot()

    def close(self) -> None:
        self._steps.close()
