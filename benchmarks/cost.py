"""`make bench-cost`: CPU time per event of Pricewax and of other engines, as a multiple of a loop without an
engine.

All of them run on a real Kafka, read the same events and write one update for each event. The broker shares the
cores, so the result is the CPU time of the engine's process; the rate is given beside it. Start-up and the first
events do not count, because just-in-time compilers work then. The updates of every run are read back and checked. A
wrong run does not count."""

import argparse
import statistics
import sys
import time
from math import sqrt

import msgspec
import psutil
from confluent_kafka import Consumer, TopicPartition
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.bench import Bench, Message, cpu_s, say_missed, scratch, write_report
from benchmarks.engines import ENGINES, EVERYTHING, KAFKA_ONLY, LOOP, QUIX, TEXTBOOK, Engine
from benchmarks.plots import plot_costs
from stack import kafka

WITHIN_S = 300.0
WARM_UP_EVENTS = 30_000
LOOK_EVERY_S = 0.1
WEIGHTS = {"view": 1.0, "cart": 3.0, "purchase": 5.0}

console = Console(stderr=True)


class Run(msgspec.Struct):
    """The result of one run. `problem`: the reason for which the run does not count, if there is one."""

    cpu_us: float
    events_per_s: float
    memory_mb: float
    problem: str | None = None


class Final(msgspec.Struct):
    """The expected content of a product's last update."""

    version: int
    demand: float
    price: float


class _Event(msgspec.Struct):
    event_type: str
    price: float


class _Update(msgspec.Struct):
    product_id: str
    new_price: float
    version: int
    demand: float


def make_events(bench: Bench, products: int, events: int) -> tuple[list[Message], dict[str, Final]]:
    """Make events spread over all products. Returns them, and the expected last update of each product."""
    start = time.time()
    # A step that shares no divisor with the number of products visits all of them.
    messages = [bench.event(index * 7919 % products, start) for index in range(events)]
    decode = msgspec.json.Decoder(_Event).decode
    finals: dict[str, Final] = {}
    for message in messages:
        event = decode(message["value"])
        final = finals.setdefault(message["key"], Final(0, 0.0, 0.0))
        final.version += 1
        final.demand += WEIGHTS[event.event_type]
        final.price = round(event.price + 5 * sqrt(final.demand), 2)
    return messages, finals


def check(bench: Bench, topic: str, events: int, finals: dict[str, Final]) -> str | None:
    """Read the updates of a topic and compare them with the expected ones. Returns the first problem, or None."""
    consumer = Consumer({"bootstrap.servers": bench.broker.brokers, "group.id": "check", "fetch.wait.max.ms": 10})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, index, 0) for index in partitions])
    decode = msgspec.json.Decoder(_Update).decode
    last: dict[str, _Update] = {}
    count = 0
    while count < events and (messages := consumer.consume(10_000, 1.0)):
        count += len(messages)
        for message in messages:
            update = decode(message.value() or b"")
            last[update.product_id] = update
    consumer.close()
    if count != events:
        return f"{count} updates for {events} events"
    for name, final in finals.items():
        found = last.get(name)
        # Engines that round in another way may differ by a cent.
        right = found and (found.version, found.demand) == (final.version, final.demand)
        if not (found and right and abs(found.new_price - final.price) < 0.011):
            return f"{name} ended with {found}, expected {final}"
    return None


def measure(bench: Bench, engine: Engine, messages: list[Message], finals: dict[str, Final]) -> Run:
    """Run one engine on the events; returns its result. Raises StartError if it ends or takes too long."""
    job = engine.start(bench)
    program = job.program
    events = len(messages)

    def done(count: int) -> bool:
        # A pause between two looks, so that looking takes little CPU time from the engine.
        time.sleep(LOOK_EVERY_S)
        return bench.count(job.target) >= count and job.is_complete(count)

    try:
        bench.produce(job.source, messages[:WARM_UP_EVENTS])
        program.wait_until(lambda: done(WARM_UP_EVENTS), WITHIN_S, "finish warming up")
        before, started = cpu_s(program.pid), time.monotonic()
        bench.produce(job.source, messages[WARM_UP_EVENTS:])
        program.wait_until(lambda: done(events), WITHIN_S, "finish")
        counted = events - WARM_UP_EVENTS
        run = Run(
            (cpu_s(program.pid) - before) / counted * 1e6,
            counted / (time.monotonic() - started),
            psutil.Process(program.pid).memory_info().rss / 1e6,
        )
        run.problem = check(bench, job.target, events, finals)
        return run
    finally:
        program.stop()


