"""`python -m connectors.replay FILE`: real invoices as product events, at the pace of the day or faster."""

import argparse
import heapq
import itertools
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from confluent_kafka import KafkaException

from connectors.funnel import LOOKED_AT_BEFORE_MS, PURCHASES_PER_VIEW, events_before
from connectors.invoices import InvoiceLine, catalogue_of, purchase_event, read_invoices
from connectors.pacing import EventProducer, Timed, add_pace_arguments, pace_of, start_tool
from connectors.topics import StoppedError
from core.timestamps import DAY_MS

SPEED_UP = 60.0
VIEWS_PER_PURCHASE = 1 / PURCHASES_PER_VIEW


def events_of_day(lines: list[InvoiceLine], shift_ms: int, views_per_purchase: float, seed: int) -> Iterator[Timed]:
    """Every line as a purchase, valid or not, with the funnel before the sales, in order of event time."""
    generator = random.Random(seed)  # noqa: S311
    tie = itertools.count()
    waiting: list[tuple[int, int, str, dict[str, object]]] = []
    for line in sorted(lines, key=lambda line: line.event_time_ms):
        at_ms = line.event_time_ms + shift_ms
        # No funnel reaches further back than this, so what is older can go.
        while waiting and waiting[0][0] <= at_ms - LOOKED_AT_BEFORE_MS:
            yield _timed(heapq.heappop(waiting))
        purchase = purchase_event(line, shift_ms)
        heapq.heappush(waiting, (at_ms, next(tie), line.stock_code, purchase))
        if line.is_sale and views_per_purchase > 0:
            for before_ms, event in events_before(purchase, at_ms, generator, views_per_purchase):
                heapq.heappush(waiting, (before_ms, next(tie), line.stock_code, event))
    while waiting:
        yield _timed(heapq.heappop(waiting))


def _timed(entry: tuple[int, int, str, dict[str, object]]) -> Timed:
    at_ms, _, key, event = entry
    return at_ms, key, event


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    settings, stop = start_tool()
    try:
        lines = [line for path in options.files for line in read_invoices(path)]
        producer = EventProducer(settings, stop)
        if not options.no_catalogue:
            for entry in catalogue_of(lines):
                producer.send(settings.product_catalogue_topic, str(entry["product_id"]), entry)
        topic = options.topic or settings.product_events_topic
        sent = 0
        for shift_ms in _shifts(lines, options.loop):
            events = events_of_day(lines, shift_ms, options.views, options.seed)
            total = None if options.views else len(lines)
            sent += producer.send_paced(topic, events, total, pace_of(options), stamp_now=options.stamp_now)
            if stop.is_set():
                break
        producer.close()
    except StoppedError:
        return 0
    except (OSError, ValueError, KafkaException) as error:
        print(f"replay: {error}", file=sys.stderr)
        return 1
    print(f"replay: {sent} events sent to {topic}", file=sys.stderr)
    return 0


def _shifts(lines: list[InvoiceLine], loop: bool) -> Iterator[int]:
    """Event-time shifts of each round: a loop goes on where the last ended, whole days later."""
    times = [line.event_time_ms for line in lines]
    days = 1 + (max(times) - min(times)) // DAY_MS if times else 1
    shift_ms = 0
    yield shift_ms
    while loop:
        shift_ms += days * DAY_MS
        yield shift_ms


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m connectors.replay", description=__doc__.split(": ")[1])
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="CSV in the UCI Online Retail layout")
    add_pace_arguments(parser, SPEED_UP)
    parser.add_argument("--loop", action="store_true", help="start again at the end, a day later in event time")
    parser.add_argument(
        "--views",
        type=float,
        default=0.0,
        metavar="N",
        help=f"views before each purchase, on average, with carts in proportion (a shop: {VIEWS_PER_PURCHASE:.0f};"
        " default: 0, purchases only)",
    )
    parser.add_argument(
        "--stamp-now", action="store_true", help="event times are those of sending, not those of the day"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the views and carts (default: 1)")
    parser.add_argument("--topic", help="default: PRODUCT_EVENTS_TOPIC")
    parser.add_argument("--no-catalogue", action="store_true", help="do not send the products to the catalogue")
    return parser


if __name__ == "__main__":
    sys.exit(main())
