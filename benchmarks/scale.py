"""`make bench-scale`: a million products in one process. It measures the memory, the bytes of a product, the
latency that snapshots cause, and the time of a start after a crash. With BENCH=--stock, every product also has an
entry in the catalogue, stock, a purchase, a click and a quote, under policies/live-inventory.toml."""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import redis
from rich.console import Console
from rich.progress import Progress

from benchmarks.bench import ROOT, Bench, Feeder, PricewaxRun, Updates, describe, scratch, write_report

MEMORY_TARGET_BYTES = 2 * 1024**3
RECOVERY_TARGET_S = 60.0
EPOCH_TARGET_MS = 50
RATE_PER_S = 1_000
STEADY_S = 30
SETTLE_S = 5
WITHIN_S = 900.0

console = Console(stderr=True)


class Peak:
    """The highest resident memory of a process since it was made, in `bytes`. A thread reads it ten times a
    second."""

    def __init__(self, pid: int) -> None:
        self.bytes = 0
        self._process = psutil.Process(pid)
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def stop(self) -> int:
        """Stop watching; returns the highest memory in bytes."""
        self._stopped.set()
        return self.bytes

    def _watch(self) -> None:
        while not self._stopped.wait(0.1):
            try:
                self.bytes = max(self.bytes, self._process.memory_info().rss)
            except psutil.NoSuchProcess:
                return


def steady(bench: Bench, topics: dict[str, str], products: int) -> list[float]:
    """Return the latencies in milliseconds of `RATE_PER_S` events a second, spread over all products. Raises
    SystemExit if updates are missing."""
    updates = Updates(bench, topics)
    with Feeder(bench, topics["PRODUCT_EVENTS_TOPIC"], products, RATE_PER_S) as feeder:
        time.sleep(SETTLE_S)
        updates.take()
        time.sleep(STEADY_S)
    deadline = time.monotonic() + 30
    while updates.count < feeder.sent and time.monotonic() < deadline:
        time.sleep(0.1)
    found = updates.stop()
    if updates.count < feeder.sent:
        raise SystemExit(f"scale: {updates.count} updates for {feeder.sent} events")
    return found


def epochs(run: PricewaxRun) -> dict[str, float]:
    """Return figures of the flow's metric of epoch ends. `count`: partitions times epochs so far. `in_time`: how
    many of them took at most `EPOCH_TARGET_MS`. `seconds`: the time of all together."""
    name = "pricewax_epoch_close_seconds"
    return {
        "count": run.metric(f"{name}_count"),
        "in_time": run.metric(f'{name}_bucket{{le="{EPOCH_TARGET_MS / 1000}"}}'),
        "seconds": run.metric(f"{name}_sum"),
    }


def feed_signals(bench: Bench, topics: dict[str, str], products: int) -> None:
    """Send an entry with stock, a purchase, a click and a quote of every product."""
    now_ms = int(time.time() * 1000)
    made: dict[str, Callable[[str], dict[str, Any]]] = {
        "PRODUCT_CATALOGUE_TOPIC": lambda name: {
            "product_id": name,
            "product_name": f"Article {name}",
            "stock_level": 30,
            "reorder_threshold": 10,
            "supplier": "Supplier",
            "base_price": 10,
        },
        "PURCHASES_TOPIC": lambda name: {"purchase_time": now_ms, "product_id": name, "quantity_purchased": 1},
        "WEB_CLICKS_TOPIC": lambda name: {"event_time": now_ms, "product_id": name, "event_type": "view"},
        "COMPETITOR_PRICES_TOPIC": lambda name: {
            "ts": now_ms,
            "product_id": name,
            "competitor": "Competitor",
            "competitor_price": 9.5,
        },
    }
    names = [bench.event(index, 0)["key"] for index in range(products)]
    for topic, make in made.items():
        bench.produce(topics[topic], ({"key": name, "value": json.dumps(make(name))} for name in names))


def measure(bench: Bench, products: int, progress: Progress, *, stock: bool) -> dict[str, Any]:
    """Run the flow with `products` products, kill it, and start it again; returns the results by name."""
    run = bench.prepare_pricewax()
    policy = {"POLICY": str(ROOT / "policies" / "live-inventory.toml")} if stock else {}
    task = progress.add_task(f"{products:,} products: first events", total=products)
    if stock:
        # Before the events: a floor of the base price needs the entry.
        feed_signals(bench, run.topics, products)
    program = run.start(environment=policy)
    started = time.monotonic()
    result: dict[str, Any] = {"products": products}
    try:
        peak = Peak(program.pid)
        bench.produce(
            run.topics["PRODUCT_EVENTS_TOPIC"], [bench.event(index, time.time()) for index in range(products)]
        )

        def done() -> bool:
            rows = run.count_rows()
            progress.update(task, completed=rows)
            return rows >= products and run.count_updates() >= products

        program.wait_until(done, WITHIN_S, "price every product once")
        if stock:
            progress.update(task, description=f"{products:,} products: stock, clicks and competitors")
            program.wait_until(lambda: run.metric("pricewax_consumer_lag_messages") == 0, WITHIN_S, "read signals")
            program.wait_until(lambda: run.metric("pricewax_sink_pending{") == 0, WITHIN_S, "write signals")
            result["signals_s"] = time.monotonic() - started
        store = redis.Redis(port=bench.redis.port)
        program.wait_until(lambda: store.scard("products") >= products, WITHIN_S, "fill Redis")
        result["memory_bytes"] = psutil.Process(program.pid).memory_info().rss
        result["memory_peak_bytes"] = peak.stop()
        result["redis_bytes"] = int(store.info("memory")["used_memory"])
        progress.update(task, description=f"{products:,} products: {RATE_PER_S:,} events/s")
        before = epochs(run)
        latencies = steady(bench, run.topics, products)
        result["latency_ms"] = describe(latencies)
        result["epochs"] = {name: count - before[name] for name, count in epochs(run).items()}
        result["state_bytes"] = sum(file.stat().st_size for file in run.recovery.rglob("*") if file.is_file())
        progress.update(task, description=f"{products:,} products: start after a crash")
        program.kill()
        updates = Updates(bench, run.topics)
        started = time.monotonic()
        program = run.start(environment=policy)
        peak = Peak(program.pid)
        bench.produce(run.topics["PRODUCT_EVENTS_TOPIC"], [bench.event(0, time.time())])
        program.wait_until(lambda: bool(updates.latencies_ms), WITHIN_S, "price an event after the crash")
        result["recovery_s"] = time.monotonic() - started
        # The refill has ended when no row is pending any more.
        program.wait_until(lambda: run.metric("pricewax_redis_refills_total") > 0, WITHIN_S)
        program.wait_until(lambda: run.metric("pricewax_sink_pending{") == 0, WITHIN_S, "refill Redis")
        result["refill_s"] = time.monotonic() - started
        result["recovery_memory_peak_bytes"] = peak.stop()
        updates.stop()
    finally:
        program.stop()
    return result


