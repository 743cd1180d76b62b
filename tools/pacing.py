"""The pace of tools: prepared events go to Kafka at a chosen rate, with a progress bar on a terminal."""

import argparse
import signal
import threading
import time
from collections.abc import Iterable
from contextlib import nullcontext

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
from connectors.generators.funnel import Timed
from core.errors import SettingsError, StoppedError
from settings import Settings, exit_bad_setting, load_settings

KAFKA_WITHIN_S = 30.0
"""Seconds after which a tool gives up on a Kafka that does not answer, or that confirms nothing."""

STOP_GRACE_S = 2.0
"""Seconds after a signal in which a tool may still send what it has queued."""

TICK_S = 0.005

_encode = msgspec.json.Encoder().encode


class Pace(msgspec.Struct, frozen=True):
    """The speed of sending. `rate`: events a second. `speed_up`: how many times faster than event time. If both are
    None, events go as fast as Kafka takes them."""

    rate: float | None = None
    speed_up: float | None = None


def add_pace_arguments(parser: argparse.ArgumentParser, speed_up: float | None) -> None:
    """Add `--rate`, `--speed-up` and `--flat-out`. `speed_up` is the default; None means `--flat-out`."""
    default = f"event time, sped up {speed_up:g} times" if speed_up else "as fast as Kafka takes them"
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--rate", type=_positive, metavar="N", help=f"events a second (default: {default})")
    pace.add_argument(
        "--speed-up", type=_positive, default=speed_up, metavar="X", help="follow event time, X times as fast"
    )
    pace.add_argument("--flat-out", action="store_true", help="as fast as Kafka takes them")


def pace_of(arguments: argparse.Namespace) -> Pace:
    """Return the pace that the parsed arguments ask for."""
    if arguments.flat_out:
        return Pace()
    return Pace(rate=arguments.rate) if arguments.rate else Pace(speed_up=arguments.speed_up)


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
    """A Kafka producer of JSON events. It makes missing topics at its start. Kafka confirms each event; `poll` and
    `close` raise KafkaException if it refused one. The constructor and `send` raise TimeoutError if Kafka does not
    answer for `KAFKA_WITHIN_S`."""

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        self._stop = stop
        client = client_options(settings.kafka_brokers, settings.kafka_client_options)
        _ensure_topics(client, settings, stop)
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
        self, topic: str, events: Iterable[Timed], total: int | None, pace: Pace, *, stamp_now: bool = False
    ) -> int:
        """Send events in order until their end or until `stop` is set; returns how many were sent. `total` is for
        the progress bar; None if it is not known. With `stamp_now`, an event's time stamp is the time at which it
        is sent."""
        sent = 0
        started = time.monotonic()
        first_ms: int | None = None
        bar = progress_bar()
        with bar or nullcontext():
            task = bar.add_task(topic, total=total) if bar else None
            for at_ms, key, event in events:
                first_ms = at_ms if first_ms is None else first_ms
                due = _due(pace, sent, at_ms - first_ms)
                while (wait := started + due - time.monotonic()) > TICK_S and not self._stop.is_set():
                    self.poll()
                    self._stop.wait(min(wait, 0.1))
                if self._stop.is_set():
                    break
                if stamp_now:
                    event["timestamp"] = time.time_ns() // 1_000_000
                self.send(topic, key, event)
                sent += 1
                if sent % 100 == 0:
                    self.poll()
                    if bar and task is not None:
                        bar.update(task, completed=sent)
            if bar and task is not None:
                bar.update(task, completed=sent)
        return sent


def _ensure_topics(client: ClientOptions, settings: Settings, stop: threading.Event) -> None:
    """Make missing topics. Raises TimeoutError if Kafka does not answer, and StoppedError if `stop` is set."""
    gives_up = threading.Event()
    timer = threading.Timer(KAFKA_WITHIN_S, gives_up.set)
    timer.daemon = True
    timer.start()
    try:
        ensure_topics(client, settings.topics, _Either(stop, gives_up))
    except StoppedError:
        if stop.is_set():
            raise
        waited = f"{KAFKA_WITHIN_S:.0f} s"
        raise TimeoutError(f"Kafka at {settings.kafka_brokers} does not answer within {waited}") from None
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


def _due(pace: Pace, sent: int, event_ms: int) -> float:
    """Return the time at which an event is due, in seconds after the start."""
    if pace.rate:
        return sent / pace.rate
    return event_ms / 1000 / pace.speed_up if pace.speed_up else 0.0


def progress_bar() -> Progress | None:
    """Return a progress bar if standard error is a terminal, otherwise None, so that logs stay readable."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console)
