"""`make bench-latency`: the time from an event to the frame of its update at a WebSocket client. Everything is on,
and Kafka is real. The report has the distribution."""

import argparse
import sys
import time

from rich.console import Console

from benchmarks.bench import ROOT, Bench, Feeder, describe, scratch, write_report
from benchmarks.load import LateResult
from benchmarks.plots import plot_latencies
from benchmarks.read import finish
from stack import kafka
from stack.process import Program

PRODUCTS = 1_000
WARM_UP_EVENTS = 200_000
WARM_UP_WITHIN_S = 120.0
BEFORE_S = 8
TARGETS_MS = {"p50": 5.0, "p99": 25.0}
SHARES = {"p50": 0.5, "p99": 0.99}

console = Console(stderr=True)


def measure(bench: Bench, rate: int, lasts_s: float) -> list[float]:
    """Run the flow and the API with `rate` events a second; returns the latencies in milliseconds, sorted."""
    run = bench.prepare_pricewax()
    flow = run.start()
    api, port = run.start_api()
    try:
        # A broker that has just started takes ten times as long for a request, so these events do not count.
        topic = run.topics["PRODUCT_EVENTS_TOPIC"]
        bench.produce(topic, (bench.event(index % PRODUCTS, time.time()) for index in range(WARM_UP_EVENTS)))
        flow.wait_until(lambda: run.count_rows() >= WARM_UP_EVENTS, WARM_UP_WITHIN_S)
        with Feeder(bench, topic, PRODUCTS, rate):
            command = [sys.executable, "-m", "benchmarks.load", "late", str(port), "/ws/prices"]
            load = Program("late", [*command, str(BEFORE_S), str(lasts_s)], cwd=ROOT)
            return finish(load, LateResult).milliseconds()
    finally:
        api.stop()
        flow.stop()


def main() -> int:
    """Run the benchmark and write its report."""
    parser = argparse.ArgumentParser(prog="make bench-latency", description=(__doc__ or "").split("`: ")[1])
    parser.add_argument("--rates", type=int, nargs="+", default=[1_000, 10_000], help="events a second")
    parser.add_argument("--seconds", type=float, default=25.0)
    options = parser.parse_args()
    found: dict[int, list[float]] = {}
    with scratch() as folder, Bench(folder) as bench:
        for rate in options.rates:
            console.print(f"{rate:,} events/s, for {BEFORE_S + options.seconds:.0f} s")
            found[rate] = measure(bench, rate, options.seconds)
            console.print({name: round(value, 1) for name, value in describe(found[rate]).items()})
    missed = [
        f"{rate:,} events/s: {name} {describe(values)[name]:.1f} ms, target {target:.0f}"
        for rate, values in found.items()
        for name, target in TARGETS_MS.items()
        if describe(values)[name] > target
    ]
    plot_latencies(
        "latency",
        "Event made to frame received",
        {f"{rate:,} events/s": values for rate, values in found.items()},
        {SHARES[name]: target for name, target in TARGETS_MS.items()},
    )
    lines = [
        "# Latency",
        "",
        f"By `make bench-latency`: events of {PRODUCTS:,} products, everything on (recovery, Redis, Postgres, Kafka"
        f" {kafka.VERSION}), all of it and its load on one machine. From an event's time stamp, which is in whole"
        " milliseconds, to the arrival of its update's frame at a WebSocket client that watches everything; the"
        f" first {BEFORE_S} s, and {WARM_UP_EVENTS:,} events before, do not count. The load waits up to 5 ms for"
        " more to send, which counts.",
        "",
        "| events/s | frames | p50 ms | p99 ms | p99.9 ms | most ms |",
        "|---|---|---|---|---|---|",
        *[
            f"| {rate:,} | {len(values):,} | "
            + " | ".join(f"{each:.1f}" for each in describe(values).values())
            + " |"
            for rate, values in found.items()
        ],
        "",
        "![How many updates took how long](latency.svg)",
    ]
    write_report(
        "latency", lines, [{"events_per_s": rate, "ms": describe(values)} for rate, values in found.items()], missed
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
