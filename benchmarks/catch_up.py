"""`make bench-catch-up`: a cold start with millions of events in Kafka. It measures the time until every price is
published. With `--database`, the flow also writes history, and then the database is the limit."""

import argparse
import sys
import time
from collections.abc import Iterator

import psutil
from rich.console import Console
from rich.progress import Progress

from benchmarks.bench import Bench, Message, cpu_s, scratch, write_report

PRODUCTS = 100_000
WITHIN_S = 1_800.0

console = Console(stderr=True)


def events(bench: Bench, count: int, progress: Progress) -> Iterator[Message]:
    """Make `count` events of `PRODUCTS` products."""
    task = progress.add_task("writing events", total=count)
    started = time.time()
    # The same events are sent again and again, because making one costs more than sending it.
    made = [bench.event(index * 7919 % PRODUCTS, started) for index in range(PRODUCTS)]
    for index in range(count):
        if index % 10_000 == 0:
            progress.update(task, completed=index)
        yield made[index % PRODUCTS]
    progress.update(task, completed=count)


def main() -> int:
    """Run the benchmark and write its report. Raises SystemExit if the flow is too slow or ends."""
    parser = argparse.ArgumentParser(prog="make bench-catch-up", description=(__doc__ or "").split("`: ")[1])
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--database", action="store_true", help="write history as well")
    options = parser.parse_args()
    with scratch() as folder, Progress(console=console) as progress, Bench(folder) as bench:
        run = bench.prepare_pricewax(history=options.database)
        bench.produce(run.topics["PRODUCT_EVENTS_TOPIC"], events(bench, options.events, progress))
        task = progress.add_task("catching up", total=options.events)
        started = time.monotonic()
        flow = run.start()
        peak = 0
        first_s = 0.0
        count = 0
        try:
            while count < options.events or (options.database and run.count_rows() < options.events):
                count = run.count_updates()
                first_s = first_s or (time.monotonic() - started if count else 0.0)
                peak = max(peak, psutil.Process(flow.pid).memory_info().rss)
                progress.update(task, completed=count)
                if time.monotonic() - started > WITHIN_S or not flow.running:
                    raise SystemExit("catch-up: not done in time\n" + "\n".join(flow.tail))
                time.sleep(0.5 if count else 0.1)
            whole_s = time.monotonic() - started
            used_s = cpu_s(flow.pid)
        finally:
            flow.stop()
        if (count := run.count_updates()) != options.events:
            raise SystemExit(f"catch-up: {count} updates for {options.events} events")
    cpu_us = used_s / options.events * 1e6
    outputs = "Redis, Postgres and Kafka" if options.database else "Redis and Kafka"
    lines = [
        "# Catching up",
        "",
        f"By `make bench-catch-up`: {options.events:,} events of {PRODUCTS:,} products are in Kafka when the flow"
        f" starts for the first time; recovery on, {outputs} out. The broker shares the cores. As many updates came"
        " out as events went in.",
        "",
        "| | |",
        "|---|---|",
        f"| first price after | {first_s:.1f} s |",
        f"| everything out after | {whole_s:.0f} s, {options.events / whole_s:,.0f} events/s |",
        f"| CPU of the flow | {cpu_us:.1f} us an event |",
        f"| most memory of the flow | {peak / 1e6:.0f} MB |",
    ]
    content = {
        "events": options.events,
        "database": options.database,
        "first_s": first_s,
        "whole_s": whole_s,
        "cpu_us": cpu_us,
        "peak_mb": peak / 1e6,
    }
    write_report("catch-up-database" if options.database else "catch-up", lines, content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
