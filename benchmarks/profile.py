"""`make bench-profile`: flame graphs of the hot paths by py-spy, in `docs/benchmarks/`. The paths are the flow with
everything on, `GET /price`, and the fan-out over WebSocket.

A flame graph counts samples of threads that hold the interpreter's lock. Threads that wait, also in native code, do
not count, and neither do librdkafka's own threads."""

import argparse
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import Producer
from rich.console import Console

from benchmarks.bench import REPORT, ROOT, Bench, scratch
from stack.process import Program

LASTS_S = 10
SAMPLES_PER_S = 250
EVENTS = 700_000
PRODUCTS = 100_000
CLIENTS = 1_000
UPDATE = (
    '{"type":"price_update","product_id":"fan-out","new_price":1.0,"timestamp":1,"version":%d,"previous_price":null,'
    '"demand":1.0,"price_source":"dynamic","event_time_ms":1000,"policy":"p","adjustments":[]}'
)

console = Console(stderr=True)


def record(name: str, pid: int, suffix: str) -> None:
    """Sample a process for `LASTS_S` seconds and write its flame graph. Raises SystemExit if py-spy fails."""
    console.print(f"{name}: {LASTS_S} s of samples")
    path = REPORT / f"profile-{name}{suffix}.svg"
    spy = [str(Path(sys.executable).parent / "py-spy"), "record", "--pid", str(pid), "--gil", "-d", str(LASTS_S)]
    done = subprocess.run(
        [*spy, "-r", str(SAMPLES_PER_S), "-o", str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"profile: py-spy failed; it may have to be root\n{done.stderr}")
    # py-spy's title is its command line, which shows paths of this machine.
    svg = re.sub(r'(<text id="title"[^>]*>)[^<]*', rf"\g<1>{name}{suffix}", path.read_text(encoding="utf-8"))
    path.write_text(svg, encoding="utf-8")


def profile_flow(bench: Bench, suffix: str) -> None:
    """Record the flow while it prices events of many products."""
    run = bench.prepare_pricewax()
    flow = run.start()
    try:
        topic = run.topics["PRODUCT_EVENTS_TOPIC"]
        events = [bench.event(index * 7919 % PRODUCTS, 1.7e9) for index in range(EVENTS)]
        bench.produce(topic, events[: PRODUCTS // 2])
        flow.wait_until(lambda: run.count_updates() >= PRODUCTS // 2, 60)
        bench.produce(topic, events[PRODUCTS // 2 :])
        record("flow", flow.pid, suffix)
    finally:
        flow.stop()


def profile_price(bench: Bench, suffix: str) -> None:
    """Record the API while it answers `GET /price`."""
    run = bench.prepare_pricewax(history=False)
    flow = run.start()
    api, port = run.start_api()
    try:
        bench.produce(run.topics["PRODUCT_EVENTS_TOPIC"], [bench.event(1, 1.7e9)])
        flow.wait_until(lambda: run.count_updates() >= 1, 60)
        command = [sys.executable, "-m", "benchmarks.load", "http", str(port), "/price/product-0000001", "32"]
        load = Program("load", [*command, str(LASTS_S + 4)], cwd=ROOT)
        try:
            record("price", api.pid, suffix)
        finally:
            load.stop()
    finally:
        api.stop()
        flow.stop()


def profile_fan_out(bench: Bench, suffix: str) -> None:
    """Record the API while it sends updates to `CLIENTS` WebSocket clients."""
    run = bench.prepare_pricewax(history=False)
    api, port = run.start_api()
    command = [sys.executable, "-m", "benchmarks.load", "ws", str(port), "/ws/prices", str(CLIENTS), str(10**9)]
    load = Program("load", command, cwd=ROOT)
    try:
        load.wait_until(lambda: "ready" in load.tail, 60)
        producer = Producer({"bootstrap.servers": bench.broker.brokers, "linger.ms": 1})
        for version in range(1, 60_000):
            producer.produce(run.topics["PRICE_UPDATES_TOPIC"], UPDATE % version, "fan-out")
        producer.flush()
        record("fan-out", api.pid, suffix)
    finally:
        load.stop()
        api.stop()


PROFILES: dict[str, Callable[[Bench, str], None]] = {
    "flow": profile_flow,
    "price": profile_price,
    "fan-out": profile_fan_out,
}


def main() -> int:
    """Record the chosen paths."""
    parser = argparse.ArgumentParser(prog="make bench-profile", description=(__doc__ or "").split("`: ")[1])
    parser.add_argument("--only", choices=PROFILES, nargs="+", default=list(PROFILES))
    parser.add_argument("--suffix", default="", help="at the end of the files' names, as in -before")
    options = parser.parse_args()
    with scratch() as folder, Bench(folder) as bench:
        for name in options.only:
            PROFILES[name](bench, options.suffix)
    return 0


if __name__ == "__main__":
    sys.exit(main())