def main() -> int:
    """Run all rows, write the report; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make bench-cost", description=(__doc__ or "").split("`: ")[1])
    parser.add_argument("--events", type=int, default=230_000)
    parser.add_argument("--products", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--only", nargs="+", help="names of rows, the loop's is always there")
    options = parser.parse_args()
    engines = [each for each in ENGINES if not options.only or each is LOOP or each.name in options.only]
    missing = {each.name: problem for each in engines if (problem := each.prepare())}
    engines = [each for each in engines if each.name not in missing]
    results: dict[tuple[str, int], list[Run]] = {}
    with scratch() as folder, Progress(console=console) as progress:
        task = progress.add_task("bench", total=len(engines) * len(options.products) * options.repeat)
        with Bench(folder) as bench:
            for _ in range(options.repeat):
                for products in options.products:
                    messages, finals = make_events(bench, products, options.events)
                    for engine in engines:
                        progress.update(task, description=f"{engine.name}, {products:,} products")
                        run = measure(bench, engine, messages, finals)
                        results.setdefault((engine.name, products), []).append(run)
                        progress.advance(task)
                        progress.console.print(
                            f"{engine.name:24} {products:>9,} products  {run.cpu_us:6.2f} us/event"
                            f"  {run.events_per_s:9,.0f} events/s  {run.memory_mb:5.0f} MB  {run.problem or ''}"
                        )
    return report(results, missing, options.events, options.repeat)


def ratio_of(results: dict[tuple[str, int], list[Run]], name: str, other: str, products: int) -> float:
    """Return the CPU time of row `name` divided by that of row `other`: the median of the pairs that ran side by
    side."""
    pairs = zip(results[name, products], results[other, products], strict=True)
    return statistics.median(run.cpu_us / beside.cpu_us for run, beside in pairs)


def targets(results: dict[tuple[str, int], list[Run]], sizes: list[int]) -> list[tuple[str, float, float]]:
    """Return a text, the ratio that was found, and the ratio that it must not exceed, for each target."""
    found = []
    for products in sizes:
        for name, limit in ((KAFKA_ONLY.name, 1.5), (EVERYTHING.name, 2.0)):
            if (name, products) in results:
                ratio = ratio_of(results, name, LOOP.name, products)
                found.append((f"{name}, {products:,} products: times the loop", ratio, limit))
        for other, least in ((TEXTBOOK.name, 4.0 if products <= 1_000 else 6.0), (QUIX.name, 6.0)):
            if (other, products) in results and (KAFKA_ONLY.name, products) in results:
                share = 1 / ratio_of(results, other, KAFKA_ONLY.name, products)
                text = f"Kafka only against {other}, {products:,} products: its share of the CPU"
                found.append((text, share, 1 / least))
    small, large = min(sizes), max(sizes)
    if (EVERYTHING.name, large) in results and large > small:
        cost = [statistics.median(run.cpu_us for run in results[EVERYTHING.name, each]) for each in (large, small)]
        found.append((f"everything on: {large:,} products against {small:,}", cost[0] / cost[1], 1.5))
    return found


def report(runs: dict[tuple[str, int], list[Run]], missing: dict[str, str], events: int, repeat: int) -> int:
    """Write the tables and print the missed targets. Returns 1 if a run of Pricewax or of the loop was wrong."""
    header = ["row", "products", "CPU us/event", "spread", "times the loop", "events/s", "memory MB"]
    wrong = {key: found[0] for key, each in runs.items() if (found := [run.problem for run in each if run.problem])}
    said = {key: f"{key[0]}, {key[1]:,} products: {problem}" for key, problem in wrong.items()}
    ours_wrong = [text for (name, _), text in said.items() if name in (LOOP.name, KAFKA_ONLY.name, EVERYTHING.name)]
    # Costs are multiples of the loop's, so a wrong loop makes all rows of its size useless.
    results = {
        (name, products): each
        for (name, products), each in runs.items()
        if (name, products) not in wrong and (LOOP.name, products) not in wrong
    }
    sizes = sorted({products for _, products in results})
    rows = []
    for products in sizes:
        for engine in ENGINES:
            if (engine.name, products) not in results:
                continue
            runs_of = results[engine.name, products]
            cpu = [run.cpu_us for run in runs_of]
            rows.append(
                [
                    engine.name,
                    f"{products:,}",
                    f"{statistics.median(cpu):.2f}",
                    f"{min(cpu):.2f} to {max(cpu):.2f}",
                    f"{ratio_of(results, engine.name, LOOP.name, products):.2f}",
                    f"{statistics.median(run.events_per_s for run in runs_of):,.0f}",
                    f"{statistics.median(run.memory_mb for run in runs_of):.0f}",
                ]
            )
    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    asked = targets(results, sizes)
    missed = [f"{text} {found:.3g}, target {limit:.3g}" for text, found, limit in asked if found > limit]
    lines = [
        "# CPU per event",
        "",
        f"{events - WARM_UP_EVENTS:,} events after {WARM_UP_EVENTS:,} that do not count, median of {repeat}"
        f" interleaved runs, Kafka {kafka.VERSION}; by `make bench-cost`. CPU is that of the engine's process. The"
        " updates of every run were read back; a row with a wrong one does not count.",
        "",
        *[f"* {engine.name}: {engine.what}." for engine in ENGINES],
        "",
        "Events are spread evenly over the products; where there are fewer events, each is of another product.",
        "",
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        "![CPU per event, in multiples of the loop](cpu-per-event.svg)",
        "",
        *[f"Not measured: {name}: {problem}." for name, problem in missing.items()],
        *[f"Wrong, and so not counted: {text}." for text in said.values()],
        *[
            f"* {'missed' if found > limit else 'met'}: {text} {found:.3g} (at most {limit:.3g})"
            for text, found, limit in asked
        ],
    ]
    plain = [
        {"row": name, "products": products, "runs": [msgspec.to_builtins(run) for run in each]}
        for (name, products), each in runs.items()
    ]
    write_report("cpu-per-event", lines, plain)
    costs = {
        engine.name: {
            f"{products:,} products": ratio_of(results, engine.name, LOOP.name, products)
            for products in sizes
            if (engine.name, products) in results
        }
        for engine in ENGINES
    }
    costs = {name: found for name, found in costs.items() if found}
    plot_costs("cpu-per-event", "CPU per event", costs, "times the engine-free loop")
    say_missed([*missed, *ours_wrong])
    return 1 if ours_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
