"""`make bench-processes`: the same events through one process of the flow and through two. They come from files, so
that no broker shares the cores. The report also has the CPU time of an event in both cases."""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import psutil
from rich.console import Console

from benchmarks.bench import ROOT, cpu_s, make_event, write_report
from benchmarks.rows.files import write_file
from stack.process import Program, free_port

PARTITIONS = 4
PRODUCTS = 100_000
WITHIN_S = 300.0
TARGET = 1.7
ONE, TWO, APART = "one", "two", "two apart"

console = Console(stderr=True)


class Run(msgspec.Struct):
    """The result of one run. `seconds`: from the first event read to the last result written. `cpu_us`: CPU time of
    all processes together, per event."""

    seconds: float
    cpu_us: float


def write_events(folders: list[Path], events: int) -> None:
    """Write a file for each partition, with the same number of events each. Each folder gets the same number of
    files."""
    chance = random.Random(7)
    per_file = events // PARTITIONS
    for partition in range(PARTITIONS):
        messages = []
        for _ in range(per_file):
            event = make_event(chance, chance.randrange(PRODUCTS), 1.7e9)
            messages.append((event["key"].encode(), event["value"].encode()))
        write_file(folders[partition * len(folders) // PARTITIONS] / f"{partition}.log", messages)


def start(files: Path, folder: Path, processes: int, said: list[str]) -> list[Program]:
    """Start a flow of `processes` processes that reads a folder of files. Lines of its output are added to
    `said`."""
    recovery = folder / f"recovery-{time.monotonic_ns()}"
    recovery.mkdir()
    subprocess.run([sys.executable, "-m", "bytewax.recovery", str(recovery), "1"], check=True, cwd=ROOT)
    command = [sys.executable, "-m", "bytewax.run", "benchmarks.rows.files:flow", "-r", str(recovery), "-s", "1"]
    addresses = ";".join(f"127.0.0.1:{free_port()}" for _ in range(processes))
    return [
        Program(
            "flow",
            [*command, "-b", "0", *(["-i", str(index), "-a", addresses] if processes > 1 else [])],
            env={"FILES": str(files)},
            cwd=ROOT,
            on_line=said.append,
        )
        for index in range(processes)
    ]


def measure(folders: list[Path], folder: Path, processes: int, events: int) -> Run:
    """Run one flow of `processes` processes for each folder, at the same time. Raises SystemExit if results are
    missing."""
    said: list[str] = []
    cpu: dict[int, float] = {}
    programs = [program for files in folders for program in start(files, folder, processes, said)]
    deadline = time.monotonic() + WITHIN_S
    begun: dict[int, float] = {}
    while any(program.running for program in programs):
        for program in programs:
            try:
                used_s = cpu_s(program.pid)
            except psutil.Error:
                continue
            if not any(line.startswith("begin") for line in said):
                begun[program.pid] = used_s
            cpu[program.pid] = used_s
        if time.monotonic() > deadline:
            raise SystemExit("processes: not done in time\n" + "\n".join(said[-20:]))
        time.sleep(0.02)
    for program in programs:
        # After this, `said` has all of their output.
        program.stop()
    starts = [float(line.split()[1]) for line in said if line.startswith("begin")]
    ends = [float(line.split()[2]) for line in said if line.startswith("wrote")]
    written = sum(int(line.split()[1]) for line in said if line.startswith("wrote"))
    if written != events:
        raise SystemExit(f"processes: {written} results for {events} events\n" + "\n".join(said[-20:]))
    return Run(max(ends) - min(starts), (sum(cpu.values()) - sum(begun.values())) / events * 1e6)


def main() -> int:
    """Run the benchmark and write its report."""
    parser = argparse.ArgumentParser(prog="make bench-processes", description=(__doc__ or "").split("`: ")[1])
    parser.add_argument("--events", type=int, default=1_200_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    runs: dict[str, list[Run]] = {ONE: [], TWO: [], APART: []}
    with tempfile.TemporaryDirectory(prefix="pricewax-bench-") as path:
        folder = Path(path)
        files, *halves = (folder / name for name in ("files", "half-0", "half-1"))
        for each in (files, *halves):
            each.mkdir()
        write_events([files], options.events)
        write_events(halves, options.events)
        wanted = {ONE: ([files], 1), TWO: ([files], 2), APART: (halves, 1)}
        for _ in range(options.repeat):
            for name, (folders, processes) in wanted.items():
                runs[name].append(measure(folders, folder, processes, options.events))
                console.print(f"{name}: {runs[name][-1]}")
    ratio, ceiling = (
        statistics.median(one.seconds / two.seconds for one, two in zip(runs[ONE], runs[name], strict=True))
        for name in (TWO, APART)
    )
    missed = [f"two processes {ratio:.2f} times one, target {TARGET}"] if ratio < TARGET else []
    lines = [
        "# Processes",
        "",
        f"By `make bench-processes`: {options.events:,} events of {PRODUCTS:,} products from {PARTITIONS} files,"
        f" recovery on, results counted and thrown away; medians of {options.repeat} interleaved runs on"
        f" {os.cpu_count()} cores. Half of the events have to cross to the other process, no result has to. *Two"
        " apart* are two flows with half of the files each and nothing to exchange: what the machine gives.",
        "",
        "| processes | events/s | CPU us an event |",
        "|---|---|---|",
        *[
            f"| {name} | {options.events / statistics.median(run.seconds for run in found):,.0f}"
            f" | {statistics.median(run.cpu_us for run in found):.2f} |"
            for name, found in runs.items()
        ],
        "",
        f"Two are {ratio:.2f} times as fast as one, two apart {ceiling:.2f} times.",
    ]
    content = {name: msgspec.to_builtins(found) for name, found in runs.items()}
    write_report("processes", lines, content, missed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
