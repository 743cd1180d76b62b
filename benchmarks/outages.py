"""`make bench-outages`: Redis, the database, and both, away for a minute each. It measures the latency of the other
outputs meanwhile, and the time after it until no row is missing."""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import redis
from rich.console import Console

from benchmarks.bench import Bench, Feeder, PricewaxRun, Updates, describe, scratch, write_report
from stack.postgres import PostgresServer
from stack.redis import RedisServer

PRODUCTS = 1_000
RATE_PER_S = 200
CATCH_UP_TARGET_S = 60.0
WITHIN_S = 120.0

console = Console(stderr=True)


class Watch:
    """A comparison of the rows in Redis and in the history with the events in Kafka."""

    def __init__(self, bench: Bench, run: PricewaxRun) -> None:
        self._bench = bench
        self._run = run

    def redis_is_complete(self) -> bool:
        """Return True if Redis has the newest version of every product."""
        store = redis.Redis(port=self._bench.redis.port, socket_timeout=2)
        try:
            versions = sum(int(store.hget(name, "version") or 0) for name in store.scan_iter("price:*", 1000))
        except redis.RedisError:
            return False
        return versions >= self._bench.count(self._run.topics["PRODUCT_EVENTS_TOPIC"])

    def history_is_complete(self) -> bool:
        """Return True if every event has its row of history."""
        return self._run.count_rows() >= self._bench.count(self._run.topics["PRODUCT_EVENTS_TOPIC"])


def seconds_until(condition: Callable[[], bool]) -> float:
    """Wait for a condition; returns the seconds that it took. Raises SystemExit after `WITHIN_S`."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > WITHIN_S:
            raise SystemExit(f"outages: not complete within {WITHIN_S:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - started


def measure(bench: Bench, lasts_s: float) -> list[dict[str, Any]]:
    """Stop Redis, the database, and both, for `lasts_s` seconds each; returns one result for each outage."""
    run = bench.prepare_pricewax()
    program = run.start()
    watch = Watch(bench, run)
    results = []
    servers: dict[str, list[RedisServer | PostgresServer]] = {
        "Redis": [bench.redis],
        "Postgres": [bench.postgres],
        "both": [bench.redis, bench.postgres],
    }
    try:
        for what, away in servers.items():
            topic = run.topics["PRODUCT_EVENTS_TOPIC"]
            with Feeder(bench, topic, PRODUCTS, RATE_PER_S):
                time.sleep(5)
                updates = Updates(bench, run.topics)
                time.sleep(lasts_s / 3)
                before = describe(updates.take())
                for server in away:
                    server.stop()
                time.sleep(lasts_s)
                during = describe(updates.take())
                waiting = run.metric("pricewax_sink_pending{") + run.metric("pricewax_history_backlog_messages{")
                for server in away:
                    server.start()
            updates.stop()
            back = {}
            if bench.redis in away:
                back["redis_s"] = seconds_until(watch.redis_is_complete)
            if bench.postgres in away:
                back["history_s"] = seconds_until(watch.history_is_complete)
            results.append({"away": what, "before_ms": before, "during_ms": during, "waiting": waiting, **back})
            console.print(results[-1])
    finally:
        program.stop()
    return results


def main() -> int:
    """Run the benchmark and write its report."""
    parser = argparse.ArgumentParser(prog="make bench-outages", description=(__doc__ or "").split("`: ")[1])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each is away")
    options = parser.parse_args()
    with scratch() as folder, Bench(folder, durable=True) as bench:
        results = measure(bench, options.seconds)
    missed = [
        f"{each['away']}: {name} complete after {each[name]:.0f} s"
        for each in results
        for name in ("redis_s", "history_s")
        if each.get(name, 0) > CATCH_UP_TARGET_S
    ]
    rows = [
        f"| {each['away']} | {each['before_ms']['p50']:.0f} / {each['before_ms']['p99']:.0f}"
        f" | {each['during_ms']['p50']:.0f} / {each['during_ms']['p99']:.0f}"
        f" | {each.get('redis_s', float('nan')):.1f} | {each.get('history_s', float('nan')):.1f} |"
        for each in results
    ]
    write_report(
        "outages",
        [
            "# Outages",
            "",
            f"By `make bench-outages`: {RATE_PER_S} events/s on {PRODUCTS:,} products; each dependency killed and"
            f" away for {options.seconds:.0f} s (Redis comes back empty). Latency from an event's making to its"
            " update's reading in `price-updates`; then, from the return, until every price and row is there.",
            "",
            "| away | ms before, p50 / p99 | ms during, p50 / p99 | Redis complete after s"
            " | history complete after s |",
            "|" + "---|" * 5,
            *[row.replace("nan", "—") for row in rows],
        ],
        results,
        missed,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
