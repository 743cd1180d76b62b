"""`make bench-batches`: CPU time per event of the pricing flow, by the number of events that a poll finds.

The flow is the real one on Bytewax, with decoding, pricing and the rows of all sinks. Kafka is replaced by a
consumer that hands out a number of events every few milliseconds, and the sinks drop their rows. So the figures
are what the process of the flow spends around an event, without the clients of its servers. Before, every product
has had an event. State logs and garbage collection are as in the product. With `--against FOLDER`, another checkout
is measured in turns with this one."""

import argparse
import gc
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import StatefulSinkPartition
from bytewax.testing import run_main
from rich.console import Console
from rich.progress import Progress

from benchmarks.bench import ROOT, make_event, write_report
from clients.kafka import client_options
from connectors import kafka as source
from connectors import shared_consumer
from connectors.decode.pricing import SignalKind
from dataflows.pricing import Sinks, build
from dataflows.recovery.state_log import StateLog
from pricing.policy import default_policy
from sinks.base.sink import PlacedSink

SIZES = (4096, 256, 40, 10, 1)
SECONDS = 4.0
EVERY_S = 0.002
"""The shortest time between two polls that find events."""

WARM_UP_S = 1.0
TARGETS = {10: 1 / 3, 1: 1 / 2}
"""Events a poll to the largest ratio to the other checkout; 1 for all others."""

PRODUCTS = 20_000
PARTITIONS = 4
EVENTS, TOPICS = "events", ("events", "catalogue", "overrides", "freezes", "corrections")
KINDS = dict(zip(TOPICS, (SignalKind(kind) for kind in SignalKind), strict=False))

console = Console(stderr=True)


class FakeMessage:
    """A message as the Kafka client returns it. partition: None for one that follows from the offset."""

    def __init__(
        self, offset: int, key: bytes, value: bytes, topic: str = EVENTS, partition: int | None = None
    ) -> None:
        self._offset, self._key, self._value, self._topic = offset, key, value, topic
        self._partition = offset % PARTITIONS if partition is None else partition
        self._timestamp = (1, 1_700_000_000_000 + offset)

    def error(self) -> None:
        return None

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes:
        return self._value

    def timestamp(self) -> tuple[int, int]:
        return self._timestamp


def make_messages(size: int) -> list[FakeMessage]:
    """Make an event of every product, then events of random ones."""
    chance = random.Random(7)
    numbers = [*range(PRODUCTS), *(chance.randrange(PRODUCTS) for _ in range(max(size, 20_000)))]
    made = [make_event(chance, number, 1.7e9) for number in numbers]
    return [FakeMessage(offset, each["key"].encode(), each["value"].encode()) for offset, each in enumerate(made)]


class FakeConsumer:
    """A consumer that finds the `first` messages, then `size` of the others every `EVERY_S`, for some seconds,
    again and again. cpu_s, events: measured after the warm up."""

    def __init__(self, first: list[FakeMessage], messages: list[FakeMessage], size: int, stop: threading.Event):
        self._first, self._messages = first, messages
        self._size, self._stop = size, stop
        self._next, self._due, self._starts = 0, 0.0, 0.0
        self._cpu_before = 0.0
        self.cpu_s, self.events = 0.0, 0

    def consume(self, most: int, timeout: float) -> list[FakeMessage]:
        now = time.monotonic()
        if now < self._due:
            time.sleep(min(timeout, self._due - now))
            if (now := time.monotonic()) < self._due:
                return []
        if self._first:
            found, self._first = self._first[:most], self._first[most:]
            return found
        self._starts = self._starts or now + WARM_UP_S
        self._due = now + EVERY_S
        if now >= self._starts:
            if not self._cpu_before:
                self._cpu_before = time.process_time()
            elif now >= self._starts + SECONDS:
                self.cpu_s = time.process_time() - self._cpu_before
                self._stop.set()
                return []
            self.events += self._size
        start = self._next
        self._next = (start + self._size) % (len(self._messages) - self._size + 1)
        return self._messages[start : start + self._size]

    def get_watermark_offsets(self, *_: object, **__: object) -> tuple[int, int]:
        return 0, 0

    def assignment(self) -> list[object]:
        return []

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


class FakeWatch:
    """A watch that finds nothing."""

    checks = 0
    reachable = True

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}

    def expect(self, counts: dict[str, int]) -> None:
        return None


