"""`make bench-latency`: the time from an event to the frame of its update at a WebSocket client. Everything is on,
and Kafka is real. Two references are measured in turns with it. The floor is a plain consumer that answers each
event over a bare WebSocket. The relay is a plain consumer that sends each event to a second topic, and a floor
behind that topic: the way that an update takes. The report has the distributions, and the CPU time of each
process."""

import argparse
import statistics
import sys
import time
from collections.abc import Mapping

import msgspec
from rich.console import Console

from benchmarks.bench import ROOT, Bench, Feeder, cpu_s, describe, scratch, write_report
from benchmarks.load import LateResult
from benchmarks.plots import plot_latencies
from benchmarks.read import finish
from stack import kafka
from stack.process import Program, free_port, is_listening

PRODUCTS = 1_000
WARM_UP_EVENTS = 200_000
WARM_UP_WITHIN_S = 120.0
BEFORE_S = 8
P50_ABOVE_MS, P99_RATIO = 5.0, 2.0
"""Targets: the largest distance of p50 from the floor's, and the largest ratio of p99 to the floor's."""

console = Console(stderr=True)


class Turn(msgspec.Struct):
    """The result of one turn. ms: latencies, sorted. shares: process to its part of a core."""

    ms: list[float]
    shares: dict[str, float]


Turns = dict[int, dict[str, list[Turn]]]
"""Events a second to the turns of the floor and of Pricewax."""


def measure(bench: Bench, topic: str, port: int, rate: int, lasts_s: float, *, pids: Mapping[str, int]) -> Turn:
    """Send `rate` events a second, and measure the frames of the server on `port`. pids: the processes whose CPU
    time is measured, by name."""
    with Feeder(bench, topic, PRODUCTS, rate) as feeder:
        command = [sys.executable, "-m", "benchmarks.load", "late", str(port), "/ws/prices"]
        load = Program("late", [*command, str(BEFORE_S), str(lasts_s)], cwd=ROOT)
        load.wait_until(lambda: "ready" in load.tail, 20)
        time.sleep(BEFORE_S)
        assert bench.broker.program is not None
        all_pids = {**pids, "broker": bench.broker.program.pid, "load": feeder.pid}
        before, started = {name: cpu_s(pid) for name, pid in all_pids.items()}, time.monotonic()
        time.sleep(lasts_s / 2)
        lasted_s = time.monotonic() - started
        shares = {name: (cpu_s(pid) - before[name]) / lasted_s for name, pid in all_pids.items()}
        return Turn(finish(load, LateResult).milliseconds(), shares)


def run_turns(bench: Bench, rates: list[int], lasts_s: float, repeat: int) -> Turns:
    """Measure the floor and Pricewax in turns, `repeat` times for each rate."""
    run = bench.prepare_pricewax()
    flow = run.start()
    api, port = run.start_api()
    brokers = bench.broker.brokers
    floor_topic, floor_port = bench.topics("floor")["PRODUCT_EVENTS_TOPIC"], free_port()
    floor = start_bare(brokers, floor_topic, floor_port)
    topics, behind_port = bench.topics("relay"), free_port()
    relay_topic, second = topics["PRODUCT_EVENTS_TOPIC"], topics["PRICE_UPDATES_TOPIC"]
    behind = start_bare(brokers, second, behind_port)
    relay = Program("relay", [sys.executable, "-m", "benchmarks.relay", brokers, relay_topic, second], cwd=ROOT)
    found: Turns = {rate: {"floor": [], "relay": [], "pricewax": []} for rate in rates}
    try:
        relay.wait_until(lambda: "ready" in relay.tail, 20)
        # A broker that has just started takes ten times as long for a request, so these events do not count.
        topic = run.topics["PRODUCT_EVENTS_TOPIC"]
        for each in (topic, floor_topic, relay_topic):
            bench.produce(each, (bench.event(index % PRODUCTS, time.time()) for index in range(WARM_UP_EVENTS)))
        flow.wait_until(lambda: run.count_rows() >= WARM_UP_EVENTS, WARM_UP_WITHIN_S)
        servers = {
            "floor": (floor_topic, floor_port, {"consumer": floor.pid}),
            "relay": (relay_topic, behind_port, {"relay": relay.pid, "consumer": behind.pid}),
            "pricewax": (topic, port, {"flow": flow.pid, "api": api.pid}),
        }
        for rate in rates:
            for _ in range(repeat):
                for name, (each, at, pids) in servers.items():
                    turn = measure(bench, each, at, rate, lasts_s, pids=pids)
                    found[rate][name].append(turn)
                    told = {key: round(value, 1) for key, value in describe(turn.ms).items()}
                    shares = {key: f"{share:.0%}" for key, share in turn.shares.items()}
                    console.print(f"{rate:,} events/s, {name}: {told} ms, of a core: {shares}")
    finally:
        for program in (floor, relay, behind, api, flow):
            program.stop()
    return found


