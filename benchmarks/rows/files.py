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
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from bytewax.testing import TestingSource

from connectors.decode.pricing import SignalKind
from connectors.kafka import CaughtUp, RawBatch
from core.shards import shard_of
from dataflows.pricing import Sinks, build
from dataflows.recovery.state_log import FOLDER, StateLog, recovery_folder
from pricing.policy import default_policy
from sinks.base.outgoing import Outgoing
from sinks.base.placement import partition_names, sink_partition

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


class Files(FixedPartitionedSource[tuple[str, RawBatch | CaughtUp], int]):
    """A Bytewax source of raw batches, with a partition for each file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list_parts(self) -> list[str]:
        """Return the names of the files."""
        return sorted(path.name for path in self._folder.glob("*.log"))

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "FilePartition":
        """Open a file from its start; a resume state is ignored."""
        return FilePartition(self._folder / for_part)


class FilePartition(StatefulSourcePartition[tuple[str, RawBatch | CaughtUp], int]):
    """A file that gives a batch for each shard. It prints `begin SECONDS` (monotonic clock) before its first batch,
    because a process starts long before its first event."""

    def __init__(self, path: Path) -> None:
        self._partition = int(path.stem)
        # All in memory at the start, as librdkafka fetches messages before they are read.
        self._messages = list(read_file(path))
        self._next = 0

    def next_batch(self) -> list[tuple[str, RawBatch | CaughtUp]]:
        """Return the next `BATCH` messages, grouped by shard. Raises StopIteration at the end."""
        if self._next == 0:
            print(f"begin {time.monotonic()}", flush=True)
        part = self._messages[self._next : self._next + BATCH]
        if not part:
            raise StopIteration
        batches: dict[int, RawBatch] = {}
        for offset, (key, value) in enumerate(part, self._next):
            shard = shard_of(key, SHARDS)
            batch = batches.get(shard)
            if batch is None:
                batch = batches[shard] = RawBatch(shard, TOPIC, self._partition, [], [], [], [])
            batch.offsets.append(offset)
            batch.keys.append(key)
            batch.values.append(value)
            batch.kafka_times_ms.append(KAFKA_TIME_MS)
        self._next += len(part)
        return [(str(shard), batch) for shard, batch in batches.items()]

    def snapshot(self) -> int:
        """Return the number of messages read."""
        return self._next


class Count(FixedPartitionedSink[Outgoing[tuple[bytes, bytes]], None]):
    """A Bytewax sink that counts rows, with the partitions of the real sinks."""

    def list_parts(self) -> list[str]:
        """Return the names of the sink partitions."""
        return partition_names()

    def part_fn(self, item_key: str) -> int:
        """Return the number of the sink partition of a key."""
        return sink_partition(item_key)

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
