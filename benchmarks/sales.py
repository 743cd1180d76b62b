"""`make bench-sales`: orders joined to the prices of their moments. CPU time and memory of the state of sales,
beside one join of the same data by DuckDB, and one by polars.

A million orders and a million prices of a hundred thousand products, over seven days: first all in order of time,
as polls bring them, then a tenth of the orders once more with another quantity, and a tenth of the prices late. The
state alone, without an engine and sinks. The revenue of both must be equal."""

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any

import duckdb
import numpy as np
import polars as pl
from rich.console import Console
from rich.progress import Progress

from benchmarks.bench import ROOT, write_report
from core.shards import shard_of
from core.timestamps import DAY_MS
from sales.changes import Change, Price, Put
from sales.orders import Order
from sales.prices import PricePoint
from sales.state.products import ProductShard

PRICES_OF_A_PRODUCT = 10
DAYS = 7
SHARDS = 64
BATCH = 500
T0_MS = 1_700_000_000_000

Numbered = list[tuple[int, Change]]
"""Changes, each with the number of its shard."""

console = Console(stderr=True)


def make_input(orders: int, products: int) -> tuple[list[Order], list[Price]]:
    """Make orders and prices, the same in every run."""
    chance = random.Random(7)
    span_ms = DAYS * DAY_MS
    names = [f"P{number:06d}" for number in range(products)]
    prices = [
        Price(name, PricePoint(T0_MS + chance.randrange(span_ms), version, chance.randrange(10_000, 1_000_000)))
        for name in names
        for version in range(1, PRICES_OF_A_PRODUCT + 1)
    ]
    placed = [
        Order(f"O{number:08d}", T0_MS + chance.randrange(span_ms), chance.choice(names), chance.randint(1, 5))
        for number in range(orders)
    ]
    return placed, prices


def apply_all(shards: list[ProductShard], changes: Numbered) -> float:
    """Apply changes in batches; returns the CPU seconds of one. What an epoch saves is taken now and then."""
    started = time.process_time()
    for start in range(0, len(changes), BATCH):
        of_shard: dict[int, list[Change]] = {}
        for number, change in changes[start : start + BATCH]:
            of_shard.setdefault(number, []).append(change)
        for number, found in of_shard.items():
            shards[number].apply(found)
        if start % (BATCH * 20) == 0:
            for shard in shards:
                shard.changes()
    return (time.process_time() - started) / len(changes)


