"""The pace of tools: prepared events go to Kafka at a chosen rate, with a progress bar on a terminal."""

import argparse
import signal
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import cast

import msgspec
from confluent_kafka import KafkaException
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

import telemetry
from clients.kafka import ClientOptions, client_options, make_producer
from clients.kafka_topics import ensure_topics
from connectors.generators.ticks import TIME_FIELD
from connectors.generators.timed import Timed
from core.errors import SettingsError, StoppedError
from settings import Settings, exit_bad_setting, load_settings
from tools.lag import LagLimit

KAFKA_WITHIN_S = 30.0
"""Seconds after which a tool gives up on a Kafka that does not answer, or that confirms nothing."""

STOP_GRACE_S = 2.0
"""Seconds after a signal in which a tool may still send what it has queued."""

KAFKA_HELP = (
    "The tool uses the Kafka of the environment: KAFKA_BROKERS (default: localhost:9092; `make demo` prints its)"
    " and KAFKA_OPTIONS."
)

TICK_S = 0.005
LAG_POLL_S = 0.1

_encode = msgspec.json.Encoder().encode


class Pace(msgspec.Struct, frozen=True):
    """The speed of sending. `rate`: events a second. `speed_up`: how many times faster than event time. If both are
    None, events go as fast as Kafka takes them. `rate_max`: a limit in events a second; what is due earlier is sent
    later."""

    rate: float | None = None
    speed_up: float | None = None
    rate_max: float | None = None


def add_pace_arguments(parser: argparse.ArgumentParser, default: str) -> None:
    """Add `--rate`, `--speed-up` and `--flat-out`. default: the words of the help for the pace without them."""
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--rate", type=_positive, metavar="N", help=f"events a second (default: {default})")
    pace.add_argument("--speed-up", type=_positive, metavar="X", help="follow event time, X times as fast")
    pace.add_argument("--flat-out", action="store_true", help="as fast as Kafka takes them")
    parser.add_argument("--rate-max", type=_positive, metavar="N", help="events a second, at most")
    parser.add_argument(
        "--lag-max",
        type=_positive,
        metavar="N",
        help="wait while the flow is more than N messages behind, as FLOW_METRICS says, or does not answer",
    )


def pace_of(arguments: argparse.Namespace, speed_up: float) -> Pace:
    """Return the pace that the parsed arguments ask for. speed_up: the one for arguments that name no pace."""
    if arguments.flat_out:
        return Pace(rate_max=arguments.rate_max)
    if arguments.rate:
        return Pace(rate=arguments.rate, rate_max=arguments.rate_max)
    return Pace(speed_up=arguments.speed_up or speed_up, rate_max=arguments.rate_max)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError("takes a number above 0")
    return value


