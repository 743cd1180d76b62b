"""`make bench-read`: the cost of reading. `GET /price/{id}` and the fan-out over WebSocket are measured in turns
with the smallest application that serves the same bytes on the same server (benchmarks/bare.py), and the fan-out
also with a hub in Go (benchmarks/go_hub), if Go is installed. The report also has the age of an answer."""

import argparse
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import httpx
import msgspec
import psutil
import redis
from confluent_kafka import Producer
from rich.console import Console
from rich.progress import Progress
from websockets.sync.client import connect

from benchmarks.bare import PAYLOAD_BYTES
from benchmarks.bench import ROOT, Bench, Feeder, PricewaxRun, describe, scratch, write_report
from benchmarks.load import HttpResult, WsResult
from pricing.decision import Adjustment, PriceSource, PriceUpdate, encode_update
from stack.process import Program, free_port, is_listening

CONNECTIONS = 32
HTTP_S = 4.0
BURST, PACED, PACE_S = 30, 10, 1.0
AGE_FRAMES = 400
WITHIN_S = 150.0
RATE_TARGET, FAN_OUT_TARGET = 0.9, 0.9
P99_TARGET, AGE_TARGET_MS = 1.5, 50.0
"""The largest p99 of `GET /price`, as a multiple of bare's, and the largest age of an answer."""

GO_TARGET = 1.0
"""Deliveries per CPU second, as a multiple of those of the hub in Go."""

console = Console(stderr=True)
Result = TypeVar("Result", bound=msgspec.Struct)


class Server(msgspec.Struct):
    """A server that is measured. `publish(frames, every_s)` sends messages to all its WebSocket clients."""

    name: str
    program: Program
    port: int
    publish: Callable[[int, float], None]

    def cpu_s(self) -> float:
        """Return the CPU time of the server's threads so far, in seconds, as Linux's scheduler counts it. The time
        of a process is counted in steps of 10 ms, and a burst to few clients takes less."""
        schedules = Path(f"/proc/{self.program.pid}/task").glob("*/schedstat")
        return sum(int(each.read_text(encoding="ascii").split()[0]) for each in schedules) / 1e9

    def memory_bytes(self) -> int:
        """Return the resident memory of the server."""
        return int(psutil.Process(self.program.pid).memory_info().rss)


class Fan(msgspec.Struct):
    """The result of one round of fan-out. `cpu_us`: per frame delivered. `memory_bytes`: per client. `spread_s`:
    the time between the first and the last client that has all frames."""

    deliveries_per_s: float
    cpu_us: float
    memory_bytes: float
    spread_s: float


class _Priced(msgspec.Struct):
    product_id: str
    demand: float


def build_go_hub(folder: Path) -> list[str] | None:
    """Compile the hub in Go into a folder, and return its command; None if Go is not installed. Raises SystemExit
    if it does not compile."""
    if shutil.which("go") is None:
        return None
    command = ["go", "build", "-o", str(folder / "go-hub"), "main.go"]
    done = subprocess.run(command, cwd=ROOT / "benchmarks" / "go_hub", capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"read: the hub in Go does not compile:\n{done.stderr}")
    return [str(folder / "go-hub")]


@contextmanager
def reference_server(name: str, command: list[str]) -> Iterator[Server]:
    """Start a reference, which takes its port as the last argument; it is stopped at the end."""
    port = free_port()
    program = Program(name, [*command, str(port)], cwd=ROOT)

    def publish(frames: int, every_s: float) -> None:
        url = f"http://127.0.0.1:{port}/publish?frames={frames}&every_s={every_s}"
        with urllib.request.urlopen(url, timeout=WITHIN_S):
            pass

    try:
        program.wait_until(lambda: is_listening(port), 20)
        yield Server(name, program, port, publish)
    finally:
        program.stop()


