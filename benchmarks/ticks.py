"""`make bench-ticks`: the cost of a tick, and the fan-out of ticks to 10,000 WebSocket clients.

Cost: the market's real flow on Bytewax, with decoding, exact averages, bars, and the rows of all sinks, which drop
them, beside two loops without an engine that keep the same windows and encode one message for each tick: one in
floats, for ticks in order, and one with the exact state of the flow; and beside the engine alone, which reads the
messages and hands them on. Before, every symbol has had a tick. Ticks come in order, a thousand in a second of
event time.

Fan-out: messages on ticks-enriched, one a second, to all clients of `/ws/ticks`: with one API process, with two
that have half of the clients each, and the bare loop (benchmarks/bare.py). Each client must get every frame
once."""

import argparse
import itertools
import random
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial

import msgspec
from confluent_kafka import Producer
from rich.console import Console
from rich.progress import Progress

from benchmarks.batches import PARTITIONS, Dropping, FakeMessage, run_flow
from benchmarks.bench import ROOT, Bench, describe, scratch, write_report
from benchmarks.load import WsResult
from benchmarks.read import WITHIN_S, Server, finish, reference_server, wait_for_result
from benchmarks.tick_loops import ExactLoop, Loop, build_idle
from connectors.decode.market import TickKind
from dataflows.ticks import Sinks, build
from market.policy import MarketPolicy
from market.state.symbol import Limits
from stack.process import Program

SYMBOLS = (10, 10_000)
SIZES = (4_096, 10)
TICKS = 400_000
"""More than the flow takes in a run: ticks that come again would be late."""

LOOP_TICKS = 150_000
COST_TARGET = 2.0
CLIENTS = 10_000
FRAMES, PACE_S = 10, 1.0

console = Console(stderr=True)


class Delivery(msgspec.Struct):
    """The result of one round. delays_ms: of the last frame, of each client, from its publication. `cpu_us`: of all
    servers, for each frame delivered. `memory_bytes`: per client."""

    delays_ms: dict[str, float]
    deliveries_per_s: float
    cpu_us: float
    memory_bytes: float


def make_ticks(symbols: int) -> tuple[list[FakeMessage], list[FakeMessage]]:
    """Make a tick of each symbol, and then ticks of random ones, in order of time, those of a symbol in one
    partition."""
    chance = random.Random(7)
    numbers = [*range(symbols), *(chance.randrange(symbols) for _ in range(TICKS))]
    messages = []
    for offset, number in enumerate(numbers):
        price, volume = round(100 + chance.random(), 2), round(chance.random(), 3)
        # A thousand a second.
        tick = {"symbol": f"S{number}", "price": price, "volume": volume, "ts": 1_700_000_000_000 + offset}
        value = msgspec.json.encode(tick)
        messages.append(FakeMessage(offset, f"S{number}".encode(), value, "ticks", number % PARTITIONS))
    return messages[:symbols], messages[symbols:]


def cost_of_flow(symbols: int, size: int) -> float:
    """Run the flow in this process, and return CPU microseconds per tick."""
    sink = Dropping()
    sinks = Sinks(*[sink] * 7)
    kinds = {"ticks": TickKind.PRICE_TICKS}
    make_flow = partial(build, sinks=sinks, policy=MarketPolicy(), kinds=kinds, shards=64, limits=Limits())
    return run_flow(
        ["ticks"], *make_ticks(symbols), size, lambda reads, refills, log: make_flow(reads, refills, state_log=log)
    )


def cost_of_engine(symbols: int, size: int) -> float:
    """Run the engine alone in this process, and return CPU microseconds per tick."""
    return run_flow(["ticks"], *make_ticks(symbols), size, lambda reads, refills, log: build_idle(reads, refills))


def cost_of_loop(symbols: int, loop: Loop | ExactLoop) -> float:
    """Run a loop in this process, and return CPU microseconds per tick."""
    first, ticks = make_ticks(symbols)
    for message in first:
        loop.apply(message.value())
    started = time.process_time()
    for message in ticks[:LOOP_TICKS]:
        loop.apply(message.value())
    return (time.process_time() - started) / LOOP_TICKS * 1e6


