"""The pace of tools: a largest rate, pauses for a flow that is behind, no silence, no time stamp in the future."""

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from typing import Any

import pytest

from connectors.generators.day import events_of_day
from connectors.generators.invoices import read_invoices
from connectors.generators.timed import without_pauses
from settings import load_settings
from tests.support.pipeline import ROOT
from tools import lag, pacing
from tools.lag import LagLimit
from tools.pacing import EventProducer, Pace, _Schedule

DAYS = [ROOT / "data" / f"online-retail-2011-12-{day}.csv" for day in ("05", "08")]


class Metrics(BaseHTTPRequestHandler):
    text = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(Metrics.text.encode())

    def log_message(self, *_: object) -> None:
        """No lines in the test's output."""


@contextlib.contextmanager
def flow_with_lag(*messages: int) -> Iterator[str]:
    Metrics.text = "".join(
        f'pricewax_consumer_lag_messages{{topic="t",partition="{number}"}} {count}.0\n'
        for number, count in enumerate(messages)
    )
    server = HTTPServer(("127.0.0.1", 0), Metrics)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_lag_that_is_not_known_holds_the_tool_up() -> None:
    with flow_with_lag(1) as address:
        Metrics.text += 'pricewax_consumer_lag_messages{topic="t",partition="9"} NaN\n'
        assert LagLimit([address], 10).is_exceeded()


def due_times(pace: Pace, times_ms: list[int]) -> list[float]:
    schedule = _Schedule(pace)
    due = []
    for at_ms in times_ms:
        schedule.next(at_ms)
        due.append(schedule._due_s)
    return due


def test_events_follow_event_time_or_a_rate() -> None:
    assert due_times(Pace(speed_up=60), [1000, 61_000, 121_000]) == [0, 1, 2]
    assert due_times(Pace(rate=4), [1000, 61_000, 121_000]) == [0, 0.25, 0.5]
    assert due_times(Pace(), [1000, 61_000]) == [0, 0]


def test_a_burst_is_spread_by_the_largest_rate() -> None:
    burst = [0] * 5 + [60_000, 120_000]
    assert due_times(Pace(speed_up=60, rate_max=2), burst) == [0, 0.5, 1, 1.5, 2, 2.5, 3]
    assert due_times(Pace(rate_max=10), [0, 0, 0]) == [0, 0.1, 0.2]


def test_a_pause_is_followed_by_no_burst() -> None:
    schedule = _Schedule(Pace(speed_up=60, rate_max=100))
    schedule.next(0)
    schedule.shift(3600)
    schedule.next(60_000)
    assert 3600 < schedule.wait_s() <= 3601


def test_two_days_of_a_shop_leave_no_minute_without_an_event() -> None:
    lines = [line for path in DAYS for line in read_invoices(path)]
    times = [at_ms for at_ms, _, _ in events_of_day(lines, 0, 1.0, 1)]
    assert max(later - earlier for earlier, later in pairwise(times)) > 60 * 3_600_000
    kept = list(without_pauses(events_of_day(lines, 0, 1.0, 1), 60_000))
    sent = [at_ms for at_ms, _, _ in kept]
    assert max(later - earlier for earlier, later in pairwise(sent)) == 60_000
    assert sent == sorted(sent)
    assert len(sent) == len(times)
    # Only the pace changes: the time stamps are those of the shop.
    assert kept[-1][2]["timestamp"] == times[-1]


def test_the_limit_of_the_lag_is_that_of_all_partitions() -> None:
    with flow_with_lag(30, 21) as address:
        assert LagLimit([address], 50).is_exceeded()
        assert not LagLimit([address], 51).is_exceeded()
        assert LagLimit([address, address], 100).is_exceeded()


def test_a_flow_that_does_not_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "LOOK_EVERY_S", 0.0)
    with flow_with_lag(0) as address:
        limit = LagLimit([address], 50)
        assert not limit.is_exceeded()
    assert limit.is_exceeded()


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with flow_with_lag(0) as address:
        assert not LagLimit([address], 50).is_exceeded()


class Producer:
    def __init__(self) -> None:
        self.values: list[bytes] = []

    def produce(self, _topic: str, value: bytes, _key: str, on_delivery: object) -> None:
        self.values.append(value)

    def poll(self, _seconds: float) -> None:
        pass


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> Producer:
    fake = Producer()
    monkeypatch.setattr(pacing, "ensure_topics", lambda *_: None)
    monkeypatch.setattr(pacing, "make_producer", lambda *_: fake)
    return fake


def events(count: int, at_ms: int) -> Iterator[tuple[int, str, dict[str, Any]]]:
    for number in range(count):
        yield at_ms + number, "A", {"timestamp": at_ms + number}


def test_no_time_stamp_is_in_the_future(producer: Producer) -> None:
    sender = EventProducer(load_settings(), threading.Event())
    past_ms, future_ms = 1_300_000_000_000, time.time_ns() // 1_000_000 + 3_600_000
    sender.send_paced("t", [*events(1, past_ms), *events(1, future_ms)], None, Pace())
    past, now = (int(value[13:-1]) for value in producer.values)
    assert past == past_ms
    assert now <= time.time_ns() // 1_000_000


def test_a_tool_waits_while_the_flow_is_behind_and_stops_when_asked(
    producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    with flow_with_lag(1000) as address:
        monkeypatch.setenv("FLOW_METRICS", address)
        sender = EventProducer(load_settings(), stop, lag_max=10)
        sending = threading.Thread(target=sender.send_paced, args=("t", events(100_000, 0), None, Pace()))
        sending.start()
        time.sleep(0.5)
        waiting = len(producer.values)
        stop.set()
        sending.join(5)
    assert not sending.is_alive()
    assert waiting == 100
