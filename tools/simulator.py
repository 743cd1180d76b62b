"""`python -m tools.simulator`: events of a simulated shop, or ticks of a simulated market, without data. Products
and symbols have a Zipf-like popularity; the rate follows the hours of a day. In the shop, views become carts and
purchases. With --signals, it has stock, clicks, competitors and orders, and its customers buy less at a higher
price: they see those of price-updates. In the market, prices are random walks with jumps, and volumes have bursts.
The same seed gives the same events."""

import argparse
import itertools
import sys
import threading
import time
from collections.abc import Iterator

import psycopg
from confluent_kafka import KafkaException

from clients.kafka import client_options
from connectors.generators.live_shop import ELASTICITY, ORDER_TIME, LiveShop
from connectors.generators.market import SYMBOLS_MAX, simulate_market
from connectors.generators.shop import simulate
from connectors.generators.timed import Timed
from core.errors import SettingsError, StoppedError, describe_error
from settings import Settings
from tools.interrupts import run_interruptibly
from tools.pacing import (
    KAFKA_HELP,
    STOP_GRACE_S,
    EventProducer,
    add_pace_arguments,
    pace_of,
    start_tool,
    wait_for_topics,
)
from tools.seen_prices import SeenPrices
from tools.shop_tables import ShopTables

PRODUCTS = 1000
SYMBOLS = 50


def main(arguments: list[str] | None = None) -> int:
    """Send the simulated events; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.market and options.products:
        parser.error("--products is for the shop; a market has --symbols")
    if options.market and options.signals:
        parser.error("--signals is for the shop")
    if options.signals and options.topic:
        parser.error("--signals has a topic for each kind of signal")
    if options.tables and not options.signals:
        parser.error("--tables takes --signals")
    if options.symbols and not options.market:
        parser.error("--symbols takes --market")
    settings, stop = start_tool()
    return run_interruptibly("simulator", lambda: _run(options, settings, stop), stop, grace_s=STOP_GRACE_S)


def _run(options: argparse.Namespace, settings: Settings, stop: threading.Event) -> int:
    now_ms = time.time_ns() // 1_000_000
    topics = _topics_of(settings) if options.signals else None
    tables: ShopTables | None = None
    events: Iterator[Timed] = iter(())
    if options.signals:
        topic = "signals"
    elif options.market:
        topic = options.topic or settings.price_ticks_topic
        events = simulate_market(options.symbols or SYMBOLS, options.seed, now_ms)
    else:
        topic = options.topic or settings.product_events_topic
        events = simulate(options.products or PRODUCTS, options.seed, now_ms)
    try:
        producer = EventProducer(settings, stop, options.lag_max, market=options.market)
        if options.signals:
            shop = _open_shop(options, settings, stop)
            events = shop.events(now_ms)
            if options.tables:
                tables = ShopTables(settings.load_cdc_url(), (row for _, row in shop.catalogue()))
                events = _without_orders(events, tables)
            else:
                for key, row in shop.catalogue():
                    producer.send(settings.product_catalogue_topic, key, row)
        limited = events if options.loop else itertools.islice(events, options.events)
        total = None if options.loop else options.events
        sent = producer.send_paced(topic, limited, total, pace_of(options, 1.0), topics=topics)
        producer.close()
    except StoppedError:
        return 0
    except (OSError, KafkaException, psycopg.Error, SettingsError) as error:
        print(f"simulator: {describe_error(error)}", file=sys.stderr)
        return 1
    finally:
        if tables is not None:
            tables.close()
    print(f"simulator: {sent} events sent to {topic}", file=sys.stderr)
    return 0


def _topics_of(settings: Settings) -> dict[str, str]:
    return {
        "event_time": settings.web_clicks_topic,
        "ts": settings.competitor_prices_topic,
        "purchase_time": settings.purchases_topic,
        "restock_time": settings.restocks_topic,
        ORDER_TIME: settings.orders_topic,
    }


def _without_orders(events: Iterator[Timed], tables: ShopTables) -> Iterator[Timed]:
    """The events, without orders: these go to their table, from which the flow of tables takes them."""
    for event in events:
        if ORDER_TIME in event[2]:
            tables.add_order(event[2])
        else:
            yield event


def _open_shop(options: argparse.Namespace, settings: Settings, stop: threading.Event) -> LiveShop:
    """A shop whose customers see the prices of the flow."""
    client = client_options(settings.kafka_brokers, settings.kafka_client_options)
    wait_for_topics(client, settings, stop, settings.cdc_topics)
    prices = SeenPrices(client, settings.price_updates_topic, stop)
    prices.start()
    return LiveShop(options.products or PRODUCTS, options.seed, prices.price_of, elasticity=options.elasticity)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.simulator", description=__doc__.split(": ", 1)[1], epilog=KAFKA_HELP
    )
    parser.add_argument("--market", action="store_true", help="ticks of a market, not events of a shop")
    parser.add_argument("--signals", action="store_true", help="stock, clicks and competitors, not events")
    parser.add_argument(
        "--tables",
        action="store_true",
        help="with --signals: the catalogue and the orders go to tables of the Postgres of CDC_URL",
    )
    parser.add_argument(
        "--elasticity",
        type=float,
        default=ELASTICITY,
        metavar="E",
        help=f"of the purchases with --signals: (price / base price) ** -E (default: {ELASTICITY})",
    )
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