def child(*arguments: str) -> float:
    """Measure in a process of its own. Raises SystemExit if it fails."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.ticks", "--child", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"ticks: {arguments}:\n{done.stderr}")
    return float(done.stdout.split()[-1])


class TickPublisher:
    """A producer of messages on ticks-enriched, each with a higher number than the one before. last_s: the time of
    the last one, on the monotonic clock."""

    def __init__(self, bench: Bench, topic: str) -> None:
        self._producer = Producer({"bootstrap.servers": bench.broker.brokers, "linger.ms": 1})
        self._topic = topic
        self._seq = 0
        self.last_s = 0.0

    def __call__(self, frames: int, every_s: float) -> None:
        for _ in range(frames):
            self._seq += 1
            times = {"timestamp": "2024-08-08T23:54:15.342000Z", "ts_us": 1_723_161_255_342_000, "seq": self._seq}
            means = dict.fromkeys(("ma_1m", "ma_5m", "vol_1m", "vwap_1m"), 61837.63)
            flags = {"is_anomaly": False, "is_late": False, "anomalies": []}
            tick = {
                "type": "tick",
                "symbol": "BTC/USD",
                "price": 61837.63,
                "volume": 0.02,
                **times,
                **means,
                **flags,
            }
            self.last_s = time.monotonic()
            self._producer.produce(self._topic, msgspec.json.encode(tick), "BTC/USD")
            self._producer.flush()
            time.sleep(every_s)


def deliver(servers: list[Server], path: str, publisher: TickPublisher | None) -> Delivery:
    """Send frames to all clients, spread over the servers. publisher: None for a server that publishes by itself.
    Raises SystemExit if a client did not get every frame once."""
    share = CLIENTS // len(servers)
    before = sum(server.memory_bytes() for server in servers)
    loads = []
    for server in servers:
        command = [sys.executable, "-m", "benchmarks.load", "ws", str(server.port), path, str(share), str(FRAMES)]
        loads.append(Program("load", command, cwd=ROOT))
    for load in loads:
        load.wait_until(lambda load=load: "ready" in load.tail, WITHIN_S, "connect")  # type: ignore[misc]
    time.sleep(1)
    memory = (sum(server.memory_bytes() for server in servers) - before) / CLIENTS
    cpu = sum(server.cpu_s() for server in servers)
    if publisher is None:
        servers[0].publish(FRAMES, PACE_S)
    else:
        publisher(FRAMES, PACE_S)
    for load in loads:
        wait_for_result(load)
    cpu = sum(server.cpu_s() for server in servers) - cpu
    results = [finish(load, WsResult) for load in loads]
    frames = sum(result.frames for result in results)
    if frames != CLIENTS * FRAMES:
        raise SystemExit(f"ticks: {frames} frames arrived, not {CLIENTS * FRAMES}")
    done_s = [each for result in results for each in result.done_s]
    # The bare loop does not say when it begins to send.
    last_s = min(done_s) if publisher is None else publisher.last_s
    delays = describe([(each - last_s) * 1000 for each in done_s])
    return Delivery(delays, CLIENTS / (max(done_s) - last_s), cpu / frames * 1e6, memory)


def main() -> int:
    """Run the benchmark and write its report."""
    parser = argparse.ArgumentParser(prog="make bench-ticks", description=(__doc__ or "").split("`: ")[1])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, *numbers = options.child
        symbols, *sizes = map(int, numbers)
        if sizes:
            print((cost_of_flow if name == "flow" else cost_of_engine)(symbols, *sizes))
        else:
            print(cost_of_loop(symbols, Loop() if name == "loop" else ExactLoop()))
        return 0
    costs: dict[tuple[int, str], list[float]] = {}
    rounds: dict[str, list[Delivery]] = {}
    with Progress(console=console) as progress:
        task = progress.add_task("cost", total=options.repeat * (len(SYMBOLS) * (2 + 2 * len(SIZES)) + 3))
        for _ in range(options.repeat):
            for symbols in SYMBOLS:
                for each in ("loop", "exact"):
                    costs.setdefault((symbols, each), []).append(child(each, str(symbols)))
                    progress.advance(task)
                for size, each in itertools.product(SIZES, ("engine", "flow")):
                    cost = child(each, str(symbols), str(size))
                    costs.setdefault((symbols, f"{each}, {size:,} a poll"), []).append(cost)
                    progress.advance(task)
        progress.update(task, description="fan-out")
        with scratch() as folder, Bench(folder) as bench, ExitStack() as stack:
            run = bench.prepare_pricewax(history=False)
            apis = []
            for number in range(2):
                program, port = run.start_api()
                stack.callback(program.stop)
                apis.append(Server(f"API {number}", program, port, lambda frames, every_s: None))
            publisher = TickPublisher(bench, "ticks-enriched")
            bare = stack.enter_context(reference_server("bare", [sys.executable, "-m", "benchmarks.bare"]))
            for _ in range(options.repeat):
                for name, servers in (("bare", [bare]), ("one process", apis[:1]), ("two processes", apis)):
                    of_bare = servers == [bare]
                    path = "/ws/prices" if of_bare else "/ws/ticks"
                    found = deliver(servers, path, None if of_bare else publisher)
                    rounds.setdefault(name, []).append(found)
                    progress.console.print(f"{name}: {found}")
                    progress.advance(task)
    report(costs, rounds, options.repeat)
    return 0


def report(costs: dict[tuple[int, str], list[float]], rounds: dict[str, list[Delivery]], repeat: int) -> None:
    """Write the report."""
    missed = []
    lines = [
        "# Ticks",
        "",
        f"By `make bench-ticks`: medians of {repeat} interleaved runs.",
        "",
        "## Cost of a tick",
        "",
        "The market's real flow on Bytewax, with decoding, exact averages, bars and the rows of all sinks, which"
        " drop them. *loop*: without an engine, the same windows and bars in floats for ticks in order, one message"
        " encoded for each tick. *exact*: the same without an engine with the exact state of the flow, for ticks in"
        " any order. *engine*: the flow's source and output, and a step between them that does nothing.",
        "",
        "| symbols | | µs a tick | times the loop | times exact |",
        "|---|---|---|---|---|",
    ]
    for (symbols, name), found in costs.items():
        ratio, of_exact = (
            statistics.median(a / b for a, b in zip(found, costs[symbols, loop], strict=True))
            for loop in ("loop", "exact")
        )
        lines.append(f"| {symbols:,} | {name} | {statistics.median(found):.1f} | {ratio:.1f} | {of_exact:.1f} |")
        if name.startswith("flow") and ratio > COST_TARGET:
            missed.append(f"{symbols:,} symbols, {name}: {ratio:.1f} times the loop, target {COST_TARGET:.0f}")
    lines += [
        "",
        f"## Fan-out to {CLIENTS:,} clients",
        "",
        f"{FRAMES} messages, one a second; every client got each once. *delay*: of the last message, from its"
        " publication to its arrival, over all clients; for the bare loop, from its first arrival. The load has a"
        " process for each server, on the same two cores.",
        "",
        "| server | deliveries/s | delay p50 ms | p99 ms | slowest ms | CPU µs a delivery | memory a client |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, each in rounds.items():
        delays = {
            share: statistics.median(found.delays_ms[share] for found in each) for share in ("p50", "p99", "max")
        }
        lines.append(
            f"| {name} | {statistics.median(found.deliveries_per_s for found in each):,.0f}"
            f" | {delays['p50']:.0f} | {delays['p99']:.0f} | {delays['max']:.0f}"
            f" | {statistics.median(found.cpu_us for found in each):.1f}"
            f" | {max(found.memory_bytes for found in each) / 1024:.0f} KiB |"
        )
    content = {
        "cost_us": [{"symbols": symbols, "what": name, "runs": found} for (symbols, name), found in costs.items()],
        "fan_out": {name: msgspec.to_builtins(found) for name, found in rounds.items()},
    }
    write_report("ticks", lines, content, missed)


if __name__ == "__main__":
    sys.exit(main())