def main() -> int:
    """Run the benchmark and write its report."""
    parser = argparse.ArgumentParser(prog="make bench-scale", description=(__doc__ or "").split("`: ")[1])
    parser.add_argument("--products", type=int, nargs="+", default=[1_000, 1_000_000])
    parser.add_argument("--stock", action="store_true", help="with catalogue, stock, clicks and competitors")
    options = parser.parse_args()
    with scratch() as folder, Progress(console=console) as progress:
        results = []
        for products in options.products:
            with Bench(folder / str(products)) as bench:
                results.append(measure(bench, products, progress, stock=options.stock))
            console.print_json(json.dumps(results[-1]))
    report(results, stock=options.stock)
    return 0


def report(results: list[dict[str, Any]], *, stock: bool) -> None:
    """Write the report, with the results that missed their targets."""
    missed = []
    rows = []
    for each in results:
        products = each["products"]
        latency = each["latency_ms"]
        rows.append(
            f"| {products:,} | {each['memory_bytes'] / 1e6:,.0f} | {each['memory_peak_bytes'] / 1e6:,.0f}"
            f" | {each['state_bytes'] / 1e6:,.1f} | {each['redis_bytes'] / 1e6:,.1f}"
            f" | {latency['p50']:.1f} | {latency['p99']:.1f} | {latency['p99.9']:.1f} | {latency['max']:.1f}"
            f" | {each['epochs']['seconds'] / each['epochs']['count'] * 1000:.0f}"
            f" | {each['recovery_s']:.1f} | {each['refill_s']:.1f}"
            f" | {each['recovery_memory_peak_bytes'] / 1e6:,.0f} |"
        )
        most = max(each["memory_peak_bytes"], each["recovery_memory_peak_bytes"])
        if most > MEMORY_TARGET_BYTES:
            missed.append(f"{products:,} products: {most / 1e9:.2f} GB, target {MEMORY_TARGET_BYTES / 1e9:.2f}")
        late = each["epochs"]["count"] - each["epochs"]["in_time"]
        if late > 0:
            share = f"{late:.0f} of {each['epochs']['count']:.0f}"
            missed.append(
                f"{products:,} products: {share} times (epochs times partitions) an epoch's close took over"
                f" {EPOCH_TARGET_MS} ms"
            )
        if each["recovery_s"] > RECOVERY_TARGET_S:
            missed.append(f"{products:,} products: first price after {each['recovery_s']:.0f} s")
    small, large = results[0], results[-1]
    per_product = []
    if len(results) > 1:
        more = large["products"] - small["products"]
        for what, name in (
            ("memory_bytes", "process"),
            ("state_bytes", "recovery folder"),
            ("redis_bytes", "Redis"),
        ):
            per_product.append(f"{(large[what] - small[what]) / more:,.0f} bytes in the {name}")
    command = "make bench-scale BENCH=--stock" if stock else "make bench-scale"
    extra = (
        "Every product had an entry in the catalogue, a purchase, a click and a quote too, under"
        f" policies/live-inventory.toml: {large.get('signals_s', 0):.0f} s from the start until all"
        f" {5 * large['products']:,} messages were read and all rows written."
    )
    write_report(
        "scale-stock" if stock else "scale",
        [
            "# A million products with stock in one process" if stock else "# A million products in one process",
            "",
            f"By `{command}`: one event of every product, with Redis, Postgres and Kafka out and recovery on;"
            f" then {RATE_PER_S:,} events/s spread over all products for {STEADY_S} s (latency from the event's"
            " making to its update's reading); then `kill -9` and a start. Kafka, Redis, Postgres and both clients"
            " share the machine's two cores.",
            "",
            "| products | memory MB | peak MB | recovery folder MB | Redis MB | p50 ms | p99 ms | p99.9 ms | max ms"
            " | an epoch's close ms | first price after a crash s | Redis refilled s | peak after the crash MB |",
            "|" + "---|" * 13,
            *rows,
            *(["", "Per product: " + ", ".join(per_product) + "."] if per_product else []),
            *(["", extra] if stock else []),
        ],
        results,
        missed,
    )


if __name__ == "__main__":
    sys.exit(main())