def start_tool() -> tuple[Settings, threading.Event]:
    """Start a tool that connects to Kafka: returns its settings, and an event that SIGTERM or SIGINT sets. It also
    configures the log. A bad setting ends the process."""
    try:
        settings = load_settings()
    except SettingsError as error:
        exit_bad_setting(error)
    telemetry.configure_logging(settings.log_level, settings.log_format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return settings, stop


class EventProducer:
    """A Kafka producer of JSON events, for a shop or for a market. It makes the missing topics of that flow, or
    `topics`, at its start. Kafka confirms each event; `poll` and `close` raise KafkaException if it refused one.
    The constructor and `send` raise TimeoutError if Kafka does not answer for `KAFKA_WITHIN_S`."""

    def __init__(
        self,
        settings: Settings,
        stop: threading.Event,
        lag_max: float | None = None,
        *,
        market: bool = False,
        topics: dict[str, dict[str, str]] | None = None,
    ) -> None:
        self._stop = stop
        self._time_field = TIME_FIELD if market else "timestamp"
        self._lag = LagLimit(settings.flow_metrics.split(","), lag_max) if lag_max else None
        client = client_options(settings.kafka_brokers, settings.kafka_client_options)
        wait_for_topics(client, settings, stop, topics or (settings.market_topics if market else None))
        self._producer = make_producer(client, {"linger.ms": 5})
        self._failure: KafkaException | None = None

    def send(self, topic: str, key: str, event: dict[str, object]) -> None:
        """Queue one event as JSON. Blocks while the producer's queue is full. Raises StoppedError if the tool is
        told to stop meanwhile."""
        until_s = None
        while True:
            try:
                self._producer.produce(topic, _encode(event), key, on_delivery=self._on_delivery)
                return
            except BufferError:
                until_s = until_s or time.monotonic() + KAFKA_WITHIN_S
                self._producer.poll(0.05)
            if self._stop.is_set():
                raise StoppedError
            if time.monotonic() >= until_s:
                raise TimeoutError(f"Kafka has confirmed nothing for {KAFKA_WITHIN_S:.0f} s")

    def poll(self) -> None:
        """Handle confirmations that have come. Raises KafkaException if Kafka refused an event."""
        self._producer.poll(0)
        if self._failure:
            raise self._failure

    def close(self) -> None:
        """Wait until Kafka has confirmed all events. Raises KafkaException or, after `KAFKA_WITHIN_S`,
        TimeoutError."""
        waiting = self._producer.flush(KAFKA_WITHIN_S)
        if self._failure:
            raise self._failure
        if waiting:
            raise TimeoutError(f"Kafka has not confirmed {waiting} events within {KAFKA_WITHIN_S:.0f} s")

    def _on_delivery(self, error: object, _message: object) -> None:
        if error is not None:
            self._failure = KafkaException(error)

    def send_paced(
        self,
        topic: str,
        events: Iterable[Timed],
        total: int | None,
        pace: Pace,
        *,
        stamp_now: bool = False,
        topics: Mapping[str, str] | None = None,
    ) -> int:
        """Send events in order until their end or until `stop` is set; returns how many were sent. `total` is for
        the progress bar; None if it is not known. With `stamp_now`, an event's time stamp is the time at which it
        is sent. Without it, that time is the latest time stamp: an event from the future is a dead letter. topics:
        for events of several topics, the name of an event's first field, which is its time, to its topic; `topic`
        is then only a name."""
        sent = 0
        schedule = _Schedule(pace)
        bar = progress_bar()
        with bar or nullcontext():
            task = bar.add_task(topic, total=total) if bar else None
            for at_ms, key, event in events:
                schedule.next(at_ms)
                while (wait := schedule.wait_s()) > TICK_S and not self._stop.is_set():
                    self.poll()
                    self._stop.wait(min(wait, 0.1))
                if self._stop.is_set():
                    break
                now_ms = time.time_ns() // 1_000_000
                time_field = next(iter(event)) if topics else self._time_field
                if stamp_now or cast(int, event[time_field]) > now_ms:
                    event[time_field] = now_ms
                self.send(topics[time_field] if topics else topic, key, event)
                sent += 1
                if sent % 100 == 0:
                    self.poll()
                    schedule.shift(self._wait_for_the_flow())
                    if bar and task is not None:
                        bar.update(task, completed=sent)
            if bar and task is not None:
                bar.update(task, completed=sent)
        return sent

    def _wait_for_the_flow(self) -> float:
        """Wait while the flow is too far behind; returns the seconds that this took."""
        if self._lag is None:
            return 0.0
        started = time.monotonic()
        while self._lag.is_exceeded() and not self._stop.is_set():
            self.poll()
            self._stop.wait(LAG_POLL_S)
        return time.monotonic() - started


def wait_for_topics(
    client: ClientOptions,
    settings: Settings,
    stop: threading.Event,
    topics: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Make those of `topics` that are missing; without it, those of the pricing flow. Raises TimeoutError if Kafka
    does not answer, and StoppedError if `stop` is set."""
    gives_up = threading.Event()
    timer = threading.Timer(KAFKA_WITHIN_S, gives_up.set)
    timer.daemon = True
    timer.start()
    try:
        ensure_topics(client, settings.topics if topics is None else topics, _Either(stop, gives_up))
    except StoppedError:
        if stop.is_set():
            raise
        waited = f"{KAFKA_WITHIN_S:.0f} s"
        raise TimeoutError(
            f"Kafka at {settings.kafka_brokers} (KAFKA_BROKERS) does not answer within {waited}"
        ) from None
    finally:
        timer.cancel()


class _Either(threading.Event):
    """An event that is set if one of two others is."""

    def __init__(self, first: threading.Event, second: threading.Event) -> None:
        super().__init__()
        self._events = first, second

    def is_set(self) -> bool:
        return any(event.is_set() for event in self._events)

    def wait(self, timeout: float | None = None) -> bool:
        self._events[0].wait(timeout)
        return self.is_set()


class _Schedule:
    """The times at which events are due, in seconds after the start. Used by one thread."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._started = time.monotonic()
        self._first_ms: int | None = None
        self._count = 0
        self._due_s = 0.0

    def next(self, at_ms: int) -> None:
        """Take the next event, by its event time in milliseconds."""
        if self._first_ms is None:
            self._first_ms = at_ms
        pace, before_s = self._pace, self._due_s
        if pace.rate:
            self._due_s = self._count / pace.rate
        elif pace.speed_up:
            self._due_s = (at_ms - self._first_ms) / 1000 / pace.speed_up
        if pace.rate_max and self._count:
            self._due_s = max(self._due_s, before_s + 1 / pace.rate_max)
        self._count += 1

    def wait_s(self) -> float:
        """The seconds until the event is due; below 0 if it is overdue."""
        return self._started + self._due_s - time.monotonic()

    def shift(self, seconds: float) -> None:
        """Move all that follows, so that a pause is followed by no burst."""
        self._started += seconds


def progress_bar() -> Progress | None:
    """Return a progress bar if standard error is a terminal, otherwise None, so that logs stay readable."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console)
