"""`python -m tools.demand_history FILE… --end TIME`: the past of a shop for the flow of forecasts. Purchases and
cancellations of invoices are sent as events of demand, moved so that TIME is now."""

import argparse
import sys
import threading
import time
from pathlib import Path

from confluent_kafka import KafkaException

from connectors.generators.invoices import read_invoices
from core.errors import StoppedError
from core.timestamps import DAY_MS
from forecasting.commands import argument, moment_of
from forecasting.demand import is_product
from settings import Settings
from tools.interrupts import run_interruptibly
from tools.pacing import KAFKA_HELP, STOP_GRACE_S, EventProducer, start_tool

DAYS = 56
POLL_EVERY = 1000


def main(arguments: list[str] | None = None) -> int:
    """Send the events; returns the exit code."""
    options = _parser().parse_args(arguments)
    settings, stop = start_tool()
    return run_interruptibly("demand_history", lambda: _run(options, settings, stop), stop, grace_s=STOP_GRACE_S)


def events_of(paths: list[Path], end_ms: int, days: int, times: int, now_ms: int) -> list[dict[str, object]]:
    """Events of the days before `end_ms`, as if that were `now_ms`. times: units of each line, as a multiple.
    Raises OSError and ValueError."""
    shift_ms = now_ms - end_ms
    events: list[dict[str, object]] = []
    for line in (line for path in paths for line in read_invoices(path)):
        is_recent = end_ms - days * DAY_MS <= line.event_time_ms < end_ms
        if not is_recent or not line.quantity or not is_product(line.stock_code):
            continue
        if line.quantity > 0 and not line.price:
            continue
        # Returns that cancel no sale do nothing: the flow knows which sale a cancellation is of.
        event: dict[str, object] = {
            "event_type": "purchase" if line.quantity > 0 else "cancel",
            "product_id": line.stock_code,
            "timestamp": line.event_time_ms + shift_ms,
            "quantity": abs(line.quantity) * times,
        }
        if line.customer:
            event["user_id"] = line.customer
        events.append(event)
    if not events:
        raise ValueError("no invoice is of these days")
    return events


def _run(options: argparse.Namespace, settings: Settings, stop: threading.Event) -> int:
    try:
        now_ms = time.time_ns() // 1_000_000
        events = events_of(options.files, options.end, options.days, options.times, now_ms)
        producer = EventProducer(settings, stop, topics=settings.forecasting_topics)
        for number, event in enumerate(events):
            producer.send(settings.demand_events_topic, str(event["product_id"]), event)
            if number % POLL_EVERY == 0:
                producer.poll()
        producer.close()
    except StoppedError:
        return 0
    except (OSError, ValueError, KafkaException) as error:
        print(f"demand_history: {error}", file=sys.stderr)
        return 1
    print(f"demand_history: {len(events)} events sent to {settings.demand_events_topic}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.demand_history", description=__doc__.split(": ")[1], epilog=KAFKA_HELP
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="invoices, CSV, also as .gz")
    parser.add_argument(
        "--end", type=argument(moment_of), required=True, metavar="TIME", help="the moment of the files that is now"
    )
    parser.add_argument("--days", type=int, default=DAYS, metavar="N", help=f"days before it (default: {DAYS})")
    parser.add_argument(
        "--times", type=int, default=1, metavar="N", help="units of each line, as a multiple (default: 1)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
