"""`python -m tools.simulator`: events of a simulated shop, or ticks of a simulated market, without data. Products
and symbols have a Zipf-like popularity; the rate follows the hours of a day. In the shop, views become carts and
purchases. In the market, prices are random walks with jumps, and volumes have bursts. The same seed gives the same
events."""

import argparse
import itertools
import sys
import threading
import time

from confluent_kafka import KafkaException

from connectors.generators.market import SYMBOLS_MAX, simulate_market
from connectors.generators.shop import simulate
from core.errors import StoppedError
from settings import Settings
from tools.interrupts import run_interruptibly
from tools.pacing import KAFKA_HELP, STOP_GRACE_S, EventProducer, add_pace_arguments, pace_of, start_tool

PRODUCTS = 1000
SYMBOLS = 50


def main(arguments: list[str] | None = None) -> int:
    """Send the simulated events; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.market and options.products:
        parser.error("--products is for the shop; a market has --symbols")
    if options.symbols and not options.market:
        parser.error("--symbols takes --market")
    settings, stop = start_tool()
    return run_interruptibly("simulator", lambda: _run(options, settings, stop), stop, grace_s=STOP_GRACE_S)


def _run(options: argparse.Namespace, settings: Settings, stop: threading.Event) -> int:
    now_ms = time.time_ns() // 1_000_000
    if options.market:
        topic = options.topic or settings.price_ticks_topic
        events = simulate_market(options.symbols or SYMBOLS, options.seed, now_ms)
    else:
        topic = options.topic or settings.product_events_topic
        events = simulate(options.products or PRODUCTS, options.seed, now_ms)
    try:
        producer = EventProducer(settings, stop, options.lag_max, market=options.market)
        limited = events if options.loop else itertools.islice(events, options.events)
        total = None if options.loop else options.events
        sent = producer.send_paced(topic, limited, total, pace_of(options, 1.0))
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
    parser.add_argument("--market", action="store_true", help="ticks of a market, not events of a shop")
    parser.add_argument("--products", type=_count, help=f"how many products the shop has (default: {PRODUCTS})")
    parser.add_argument(
        "--symbols",
        type=_symbols,
        metavar="N",
        help=f"how many symbols the market has, at most {SYMBOLS_MAX} (default: {SYMBOLS})",
    )
    parser.add_argument(
        "--events", "--ticks", type=_count, default=100_000, help="how many events or ticks (default: 100000)"
    )
    parser.add_argument("--loop", action="store_true", help="go on until stopped")
    add_pace_arguments(parser, "that of event time")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same events (default: 1)")
    parser.add_argument("--topic", help="default: PRODUCT_EVENTS_TOPIC; for a market PRICE_TICKS_TOPIC")
    return parser


def _count(text: str) -> int:
    value = int(text)
    if not 0 < value <= 10**9:
        raise argparse.ArgumentTypeError("takes a whole number above 0")
    return value


def _symbols(text: str) -> int:
    value = int(text)
    if not 0 < value <= SYMBOLS_MAX:
        raise argparse.ArgumentTypeError(f"takes a whole number from 1 to {SYMBOLS_MAX}")
    return value


if __name__ == "__main__":
    sys.exit(main())