class Publisher:
    """A producer of updates of `PAYLOAD_BYTES` bytes on `price-updates`, each with a higher version than the one
    before."""

    def __init__(self, bench: Bench, topic: str) -> None:
        self._producer = Producer({"bootstrap.servers": bench.broker.brokers, "linger.ms": 1})
        self._topic = topic
        self._version = 0

    def __call__(self, frames: int, every_s: float) -> None:
        for _ in range(frames):
            self._version += 1
            update = PriceUpdate(
                "fan-out",
                1.0,
                1,
                self._version,
                None,
                1.0,
                PriceSource.DYNAMIC,
                1,
                "p",
                [Adjustment("base", 1.0, "")],
            )
            reason = "x" * (PAYLOAD_BYTES - len(encode_update(update)))
            padded = msgspec.structs.replace(update, adjustments=[Adjustment("base", 1.0, reason)])
            self._producer.produce(self._topic, encode_update(padded), "fan-out")
            self._producer.poll(0)
            if every_s:
                self._producer.flush()
                time.sleep(every_s)
        self._producer.flush()


@contextmanager
def pricewax_server(bench: Bench, run: PricewaxRun, name: str = "pricewax") -> Iterator[Server]:
    """Start the API; it is stopped at the end."""
    program, port = run.start_api()
    try:
        yield Server(name, program, port, Publisher(bench, run.topics["PRICE_UPDATES_TOPIC"]))
    finally:
        program.stop()


def wait_for_result(load: Program) -> None:
    """Wait for the JSON line of `benchmarks.load`. Raises StartError."""
    load.wait_until(lambda: bool(load.tail) and load.tail[-1].startswith("{"), WITHIN_S, "finish")


def finish(load: Program, result: type[Result]) -> Result:
    """Wait for the JSON line of `benchmarks.load`, stop it, and return its result. Raises StartError."""
    wait_for_result(load)
    load.stop()
    return msgspec.json.decode(load.tail[-1], type=result)


