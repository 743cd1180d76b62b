"""`make bench`: run every benchmark of speed, one after the other. Each writes a report in `docs/benchmarks/`. At
the end it lists the results that were slower than their targets. `make bench-NAME` runs one alone, for as long as
it needs to be precise."""

import argparse
import subprocess
import sys
import time

from rich.console import Console

from benchmarks.bench import ROOT

PARTS: dict[str, list[str]] = {
    "cost": ["--events", "90000"],
    "batches": ["--repeat", "1"],
    "latency": ["--seconds", "20"],
    "read": ["--repeat", "2"],
    "processes": ["--events", "700000", "--repeat", "2"],
    "catch_up": ["--events", "1000000"],
    "scale": ["--products", "1000000"],
    "ticks": ["--repeat", "1"],
    "signals": ["--repeat", "1"],
    "sales": ["--repeat", "1"],
}
"""Module to its arguments. With these, all modules together take at most a quarter of an hour."""

console = Console(stderr=True)


def main() -> int:
    """Run the chosen benchmarks; returns 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="make bench", description=(__doc__ or "").split("`: ")[1])
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    options = parser.parse_args()
    started = time.monotonic()
    missed: list[str] = []
    failed: list[str] = []
    for number, name in enumerate(options.only, 1):
        minutes = (time.monotonic() - started) / 60
        console.rule(f"{name.replace('_', '-')}: {number} of {len(options.only)}, {minutes:.1f} minutes so far")
        command = [sys.executable, "-m", f"benchmarks.{name}", *PARTS[name]]
        with subprocess.Popen(
            command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as part:
            assert part.stderr is not None
            for line in part.stderr:
                # librdkafka logs an error for every server that a benchmark stops.
                if "rdkafka#" not in line:
                    console.out(line.rstrip())
                if line.startswith("missed: "):
                    missed.append(f"{name.replace('_', '-')}: {line.removeprefix('missed: ').strip()}")
        if part.returncode:
            failed.append(name)
    console.rule(f"{(time.monotonic() - started) / 60:.1f} minutes; reports are in docs/benchmarks")
    for line in missed:
        console.out(f"missed: {line}")
    for name in failed:
        console.print(f"failed: {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
