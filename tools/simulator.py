"""`python -m tools.simulator`: events of a simulated shop, without data. Products have a Zipf-like popularity;
views become carts and purchases; the rate follows the hours of a day. The same seed gives the same events."""

import argparse
import itertools
import sys
import threading
import time

from confluent_kafka import KafkaException

from connectors.generators.shop import simulate
from core.errors import StoppedError
from settings import Settings
from tools.interrupts import run_interruptibly
from tools.pacing import KAFKA_HELP, STOP_GRACE_S, EventProducer, add_pace_arguments, pace_of, start_tool


def main(arguments: list[str] | None = None) -> int:
    """Send the simulated events; returns the exit code."""
    options = _parser().parse_args(arguments)
    settings, stop = start_tool()
    return run_interruptibly("simulator", lambda: _run(options, settings, stop), stop, grace_s=STOP_GRACE_S)


def _run(options: argparse.Namespace, settings: Settings, stop: threading.Event) -> int:
    topic = options.topic or settings.product_events_topic
    events = simulate(options.products, options.seed, time.time_ns() // 1_000_000)
    try:
        producer = EventProducer(settings, stop, options.lag_max)
        limited = events if options.loop else itertools.islice(events, options.events)
        total = None if options.loop else options.events
        sent = producer.send_paced(topic, limited, total, pace_of(options))
        producer.close()
    except StoppedError:
        return 0
    except (OSError, KafkaException) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 1
    print(f"simulator: {sent} events sent to {topic}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.simulator", description=__doc__.split(": ", 1)[1], epilog=KAFKA_HELP
    )
    parser.add_argument("--products", type=_count, default=1000, help="how many products (default: 1000)")
    parser.add_argument("--events", type=_count, default=100_000, help="how many events (default: 100000)")
    parser.add_argument("--loop", action="store_true", help="go on until stopped")
    add_pace_arguments(parser, 1.0)
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same events (default: 1)")
    parser.add_argument("--topic", help="default: PRODUCT_EVENTS_TOPIC")
    return parser


def _count(text: str) -> int:
    value = int(text)
    if not 0 < value <= 10**9:
        raise argparse.ArgumentTypeError("takes a whole number above 0")
    return value


if __name__ == "__main__":
    sys.exit(main())