def ask(server: Server, path: str) -> tuple[HttpResult, float]:
    """Send requests as fast as they are answered. Returns the result, and the server's CPU microseconds for each
    answer. Raises SystemExit if an answer is not 200."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.load",
        "http",
        str(server.port),
        path,
        str(CONNECTIONS),
        str(HTTP_S),
    ]
    before = server.cpu_s()
    result = finish(Program("load", command, cwd=ROOT), HttpResult)
    if result.bad:
        raise SystemExit(f"read: {server.name} gave {result.bad} answers that were not 200")
    return result, (server.cpu_s() - before) / result.answers * 1e6


def fan_out(server: Server, clients: int, frames: int, every_s: float) -> Fan:
    """Send `frames` messages to `clients` clients, one every `every_s` seconds. Raises SystemExit if frames are
    missing."""
    before = server.memory_bytes()
    command = [sys.executable, "-m", "benchmarks.load", "ws", str(server.port), "/ws/prices"]
    load = Program("load", [*command, str(clients), str(frames)], cwd=ROOT)
    load.wait_until(lambda: "ready" in load.tail, WITHIN_S, "connect")
    time.sleep(1)
    memory = (server.memory_bytes() - before) / clients
    cpu, started = server.cpu_s(), time.monotonic()
    server.publish(frames, every_s)
    wait_for_result(load)
    cpu = server.cpu_s() - cpu
    result = finish(load, WsResult)
    deliveries = clients * frames
    if result.frames != deliveries:
        raise SystemExit(f"read: {server.name} delivered {result.frames} frames, not {deliveries}")
    return Fan(
        deliveries / (max(result.done_s) - started),
        cpu / deliveries * 1e6,
        memory,
        max(result.done_s) - min(result.done_s),
    )


def ages(bench: Bench, run: PricewaxRun, server: Server) -> list[float]:
    """Return the milliseconds from the arrival of a frame until `GET /price` has the same price, for many
    frames."""
    found: list[float] = []
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as http,
        Feeder(bench, run.topics["PRODUCT_EVENTS_TOPIC"], 20, 100),
        connect(f"ws://127.0.0.1:{server.port}/ws/prices", proxy=None) as client,
    ):
        decode = msgspec.json.Decoder(_Priced).decode
        while len(found) < AGE_FRAMES:
            seen = decode(client.recv(timeout=20))
            arrived = time.perf_counter()
            while decode(http.get(f"/price/{seen.product_id}").content).demand < seen.demand:
                pass
            found.append((time.perf_counter() - arrived) * 1000)
    return found


def main() -> int:
    """Run the benchmark and write its report."""
    parser = argparse.ArgumentParser(prog="make bench-read", description=(__doc__ or "").split("`: ")[1])
    parser.add_argument("--clients", type=int, nargs="+", default=[500, 5_000, 10_000])
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    asked: dict[str, list[tuple[HttpResult, float]]] = {}
    fans: dict[tuple[str, int, str], list[Fan]] = {}
    with scratch() as folder, Progress(console=console) as progress:
        hub = build_go_hub(folder)
        if hub is None:
            progress.console.print("Go is not installed: the report has no hub in Go")
        fanning = 2 if hub is None else 3
        task = progress.add_task("read", total=3 + options.repeat * (3 + 2 * fanning * len(options.clients)))
        with Bench(folder) as bench, ExitStack() as started:
            run = bench.prepare_pricewax(history=False)
            flow = run.start()
            bench.produce(run.topics["PRODUCT_EVENTS_TOPIC"], [bench.event(index, 1.7e9) for index in range(1_000)])
            store = redis.Redis(port=bench.redis.port)
            flow.wait_until(lambda: store.scard("products") == 1_000, 60)
            with pricewax_server(bench, run) as server:
                progress.update(task, description="age of an answer", advance=1)
                old = describe(ages(bench, run, server))
            flow.stop()
            bare = started.enter_context(reference_server("bare", [sys.executable, "-m", "benchmarks.bare"]))
            go = [] if hub is None else [started.enter_context(reference_server("go", hub))]
            with pricewax_server(bench, run) as server:
                # Without the CLIENT command Redis does not report changes, so the API caches nothing.
                store.acl_setuser("default", enabled=True, commands=["-client"])
                with pricewax_server(bench, run, "pricewax, each from Redis") as reading:
                    for _ in range(options.repeat):
                        for each in (bare, server, reading):
                            progress.update(task, description=f"GET /price, {each.name}", advance=1)
                            asked.setdefault(each.name, []).append(ask(each, "/price/product-0000001"))
                for _ in range(options.repeat):
                    for clients in options.clients:
                        for how, frames, every_s in (("burst", BURST, 0.0), ("one a second", PACED, PACE_S)):
                            for each in (bare, *go, server):
                                progress.update(
                                    task, description=f"{clients:,} clients, {how}, {each.name}", advance=1
                                )
                                fan = fan_out(each, clients, frames, every_s)
                                fans.setdefault((each.name, clients, how), []).append(fan)
                                progress.console.print(f"{each.name:10} {clients:>6,} clients, {how}: {fan}")
    report(asked, fans, old, options.repeat)
    return 0


def _per_cpu_second(found: list[Fan], beside: list[Fan]) -> float:
    """Deliveries per CPU second, as a multiple of those of the server beside it in the same rounds."""
    return statistics.median(b.cpu_us / a.cpu_us for a, b in zip(found, beside, strict=True))


def report(
    asked: dict[str, list[tuple[HttpResult, float]]],
    fans: dict[tuple[str, int, str], list[Fan]],
    old: dict[str, float],
    repeat: int,
) -> None:
    """Write the report."""
    missed = []
    lines = [
        "# Reading",
        "",
        f"By `make bench-read`: medians of {repeat} interleaved runs on loopback, load and server in a process"
        " each. *bare* is the least that serves the same bytes on the same uvicorn, with the same protocols.",
        "",
        "## GET /price/{id}",
        "",
        f"{CONNECTIONS} connections that ask again at once, for one product. *Each from Redis*: with a Redis that"
        " may not tell of changes, so that nothing is kept in memory.",
        "",
        "| server | answers/s | times bare's rate | CPU us an answer | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|",
    ]
    for name, results in asked.items():
        pairs = zip(results, asked["bare"], strict=True)
        rate = statistics.median(a.answers / a.seconds / (b.answers / b.seconds) for (a, _), (b, _) in pairs)
        p99 = statistics.median(result.p99_ms for result, _ in results)
        lines.append(
            f"| {name} | {statistics.median(r.answers / r.seconds for r, _ in results):,.0f} | {rate:.2f}"
            f" | {statistics.median(cpu for _, cpu in results):.0f}"
            f" | {statistics.median(r.p50_ms for r, _ in results):.1f} | {p99:.1f} |"
        )
        if name == "pricewax":
            if rate < RATE_TARGET:
                missed.append(f"GET /price {rate:.2f} of bare's rate, target {RATE_TARGET}")
            if (times := p99 / statistics.median(r.p99_ms for r, _ in asked["bare"])) > P99_TARGET:
                missed.append(f"GET /price p99 {times:.1f} times bare's, target {P99_TARGET}")
    lines += [
        "",
        "From a frame's arrival at a WebSocket client to an answer of `GET /price` that is as new,"
        f" {AGE_FRAMES} frames at 100 a second, the time of the request included: p50 {old['p50']:.1f} ms,"
        f" p99 {old['p99']:.1f} ms, at most {old['max']:.1f} ms.",
        "",
        "## Fan-out",
        "",
        f"Frames of {PAYLOAD_BYTES} bytes to every client; the updates of Pricewax come from Kafka. *go*: a hub"
        " with gorilla/websocket, a goroutine for each client, each message framed once."
        f" *Burst*: {BURST} messages at once; *one a second*: {PACED}. *Deliveries per CPU second* are those of the"
        " server's process. *spread*: from the first client that has everything to the last.",
        "",
        "| clients | messages | server | deliveries/s | times bare's rate | CPU us a delivery"
        " | times bare's deliveries per CPU second | times Go's | memory a client | spread s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    if old["p99"] > AGE_TARGET_MS:
        missed.append(f"an answer {old['p99']:.0f} ms older than the frame (p99), target {AGE_TARGET_MS:.0f}")
    for (name, clients, how), found in fans.items():
        beside = fans["bare", clients, how]
        rate = statistics.median(
            a.deliveries_per_s / b.deliveries_per_s for a, b in zip(found, beside, strict=True)
        )
        cpu = _per_cpu_second(found, beside)
        in_go = fans.get(("go", clients, how))
        cpu_of_go = _per_cpu_second(found, in_go) if in_go else None
        speed = f"{statistics.median(each.deliveries_per_s for each in found):,.0f} | {rate:.2f}"
        lines.append(
            f"| {clients:,} | {how} | {name} | {speed if how == 'burst' else 'paced | —'}"
            f" | {statistics.median(each.cpu_us for each in found):.1f} | {cpu:.2f}"
            f" | {'—' if cpu_of_go is None else f'{cpu_of_go:.2f}'}"
            f" | {max(each.memory_bytes for each in found) / 1024:.0f} KiB"
            f" | {statistics.median(each.spread_s for each in found):.2f} |"
        )
        if name == "pricewax" and how == "burst" and rate < FAN_OUT_TARGET:
            missed.append(f"fan-out to {clients:,} clients {rate:.2f} of bare's rate, target {FAN_OUT_TARGET}")
        if name == "pricewax" and cpu_of_go is not None and cpu_of_go < GO_TARGET:
            measured = f"{cpu_of_go:.2f} of Go's deliveries per CPU second"
            missed.append(f"{how}, {clients:,} clients: {measured}, target {GO_TARGET:.0f}")
    content = {
        "price": {
            name: [{**msgspec.to_builtins(result), "cpu_us": cpu} for result, cpu in results]
            for name, results in asked.items()
        },
        "age_ms": old,
        "fan_out": [
            {"server": name, "clients": clients, "messages": how, "runs": msgspec.to_builtins(found)}
            for (name, clients, how), found in fans.items()
        ],
    }
    write_report("read", lines, content, missed)


if __name__ == "__main__":
    sys.exit(main())