def measure(orders: int, products: int) -> dict[str, float]:
    """Measure in this process. Raises SystemExit if the sums differ."""
    placed, prices = make_input(orders, products)
    chance = random.Random(3)
    late_prices = set(chance.sample(range(len(prices)), len(prices) // 10))
    timed: list[tuple[int, Change]] = [
        (price.point.at_ms, price) for index, price in enumerate(prices) if index not in late_prices
    ]
    timed += [(order.time_ms, Put(order, 1)) for order in placed]
    timed.sort(key=lambda each: each[0])
    changed = {order.order_id: order.quantity + 1 for order in chance.sample(placed, len(placed) // 10)}
    placed = [
        Order(order.order_id, order.time_ms, order.product_id, changed.get(order.order_id, order.quantity))
        for order in placed
    ]
    late: list[Change] = [prices[index] for index in late_prices]
    late += [Put(order, 2) for order in placed if order.order_id in changed]
    chance.shuffle(late)
    in_order, corrections = _numbered(change for _, change in timed), _numbered(late)
    del timed, late
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    shards = [ProductShard(DAYS + 1, 1) for _ in range(SHARDS)]
    result = {"change_us": apply_all(shards, in_order) * 1e6, "late_us": apply_all(shards, corrections) * 1e6}
    result["memory_mb"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
    revenue = sum(each.sums.revenue for shard in shards for each in shard.sums())
    for name, join in (("join_us", join_by_duckdb), ("polars_us", join_by_polars)):
        joined, join_s = join(placed, prices)
        result[name] = join_s / (len(placed) + len(prices)) * 1e6
        if joined != revenue:
            raise SystemExit(f"sales: the sums differ: {revenue} and {joined}")
    return result


def _numbered(changes: Iterable[Change]) -> Numbered:
    return [(shard_of(change.product_id.encode(), SHARDS), change) for change in changes]


def join_by_duckdb(placed: list[Order], prices: list[Price]) -> tuple[int, float]:
    """Join by DuckDB on one thread; returns the revenue in units, and the CPU seconds."""
    orders, points = _columns(placed, prices)
    with duckdb.connect(config={"threads": 1}) as database:
        database.register("orders", orders)
        database.register("prices", points)
        started = time.process_time()
        ((revenue,),) = database.execute(
            "SELECT sum(price * quantity) FROM orders ASOF JOIN prices"
            " ON orders.product = prices.product AND orders.at_ms >= prices.at_ms"
        ).fetchall()
        return int(revenue), time.process_time() - started


def join_by_polars(placed: list[Order], prices: list[Price]) -> tuple[int, float]:
    """Join by polars' `join_asof`, with the sorting that it needs; returns the same."""
    left, right = (pl.DataFrame(columns) for columns in _columns(placed, prices))
    started = time.process_time()
    joined = left.sort("at_ms").join_asof(right.sort("at_ms"), on="at_ms", by="product", check_sortedness=False)
    revenue = joined.select((pl.col("price") * pl.col("quantity")).sum()).item()
    return int(revenue), time.process_time() - started


Columns = dict[str, np.ndarray[Any, Any]]


def _columns(placed: list[Order], prices: list[Price]) -> tuple[Columns, Columns]:
    orders = {
        "product": np.array([order.product_id for order in placed]),
        "at_ms": np.array([order.time_ms for order in placed]),
        "quantity": np.array([order.quantity for order in placed]),
    }
    points = {
        "product": np.array([price.product_id for price in prices]),
        "at_ms": np.array([price.point.at_ms for price in prices]),
        "price": np.array([price.point.price for price in prices]),
    }
    return orders, points


def report(runs: list[dict[str, float]], orders: int, products: int) -> None:
    """Write the report."""
    figures = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    join_us, points = figures["join_us"], products * PRICES_OF_A_PRODUCT
    lines = [
        "# Sales",
        "",
        f"By `make bench-sales`: medians of {len(runs)} runs. {orders:,} orders and"
        f" {points:,} prices of {products:,} products over {DAYS} days, a tenth of the prices"
        " late, a tenth of the orders changed; the state of sales alone, with the log of its changes, beside one"
        " `ASOF JOIN` of the same data by DuckDB on one thread, and one `join_asof` by polars with its sorting. All"
        " end at the same revenue.",
        "",
        "| | µs of CPU an order or price | times DuckDB's join |",
        "|---|---|---|",
        f"| in order of time | {figures['change_us']:.1f} | {figures['change_us'] / join_us:.1f} |",
        f"| changed orders and late prices | {figures['late_us']:.1f} | {figures['late_us'] / join_us:.1f} |",
        f"| the join of DuckDB | {join_us:.2f} | 1.0 |",
        f"| the join of polars | {figures['polars_us']:.2f} | {figures['polars_us'] / join_us:.1f} |",
        "",
        f"Memory of the state: {figures['memory_mb']:,.0f} MB.",
    ]
    write_report("sales", lines, [{"orders": orders, "products": products, "runs": runs}], [])


def main() -> int:
    """Run the benchmark and write its report."""
    parser = argparse.ArgumentParser(prog="make bench-sales", description=(__doc__ or "").split("`: ")[1])
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.orders, options.products)))
        return 0
    runs = []
    numbers = ["--orders", str(options.orders), "--products", str(options.products)]
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.sales", "--child", *numbers]
    with Progress(console=console) as progress:
        for _ in progress.track(range(options.repeat), description="sales"):
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"sales: {done.stderr}")
            runs.append(json.loads(done.stdout.splitlines()[-1]))
    report(runs, options.orders, options.products)
    return 0


if __name__ == "__main__":
    sys.exit(main())
