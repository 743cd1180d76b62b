"""`make bench-signals`: CPU time of a signal of stock, clicks or competitors, beside a product event, by the
messages that a poll finds.

The real flow on Bytewax, with decoding, state and the rows of all sinks, which drop them, with the policy of
policies/live-inventory.toml and with the default one. Before, every product is in the catalogue."""

import argparse
import itertools
import random
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
from bytewax.dataflow import Dataflow
from rich.console import Console
from rich.progress import Progress

from benchmarks.batches import PARTITIONS, Dropping, FakeMessage, run_flow
from benchmarks.bench import ROOT, write_report
from connectors.decode.pricing import SignalKind
from connectors.decode.signals import ProductSignalKind
from dataflows.pricing import Sinks, build
from pricing.policy import parse_policy

PRODUCTS = 2_000
MESSAGES = 100_000
SIZES = (4_096, 10)
TARGET = 1.2
START_S = 1_700_000_000
KINDS: dict[str, SignalKind | ProductSignalKind] = {
    "event": SignalKind.PRODUCT_EVENTS,
    "catalogue": SignalKind.CATALOGUE,
    "click": ProductSignalKind.CLICKS,
    "quote": ProductSignalKind.COMPETITORS,
    "purchase": ProductSignalKind.PURCHASES,
}
SIGNALS = ("event", "click", "quote", "purchase")
POLICIES = {
    "default": "",
    "live-inventory": (ROOT / "policies" / "live-inventory.toml").read_text(encoding="utf-8"),
}

console = Console(stderr=True)


def make_value(kind: str, chance: random.Random, product: str, at_s: int) -> dict[str, Any]:
    """Make the value of a message."""
    moment = datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    price = chance.randrange(500, 1500) / 100
    if kind == "event":
        return {"event_type": "view", "product_id": product, "timestamp": at_s * 1000, "price": price}
    if kind == "click":
        return {"event_time": moment, "product_id": product, "event_type": "view"}
    if kind == "quote":
        return {"ts": moment, "product_id": product, "competitor": "c", "competitor_price": price}
    if kind == "purchase":
        return {"purchase_time": moment, "product_id": product, "quantity_purchased": 1}
    return {"product_id": product, "product_name": "Mug", "stock_level": 10**6, "base_price": 10.0}


def make_messages(kind: str) -> tuple[list[FakeMessage], list[FakeMessage]]:
    """Make the catalogue, and then messages of random products, a thousand in a second of event time."""
    chance = random.Random(7)
    made = []
    for offset in range(PRODUCTS + MESSAGES):
        number = offset if offset < PRODUCTS else chance.randrange(PRODUCTS)
        topic, product = "catalogue" if offset < PRODUCTS else kind, str(number)
        value = msgspec.json.encode(make_value(topic, chance, product, START_S + offset // 1000))
        made.append(FakeMessage(offset, product.encode(), value, topic, number % PARTITIONS))
    return made[:PRODUCTS], made[PRODUCTS:]


def cost(kind: str, policy: str, size: int) -> float:
    """Run the flow in this process, and return CPU microseconds per message."""
    sink = Dropping()
    sinks = Sinks(updates=sink, dead_letters=sink, latest=sink, history=sink, overrides=sink)
    parsed = parse_policy(POLICIES[policy])

    def make_flow(messages: Any, refills: Any, state_log: Any) -> Dataflow:
        return build(messages, refills, sinks, policy=parsed, kinds=KINDS, shards=64, state_log=state_log)

    return run_flow(list(KINDS), *make_messages(kind), size, make_flow)


def child(*arguments: str) -> float:
    """Measure in a process of its own. Raises SystemExit if it fails."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.signals", "--child", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"signals: {arguments}:\n{done.stderr}")
    return float(done.stdout.split()[-1])


def report(costs: dict[tuple[str, int, str], list[float]], repeat: int) -> None:
    """Write the report."""
    lines = [
        "# Signals",
        "",
        f"By `make bench-signals`: medians of {repeat} interleaved runs. The real flow with the rows of all sinks,"
        f" which drop them; {PRODUCTS:,} products, a thousand messages in a second of event time.",
        "",
        "| policy | messages a poll | | µs a message | times a product event |",
        "|---|---|---|---|---|",
    ]
    missed = []
    for (policy, size, kind), found in costs.items():
        ratio = statistics.median(a / b for a, b in zip(found, costs[policy, size, "event"], strict=True))
        lines.append(f"| {policy} | {size:,} | {kind} | {statistics.median(found):.1f} | {ratio:.2f} |")
        if kind == "click" and ratio > TARGET:
            missed.append(
                f"{policy}, {size:,} a poll: a click costs {ratio:.2f} of a product event, target {TARGET}"
            )
    content = [
        {"policy": policy, "size": size, "kind": kind, "runs": runs} for (policy, size, kind), runs in costs.items()
    ]
    write_report("signals", lines, content, missed)


def main() -> int:
    """Run the benchmark and write its report."""
    parser = argparse.ArgumentParser(prog="make bench-signals", description=(__doc__ or "").split("`: ")[1])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        kind, policy, size = options.child
        print(cost(kind, policy, int(size)))
        return 0
    cases = list(itertools.product(POLICIES, SIZES, SIGNALS))
    costs: dict[tuple[str, int, str], list[float]] = {case: [] for case in cases}
    with Progress(console=console) as progress:
        task = progress.add_task("signals", total=options.repeat * len(cases))
        for _ in range(options.repeat):
            for policy, size, kind in cases:
                costs[policy, size, kind].append(child(kind, policy, str(size)))
                progress.advance(task)
    report(costs, options.repeat)
    return 0


if __name__ == "__main__":
    sys.exit(main())
