"""`python -m tools.replay FILE`: recorded data at the pace of event time or faster. The invoices of a shop are sent
as product events, the trades of a market as ticks. The columns in the first line of a file show which of the two
it has."""

import argparse
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from confluent_kafka import KafkaException

from connectors.generators.day import events_of_day
from connectors.generators.funnel import PURCHASES_PER_VIEW
from connectors.generators.invoices import COLUMNS as INVOICE_COLUMNS
from connectors.generators.invoices import LAYOUTS, catalogue_of, invoices_of
from connectors.generators.tables import Table
from connectors.generators.timed import Timed, shifts, without_pauses
from connectors.generators.trades import COLUMNS as TRADE_COLUMNS
from connectors.generators.trades import ticks_of_trades, trades_of
from core.errors import StoppedError
from core.timestamps import DAY_MS
from settings import Settings
from tools.interrupts import run_interruptibly
from tools.pacing import KAFKA_HELP, STOP_GRACE_S, EventProducer, add_pace_arguments, pace_of, start_tool

INVOICES_SPEED_UP = 60.0
TRADES_SPEED_UP = 1.0
SECOND_MS = 1000
PAUSE_MAX_MS = 60_000
"""With `--skip-closed`; in event time."""
VIEWS_PER_PURCHASE = 1 / PURCHASES_PER_VIEW
SEED = 1
FOR_INVOICES = ("views", "seed", "no_catalogue")
"""Options that trades do not have."""


class _Recording(msgspec.Struct):
    """The contents of all files, ready to be sent.

    topic: of the events. times_ms: event times of the lines. step_ms: with `--loop`, rounds are multiples of it
    apart. events: those of a round, by the shift of its event times in milliseconds. total: the number of events of
    a round; None if it is not known. catalogue: messages that go before them."""

    topic: str
    times_ms: list[int]
    step_ms: int
    speed_up: float
    events: Callable[[int], Iterator[Timed]]
    total: int | None
    catalogue: list[dict[str, object]] = []
    is_market: bool = False


def main(arguments: list[str] | None = None) -> int:
    """Send the events of the files, and the catalogue of invoices; returns the exit code."""
    options = _parser().parse_args(arguments)
    settings, stop = start_tool()
    return run_interruptibly("replay", lambda: _run(options, settings, stop), stop, grace_s=STOP_GRACE_S)


def _run(options: argparse.Namespace, settings: Settings, stop: threading.Event) -> int:
    try:
        recording = _read(options, settings)
        producer = EventProducer(settings, stop, options.lag_max, market=recording.is_market)
        for entry in recording.catalogue:
            producer.send(settings.product_catalogue_topic, str(entry["product_id"]), entry)
        sent = 0
        pace = pace_of(options, recording.speed_up)
        for shift_ms in shifts(recording.times_ms, recording.step_ms, options.loop):
            events = recording.events(shift_ms)
            if options.skip_closed:
                events = without_pauses(events, PAUSE_MAX_MS)
            sent += producer.send_paced(recording.topic, events, recording.total, pace, stamp_now=options.stamp_now)
            if stop.is_set():
                break
        producer.close()
    except StoppedError:
        return 0
    except (OSError, ValueError, KafkaException) as error:
        print(f"replay: {error}", file=sys.stderr)
        return 1
    print(f"replay: {sent} events sent to {recording.topic}", file=sys.stderr)
    return 0


def _read(options: argparse.Namespace, settings: Settings) -> _Recording:
    """Raises OSError and ValueError."""
    tables = [Table(path) for path in options.files]
    kinds = {**dict.fromkeys(LAYOUTS, "invoices"), TRADE_COLUMNS: "trades"}
    for table in tables:
        if table.columns not in kinds:
            takes = f"{','.join(INVOICE_COLUMNS)} (invoices) or {','.join(TRADE_COLUMNS)} (trades)"
            raise ValueError(f"{table.path}, line 1: takes the columns {takes}")
        if table.columns != tables[0].columns:
            found = (f"{each.path} has {kinds[each.columns]}" for each in (tables[0], table))
            raise ValueError(f"takes files of one kind at a time: {', '.join(found)}")
    if tables[0].columns in LAYOUTS:
        return _invoices(tables, options, options.topic or settings.product_events_topic)
    for name in FOR_INVOICES:
        if getattr(options, name) is not None:
            raise ValueError(f"--{name.replace('_', '-')} is for invoices; {tables[0].path} has trades")
    return _trades(tables, options.topic or settings.price_ticks_topic)


def _invoices(tables: list[Table], options: argparse.Namespace, topic: str) -> _Recording:
    lines = [line for table in tables for line in invoices_of(table)]
    views = options.views or 0.0
    seed = SEED if options.seed is None else options.seed
    return _Recording(
        topic,
        [line.event_time_ms for line in lines],
        DAY_MS,
        INVOICES_SPEED_UP,
        lambda shift_ms: events_of_day(lines, shift_ms, views, seed),
        None if views else len(lines),
        [] if options.no_catalogue else catalogue_of(lines),
    )


def _trades(tables: list[Table], topic: str) -> _Recording:
    trades = [trade for table in tables for trade in trades_of(table)]
    return _Recording(
        topic,
        [trade.event_time_ms for trade in trades],
        SECOND_MS,
        TRADES_SPEED_UP,
        lambda shift_ms: ticks_of_trades(trades, shift_ms),
        len(trades),
        is_market=True,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.replay", description=__doc__.split(": ")[1], epilog=KAFKA_HELP
    )
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="CSV, also as .gz: invoices in the UCI Online Retail layout, or trades with the columns"
        f" {','.join(TRADE_COLUMNS)}; all files of one kind",
    )
    add_pace_arguments(
        parser,
        f"event time, that of invoices sped up {INVOICES_SPEED_UP:g} times and that of trades as it was",
    )
    parser.add_argument(
        "--loop",
        action="store_true",
        help="start again at the end, later in event time: whole days for invoices, whole seconds for trades",
    )
    parser.add_argument(
        "--skip-closed",
        action="store_true",
        help="send at once what follows a pause of over a minute in event time",
    )
    parser.add_argument(
        "--stamp-now", action="store_true", help="event times are those of sending, not those of the files"
    )
    parser.add_argument("--topic", help="default: PRODUCT_EVENTS_TOPIC; for trades PRICE_TICKS_TOPIC")
    shop = parser.add_argument_group("options for invoices only")
    shop.add_argument(
        "--views",
        type=float,
        metavar="N",
        help=f"views before each purchase, on average, with carts in proportion (a shop: {VIEWS_PER_PURCHASE:.0f};"
        " default: 0, purchases only)",
    )
    shop.add_argument("--seed", type=int, help=f"of the views and carts (default: {SEED})")
    shop.add_argument(
        "--no-catalogue", action="store_true", default=None, help="do not send the products to the catalogue"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
