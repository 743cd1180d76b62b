"""The pricing flow on files instead of Kafka; its results are counted and dropped. It shows the gain and the cost
of more processes when no broker shares the cores.

FILES is a folder of files `NUMBER.log`. A file is a sequence of messages: two lengths of 2 bytes each (big-endian),
the key, the value."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import StatefulSinkPartition
from bytewax.testing import TestingSource

from connectors.decode.pricing import SignalKind
from connectors.kafka import Arrived, RawBatch
from dataflows.pricing import Sinks, build
from dataflows.recovery.state_log import FOLDER, StateLog, recovery_folder
from pricing.policy import default_policy
from sinks.base.outgoing import Outgoing
from sinks.base.sink import PlacedSink

SHARDS = 64
BATCH = 4_096
TOPIC = "product-events"
KAFKA_TIME_MS = time.time_ns() // 1_000_000


def write_file(path: Path, messages: list[tuple[bytes, bytes]]) -> None:
    """Write pairs of key and value to a file, each shorter than 65,536 bytes."""
    with path.open("wb") as file:
        for key, value in messages:
            file.write(len(key).to_bytes(2, "big") + len(value).to_bytes(2, "big") + key + value)


def read_file(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Read the pairs of key and value of a file."""
    content, place = path.read_bytes(), 0
    while place < len(content):
        key_end = place + 4 + int.from_bytes(content[place : place + 2], "big")
        end = key_end + int.from_bytes(content[place + 2 : place + 4], "big")
        yield content[place + 4 : key_end], content[key_end:end]
        place = end


class Files(FixedPartitionedSource[Arrived, int]):
    """A Bytewax source of raw batches, with a partition for each file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list_parts(self) -> list[str]:
        """Return the names of the files."""
        return sorted(path.name for path in self._folder.glob("*.log"))

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "FilePartition":
        """Open a file from its start; a resume state is ignored."""
        return FilePartition(self._folder / for_part)


class FilePartition(StatefulSourcePartition[Arrived, int]):
    """A file of messages. It prints `begin SECONDS` (monotonic clock) before its first batch,
    because a process starts long before its first event."""

    def __init__(self, path: Path) -> None:
        self._partition = int(path.stem)
        # All in memory at the start, as librdkafka fetches messages before they are read.
        self._messages = list(read_file(path))
        self._next = 0
        # Of this file alone: no other one of this worker has the same.
        self._epoch = self._partition << 32

    def next_batch(self) -> list[Arrived]:
        """Return the next `BATCH` messages. Raises StopIteration at the end."""
        if self._next == 0:
            print(f"begin {time.monotonic()}", flush=True)
        part = self._messages[self._next : self._next + BATCH]
        if not part:
            raise StopIteration
        keys, values = zip(*part, strict=True)
        first, self._next = self._next, self._next + len(part)
        offsets, times_ms = list(range(first, self._next)), [KAFKA_TIME_MS] * len(part)
        return [
            RawBatch(TOPIC, [self._partition] * len(part), offsets, list(keys), list(values), times_ms, self._epoch)
        ]

    def snapshot(self) -> int:
        """Return the number of messages read."""
        self._epoch += 1
        return self._next


class Count(PlacedSink[tuple[bytes, bytes], None]):
    """A sink that counts rows."""

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "CountPartition":
        """Make a counter."""
        return CountPartition()


class CountPartition(StatefulSinkPartition[Outgoing[tuple[bytes, bytes]], None]):
    """A counter of rows. At its end it prints `wrote ROWS SECONDS` (monotonic clock)."""

    def __init__(self) -> None:
        self._count = 0

    def write_batch(self, values: list[Outgoing[tuple[bytes, bytes]]]) -> None:
        """Count the rows."""
        self._count += sum(len(outgoing.rows) for outgoing in values)

    def snapshot(self) -> None:
        return None

    def close(self) -> None:
        """Print the number of rows."""
        print(f"wrote {self._count} {time.monotonic()}", flush=True)


def flow() -> Dataflow:
    """Build the flow from the environment."""
    folder = recovery_folder()
    return build(
        Files(Path(os.environ["FILES"])),
        TestingSource([]),
        Sinks(updates=Count(), dead_letters=Count()),
        policy=default_policy(),
        kinds={TOPIC: SignalKind.PRODUCT_EVENTS},
        shards=SHARDS,
        state_log=StateLog(folder / FOLDER) if folder else None,
    )
