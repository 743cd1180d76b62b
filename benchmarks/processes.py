"""`make bench-processes`: the same events through one process of the flow and through two, from files, so that no
broker shares the cores; and what an event costs either way."""

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

console = Console(stderr=True)


class Run(msgspec.Struct):
    """`seconds`: from the first event read to the last result written. `cpu_us`: of all processes, by event."""

    seconds: float
    cpu_us: float


def write_events(folder: Path, events: int) -> None:
    chance = random.Random(7)
    per_file = events // PARTITIONS
    for partition in range(PARTITIONS):
        messages = []
        for _ in range(per_file):
            event = make_event(chance, chance.randrange(PRODUCTS), 1.7e9)
            messages.append((event["key"].encode(), event["value"].encode()))
        write_file(folder / f"{partition}.log", messages)


def measure(files: Path, folder: Path, processes: int, events: int) -> Run:
    recovery = folder / f"recovery-{time.monotonic_ns()}"
    recovery.mkdir()
    subprocess.run([sys.executable, "-m", "bytewax.recovery", str(recovery), "1"], check=True, cwd=ROOT)
    command = [sys.executable, "-m", "bytewax.run", "benchmarks.rows.files:flow", "-r", str(recovery), "-s", "1"]
    addresses = ";".join(f"127.0.0.1:{free_port()}" for _ in range(processes))
    said: list[str] = []
    cpu: dict[int, float] = {}
    programs = []
    for index in range(processes):
        cluster = ["-i", str(index), "-a", addresses] if processes > 1 else []
        environment = {"FILES": str(files)}
        programs.append(
            Program("flow", [*command, "-b", "0", *cluster], env=environment, cwd=ROOT, on_line=said.append)
        )
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
        # All that they said is here then.
        program.stop()
    starts = [float(line.split()[1]) for line in said if line.startswith("begin")]
    ends = [float(line.split()[2]) for line in said if line.startswith("wrote")]
    written = sum(int(line.split()[1]) for line in said if line.startswith("wrote"))
    if written != events:
        raise SystemExit(f"processes: {written} results for {events} events\n" + "\n".join(said[-20:]))
    return Run(max(ends) - min(starts), (sum(cpu.values()) - sum(begun.values())) / events * 1e6)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-processes", description=(__doc__ or "").split("`: ")[1])
    parser.add_argument("--events", type=int, default=1_200_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    runs: dict[int, list[Run]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory(prefix="pricewax-bench-") as path:
        folder = Path(path)
        files = folder / "files"
        files.mkdir()
        write_events(files, options.events)
        for _ in range(options.repeat):
            for processes, found in runs.items():
                found.append(measure(files, folder, processes, options.events))
                console.print(f"{processes} process(es): {found[-1]}")
    ratio = statistics.median(one.seconds / two.seconds for one, two in zip(runs[1], runs[2], strict=True))
    missed = [f"two processes {ratio:.2f} times one, target {TARGET}"] if ratio < TARGET else []
    lines = [
        "# Processes",
        "",
        f"By `make bench-processes`: {options.events:,} events of {PRODUCTS:,} products from {PARTITIONS} files,"
        f" recovery on, results counted and thrown away; medians of {options.repeat} interleaved runs on"
        f" {os.cpu_count()} cores. Half of the events have to cross to the other process.",
        "",
        "| processes | events/s | CPU us an event |",
        "|---|---|---|",
        *[
            f"| {processes} | {options.events / statistics.median(run.seconds for run in found):,.0f}"
            f" | {statistics.median(run.cpu_us for run in found):.2f} |"
            for processes, found in runs.items()
        ],
        "",
        f"Two are {ratio:.2f} times as fast as one.",
    ]
    content = {str(processes): msgspec.to_builtins(found) for processes, found in runs.items()}
    write_report("processes", lines, content, missed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