class NoRefills(FixedPartitionedSource[Any, None]):
    """A source without items, which sleeps as the watch of Redis does."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def list_parts(self) -> list[str]:
        return ["redis"]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "_NoRefill":
        return _NoRefill(self._stop)


class _NoRefill(StatefulSourcePartition[Any, None]):
    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def next_batch(self) -> list[Any]:
        if self._stop.is_set():
            raise StopIteration
        return []

    def next_awake(self) -> datetime:
        return datetime.now(UTC) + timedelta(milliseconds=200)

    def snapshot(self) -> None:
        return None


class Dropping(PlacedSink[Any, None]):
    """A sink that drops its rows."""

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "_Drops":
        return _Drops()


class _Drops(StatefulSinkPartition[Any, None]):
    def write_batch(self, values: list[Any]) -> None:
        return None

    def snapshot(self) -> None:
        return None


def measure(size: int) -> float:
    """Run the flow in this process, and return CPU microseconds per event."""
    sink = Dropping()
    sinks = Sinks(updates=sink, dead_letters=sink, latest=sink, history=sink, overrides=sink)
    made = make_messages(size)

    def make_flow(messages: Any, refills: Any, state_log: StateLog) -> Dataflow:
        policy = default_policy()
        return build(messages, refills, sinks, policy=policy, kinds=KINDS, shards=64, state_log=state_log)

    return run_flow(TOPICS, made[:PRODUCTS], made[PRODUCTS:], size, make_flow)


def run_flow(
    topics: Sequence[str],
    first: list[FakeMessage],
    messages: list[FakeMessage],
    size: int,
    make_flow: Callable[[Any, Any, StateLog], Dataflow],
) -> float:
    """Run a flow in this process on a `FakeConsumer`, and return CPU microseconds per message."""
    stop = threading.Event()
    consumer = FakeConsumer(first, messages, size, stop)
    counts = dict.fromkeys(topics, PARTITIONS)
    watch: Any = FakeWatch()
    with (
        mock.patch.object(shared_consumer, "make_consumer", return_value=consumer),
        mock.patch.object(source, "count_partitions", return_value=counts),
        tempfile.TemporaryDirectory() as folder,
    ):
        reads = source.KafkaSource(client_options("127.0.0.1:1", {}), list(topics), 64, stop, watch=watch)
        flow = make_flow(reads, NoRefills(stop), StateLog(Path(folder)))
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
        run_main(flow, epoch_interval=timedelta(seconds=1))  # type: ignore[no-untyped-call]
    return consumer.cpu_s / consumer.events * 1e6


def run(folder: Path, size: int) -> float:
    """Measure a checkout in a process of its own. Raises SystemExit if it fails."""
    command = [sys.executable, __file__, "--child", str(size)]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"batches: {size} events a poll in {folder}:\n{done.stderr}")
    return float(done.stdout.split()[-1])


def report(found: dict[int, dict[str, float]]) -> None:
    """Write the report: size to the median of each checkout, in CPU microseconds per event."""
    with_before = all("before" in costs for costs in found.values())
    lines = [
        "# CPU time of an event, by the events that a poll finds",
        "",
        "By `make bench-batches`: the real flow on Bytewax with decoding, pricing and the rows of all sinks,"
        " without the clients of its servers. A poll finds events of 4 partitions. Polls are as far"
        " apart as the flow wants them, but 2 ms at least.",
        "",
        "| events a poll | µs an event | µs a poll |" + (" µs an event before | ratio |" if with_before else ""),
        "|---|---|---|" + ("---|---|" if with_before else ""),
    ]
    missed = []
    for size, costs in found.items():
        line = f"| {size:,} | {costs['now']:.1f} | {costs['now'] * size:,.0f} |"
        if with_before:
            ratio = costs["now"] / costs["before"]
            line += f" {costs['before']:.1f} | {ratio:.2f} |"
            if ratio > TARGETS.get(size, 1.0):
                missed.append(f"{size} events a poll cost {ratio:.2f} of before, not {TARGETS.get(size, 1.0):.2f}")
        lines.append(line)
    write_report("batches", lines, found, missed if with_before else None)


def main() -> int:
    """Measure all sizes, and write the report."""
    parser = argparse.ArgumentParser(prog="make bench-batches", description=(__doc__ or "").split("`: ")[1])
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout, for the column `before`")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(measure(options.child))
        return 0
    folders = {"now": ROOT, **({"before": options.against.resolve()} if options.against else {})}
    runs: dict[int, dict[str, list[float]]] = {size: {name: [] for name in folders} for size in options.sizes}
    with Progress(console=console) as progress:
        task = progress.add_task("runs", total=options.repeat * len(runs) * len(folders))
        for _ in range(options.repeat):
            for size, costs in runs.items():
                for name, folder in folders.items():
                    costs[name].append(run(folder, size))
                    progress.advance(task)
    report({size: {name: statistics.median(each) for name, each in costs.items()} for size, costs in runs.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
