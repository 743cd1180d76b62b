"""The pricing flow on files instead of Kafka, its results counted and thrown away: what processes cost and bring
when no broker shares the cores. FILES is a folder of `NUMBER.log` with length-prefixed pairs of key and value."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from bytewax.testing import TestingSource

from connectors.decode.pricing import SignalKind
from connectors.kafka import RawBatch
from core.shards import shard_of
from dataflows.pricing import Sinks, build
from dataflows.recovery.state_log import FOLDER, StateLog, recovery_folder
from pricing.policy import default_policy
from sinks.base.outgoing import Outgoing
from sinks.base.placement import partition_names, sink_partition

SHARDS = 64
BATCH = 4_096
TOPIC = "product-events"


def write_file(path: Path, messages: list[tuple[bytes, bytes]]) -> None:
    with path.open("wb") as file:
        for key, value in messages:
            file.write(len(key).to_bytes(2, "big") + len(value).to_bytes(2, "big") + key + value)


def read_file(path: Path) -> Iterator[tuple[bytes, bytes]]:
    content, place = path.read_bytes(), 0
    while place < len(content):
        key_end = place + 4 + int.from_bytes(content[place : place + 2], "big")
        end = key_end + int.from_bytes(content[place + 2 : place + 4], "big")
        yield content[place + 4 : key_end], content[key_end:end]
        place = end


class Files(FixedPartitionedSource[tuple[str, RawBatch], int]):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list_parts(self) -> list[str]:
        return sorted(path.name for path in self._folder.glob("*.log"))

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "FilePartition":
        return FilePartition(self._folder / for_part)


class FilePartition(StatefulSourcePartition[tuple[str, RawBatch], int]):
    """Says when it has begun: a process starts long before its first event."""

    def __init__(self, path: Path) -> None:
        self._partition = int(path.stem)
        # As librdkafka has fetched ahead of who reads.
        self._messages = list(read_file(path))
        self._next = 0

    def next_batch(self) -> list[tuple[str, RawBatch]]:
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
            batch.kafka_times_ms.append(1)
        self._next += len(part)
        return [(str(shard), batch) for shard, batch in batches.items()]

    def snapshot(self) -> int:
        return self._next


class Count(FixedPartitionedSink[Outgoing[tuple[bytes, bytes]], None]):
    def list_parts(self) -> list[str]:
        return partition_names()

    def part_fn(self, item_key: str) -> int:
        return sink_partition(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "CountPartition":
        return CountPartition()


class CountPartition(StatefulSinkPartition[Outgoing[tuple[bytes, bytes]], None]):
    def __init__(self) -> None:
        self._count = 0

    def write_batch(self, values: list[Outgoing[tuple[bytes, bytes]]]) -> None:
        self._count += sum(len(outgoing.rows) for outgoing in values)

    def snapshot(self) -> None:
        return None

    def close(self) -> None:
        print(f"wrote {self._count} {time.monotonic()}", flush=True)


def flow() -> Dataflow:
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