def start_bare(brokers: str, topic: str, port: int) -> Program:
    """Start the server that answers each event of a topic over a WebSocket."""
    program = Program("floor", [sys.executable, "-m", "benchmarks.bare", str(port), brokers, topic], cwd=ROOT)
    program.wait_until(lambda: is_listening(port), 20)
    return program


def _median(turns: list[Turn], name: str) -> float:
    return statistics.median(describe(turn.ms)[name] for turn in turns)


def main() -> int:
    """Run the benchmark and write its report."""
    parser = argparse.ArgumentParser(prog="make bench-latency", description=(__doc__ or "").split("`: ")[1])
    parser.add_argument("--rates", type=int, nargs="+", default=[1_000, 10_000], help="events a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with scratch() as folder, Bench(folder) as bench:
        found = run_turns(bench, options.rates, options.seconds, options.repeat)
    missed = []
    for rate, of_rate in found.items():
        floor, ours = of_rate["floor"], of_rate["pricewax"]
        above_ms = _median(ours, "p50") - _median(floor, "p50")
        ratio = _median(ours, "p99") / _median(floor, "p99")
        if above_ms > P50_ABOVE_MS:
            missed.append(f"{rate:,} events/s: p50 {above_ms:.1f} ms above the floor's, target {P50_ABOVE_MS:.0f}")
        if ratio > P99_RATIO:
            missed.append(f"{rate:,} events/s: p99 {ratio:.1f} times the floor's, target {P99_RATIO:.0f}")
    series = {
        f"{rate:,} events/s, {name}": sorted(ms for turn in turns for ms in turn.ms)
        for rate, of_rate in found.items()
        for name, turns in of_rate.items()
    }
    plot_latencies("latency", "Event made to frame received", series, {})
    lines = [
        "# Latency",
        "",
        f"By `make bench-latency`: events of {PRODUCTS:,} products, everything on (recovery, Redis, Postgres, Kafka"
        f" {kafka.VERSION}), all of it and its load on one machine. From an event's time stamp, which is in whole"
        " milliseconds, to the arrival of its update's frame at a WebSocket client that watches everything; the"
        f" first {BEFORE_S} s, and {WARM_UP_EVENTS:,} events before, do not count. The load waits up to 0.5 ms for"
        " more to send, which counts. In turns with Pricewax: *floor*, a plain consumer that answers each event"
        " over a bare WebSocket; *relay*, a plain consumer that sends each event to a second topic, and a floor"
        " behind that topic. An update of Pricewax goes through a second topic too."
        f" Medians of {options.repeat} turns.",
        "",
        "| events/s | server | frames | p50 ms | p99 ms | p99.9 ms | most ms | of a core |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for rate, of_rate in found.items():
        for name, turns in of_rate.items():
            times = " | ".join(f"{_median(turns, each):.1f}" for each in ("p50", "p99", "p99.9", "max"))
            shares = ", ".join(
                f"{process} {statistics.median(turn.shares[process] for turn in turns):.0%}"
                for process in turns[0].shares
            )
            frames = sum(len(turn.ms) for turn in turns)
            lines.append(f"| {rate:,} | {name} | {frames:,} | {times} | {shares} |")
    lines += ["", "![How many updates took how long](latency.svg)"]
    content = [
        {"events_per_s": rate, "server": name, "ms": describe(turn.ms), "shares": turn.shares}
        for rate, of_rate in found.items()
        for name, turns in of_rate.items()
        for turn in turns
    ]
    write_report("latency", lines, content, missed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
