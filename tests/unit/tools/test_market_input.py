"""Ticks from the tools: recorded and simulated, to their topic, keyed by symbol, at the pace that is asked for."""

import json
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from connectors.generators.invoices import COLUMNS as INVOICE_COLUMNS
from connectors.generators.timed import Timed
from connectors.generators.trades import COLUMNS
from settings import load_settings
from tools import pacing, replay, simulator
from tools.pacing import Pace

INVOICE = ",".join(INVOICE_COLUMNS) + "\n1,A,Mug,6,12/1/2010 8:26,2.55,17850,France\n"
FIRST_MS = 1_723_161_255_342
ROWS = (
    (FIRST_MS, "BTCUSDT", "61837.63", "0.02"),
    (FIRST_MS + 269, "ETHUSDT", "2683.80", "0.002"),
    (FIRST_MS + 269, "ETHUSDT", "2683.8", "0.0345"),
    (FIRST_MS + 300_000, "BTCUSDT", "61837.64", "1e-3"),
)


class Kafka:
    """Takes the place of the client. It sets `stop` after as many messages as `stop_after` says."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.stop_after: int | None = None
        self.topics: dict[str, Any] = {}
        self.sent: list[tuple[str, str, bytes]] = []

    def ensure_topics(self, _client: object, topics: dict[str, Any], _stop: object) -> None:
        self.topics = topics

    def produce(self, topic: str, value: bytes, key: str, on_delivery: object) -> None:
        self.sent.append((topic, key, value))
        if len(self.sent) == self.stop_after:
            self.stop.set()

    def poll(self, _seconds: float) -> int:
        return 0

    def flush(self, _seconds: float) -> int:
        return 0

    def times(self) -> list[int]:
        return [json.loads(value)["ts"] for _, _, value in self.sent]


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    fake = Kafka()
    monkeypatch.setattr(pacing, "ensure_topics", fake.ensure_topics)
    monkeypatch.setattr(pacing, "make_producer", lambda *_: fake)
    for tool in (replay, simulator):
        monkeypatch.setattr(tool, "start_tool", lambda: (load_settings(), fake.stop))
    return fake


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write(name: str, rows: tuple[tuple[int, str, str, str], ...] = ROWS) -> str:
        lines = [
            f"{at_ms},{symbol},{number},{price},{volume}"
            for number, (at_ms, symbol, price, volume) in enumerate(rows)
        ]
        path = tmp_path / name
        path.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
        return str(path)

    return write


def test_trades_go_to_their_topic_digit_by_digit(
    kafka: Kafka, write: Callable[..., str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRICE_TICKS_TOPIC", "ticks-in")
    assert replay.main([write("trades.csv"), "--flat-out"]) == 0
    assert kafka.sent == [
        ("ticks-in", symbol, f'{{"symbol":"{symbol}","price":{price},"volume":{volume},"ts":{at_ms}}}'.encode())
        for at_ms, symbol, price, volume in ROWS
    ]
    assert capsys.readouterr().err == "replay: 4 events sent to ticks-in\n"
    assert kafka.topics.keys() == load_settings().market_topics.keys()


def test_several_files_are_one_market(kafka: Kafka, write: Callable[..., str]) -> None:
    files = [write("later.csv", ROWS[2:]), write("first.csv", ROWS[:2])]
    assert replay.main([*files, "--flat-out", "--topic", "mine"]) == 0
    assert kafka.times() == [row[0] for row in ROWS]
    assert {topic for topic, _, _ in kafka.sent} == {"mine"}


def test_a_loop_goes_on_in_time(kafka: Kafka, write: Callable[..., str]) -> None:
    kafka.stop_after = 10
    assert replay.main([write("trades.csv"), "--flat-out", "--loop"]) == 0
    times = kafka.times()
    assert times == sorted(times)
    assert times[4] == FIRST_MS + 301_000
    assert times[8] == FIRST_MS + 602_000
    assert [key for _, key, _ in kafka.sent[4:8]] == [row[1] for row in ROWS]


def test_stamps_of_now(kafka: Kafka, write: Callable[..., str]) -> None:
    before_ms = time.time_ns() // 1_000_000
    assert replay.main([write("trades.csv"), "--flat-out", "--stamp-now"]) == 0
    assert before_ms <= min(kafka.times()) <= max(kafka.times()) <= time.time_ns() // 1_000_000


class Paced:
    """The pace of the last call of `send_paced`, and the times of sending in it."""

    pace: Pace | None = None
    times_ms: list[int] = []  # noqa: RUF012

    def send_paced(self, _topic: str, events: Iterable[Timed], total: int, pace: Pace, **_: object) -> int:
        Paced.pace, Paced.times_ms = pace, [at_ms for at_ms, _, _ in events]
        assert len(Paced.times_ms) == total
        return total


@pytest.mark.parametrize(
    ("arguments", "pace"),
    [
        ([], Pace(speed_up=1.0)),
        (["--speed", "60"], Pace(speed_up=60.0)),
        (["--rate", "500", "--rate-max", "600"], Pace(rate=500.0, rate_max=600.0)),
    ],
)
def test_trades_keep_the_pace_of_event_time(
    kafka: Kafka, write: Callable[..., str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], pace: Pace
) -> None:
    monkeypatch.setattr(pacing.EventProducer, "send_paced", Paced.send_paced)
    path = write("trades.csv")
    assert replay.main([path, *arguments]) == 0
    assert Paced.pace == pace
    assert [at_ms - FIRST_MS for at_ms in Paced.times_ms] == [0, 269, 269, 300_000]
    assert replay.main([path, *arguments, "--skip-closed"]) == 0
    assert [at_ms - FIRST_MS for at_ms in Paced.times_ms] == [0, 269, 269, 60_269]


def test_invoices_go_on_as_before(kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "invoices.csv"
    path.write_text(INVOICE)
    assert replay.main([str(path), "--flat-out"]) == 0
    assert [topic for topic, _, _ in kafka.sent] == ["product-catalogue", "product-events"]
    assert kafka.topics.keys() == load_settings().topics.keys()


@pytest.mark.parametrize("option", ["--no-catalogue", "--views=2", "--views=0", "--seed=3"])
def test_an_option_for_invoices_is_refused_for_trades(
    kafka: Kafka, write: Callable[..., str], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("trades.csv")
    assert replay.main([path, option]) == 1
    assert capsys.readouterr().err == f"replay: {option.split('=')[0]} is for invoices; {path} has trades\n"
    assert kafka.sent == []


@pytest.mark.parametrize("trades_first", [True, False])
def test_files_of_both_kinds_are_refused(
    kafka: Kafka, write: Callable[..., str], tmp_path: Path, trades_first: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    invoices = tmp_path / "invoices.csv"
    invoices.write_text(INVOICE)
    trades = write("trades.csv")
    files = [trades, str(invoices)] if trades_first else [str(invoices), trades]
    assert replay.main(files) == 1
    line = capsys.readouterr().err
    assert line.startswith("replay: takes files of one kind at a time: ")
    assert f"{trades} has trades" in line
    assert f"{invoices} has invoices" in line
    assert kafka.sent == []


def test_nothing_is_sent_of_a_file_with_a_bad_row(
    kafka: Kafka, write: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("trades.csv", (*ROWS, (FIRST_MS, "BTCUSDT", "free", "1")))
    assert replay.main([path, "--flat-out"]) == 1
    assert f"replay: {path}, line 6: price takes a number" in capsys.readouterr().err
    assert kafka.sent == []


def test_a_simulated_market_goes_to_the_topic_of_ticks(kafka: Kafka, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulator.main(["--market", "--symbols", "3", "--ticks", "200", "--flat-out"]) == 0
    assert capsys.readouterr().err == "simulator: 200 events sent to price_ticks\n"
    assert kafka.topics.keys() == load_settings().market_topics.keys()
    assert {topic for topic, _, _ in kafka.sent} == {"price_ticks"}
    ticks = [json.loads(value) for _, _, value in kafka.sent]
    assert [key for _, key, _ in kafka.sent] == [tick["symbol"] for tick in ticks]
    assert len({tick["symbol"] for tick in ticks}) == 3
    assert kafka.times() == sorted(kafka.times())
    assert max(kafka.times()) <= time.time_ns() // 1_000_000


def test_a_simulated_market_has_a_seed_and_goes_on_until_stopped(kafka: Kafka) -> None:
    kafka.stop_after = 50
    prices = []
    for seed in ("1", "1", "2"):
        kafka.sent.clear()
        kafka.stop.clear()
        assert simulator.main(["--market", "--loop", "--ticks", "5", "--flat-out", "--seed", seed]) == 0
        prices.append([(key, json.loads(value)["price"]) for _, key, value in kafka.sent])
    assert [len(each) for each in prices] == [50, 50, 50]
    assert prices[0] == prices[1] != prices[2]


def test_the_simulated_shop_goes_on_as_before(kafka: Kafka) -> None:
    assert simulator.main(["--events", "20", "--flat-out"]) == 0
    assert {topic for topic, _, _ in kafka.sent} == {"product-events"}
    assert len(kafka.sent) == 20
    assert kafka.topics.keys() == load_settings().topics.keys()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--market", "--products", "5"], "--products is for the shop; a market has --symbols"),
        (["--symbols", "5"], "--symbols takes --market"),
        (["--market", "--symbols", "100001"], "takes a whole number from 1 to 100000"),
        (["--market", "--symbols", "0"], "takes a whole number from 1 to 100000"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        simulator.main(arguments)
    assert ended.value.code == 2
    assert text in capsys.readouterr().err
