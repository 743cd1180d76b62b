"""`python -m tools.replay FILE`: real invoices as product events, at the pace of the day or faster."""

import argparse
import sys
import threading
from pathlib import Path

from confluent_kafka import KafkaException

from connectors.generators.day import events_of_day, shifts, without_pauses
from connectors.generators.funnel import PURCHASES_PER_VIEW
from connectors.generators.invoices import catalogue_of, read_invoices
from core.errors import StoppedError
from settings import Settings
from tools.interrupts import run_interruptibly
from tools.pacing import KAFKA_HELP, STOP_GRACE_S, EventProducer, add_pace_arguments, pace_of, start_tool

SPEED_UP = 60.0
PAUSE_MAX_MS = 60_000
"""With `--skip-closed`; in event time."""
VIEWS_PER_PURCHASE = 1 / PURCHASES_PER_VIEW


def main(arguments: list[str] | None = None) -> int:
    """Send the catalogue and the events of the files; returns the exit code."""
    options = _parser().parse_args(arguments)
    settings, stop = start_tool()
    return run_interruptibly("replay", lambda: _run(options, settings, stop), stop, grace_s=STOP_GRACE_S)


def _run(options: argparse.Namespace, settings: Settings, stop: threading.Event) -> int:
    try:
        lines = [line for path in options.files for line in read_invoices(path)]
        producer = EventProducer(settings, stop, options.lag_max)
        if not options.no_catalogue:
            for entry in catalogue_of(lines):
                producer.send(settings.product_catalogue_topic, str(entry["product_id"]), entry)
        topic = options.topic or settings.product_events_topic
        sent = 0
        for shift_ms in shifts(lines, options.loop):
            events = events_of_day(lines, shift_ms, options.views, options.seed)
            if options.skip_closed:
                events = without_pauses(events, PAUSE_MAX_MS)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.replay", description=__doc__.split(": ")[1], epilog=KAFKA_HELP
    )
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="CSV in the UCI Online Retail layout, also as .gz"
    )
    add_pace_arguments(parser, SPEED_UP)
    parser.add_argument("--loop", action="store_true", help="start again at the end, a day later in event time")
    parser.add_argument(
        "--skip-closed",
        action="store_true",
        help="send at once what follows a pause of over a minute in event time",
    )
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
