"""The dead-letter tool without a Kafka that answers, and with letters that mean harm."""

import io
import signal
from collections.abc import Iterator

import pytest
from rich.console import Console

import telemetry
from core.positions import SourcePosition
from sinks.dead_letters.reader import Letter, LetterList
from tools import dead_letters


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """The tool sets handlers of signals; they are put back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("command", [["list"], ["show", "t:0:1"], ["replay", "t:0:1"]])
def test_it_ends_by_itself_if_kafka_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    monkeypatch.setattr(dead_letters, "WITHIN_S", 0.4)
    # Loggers keep the first stream that they are given, and this one ends with the test.
    monkeypatch.setattr(telemetry, "configure_logging", lambda *_: None)
    monkeypatch.setenv("KAFKA_BROKERS", "127.0.0.1:9")
    assert dead_letters.main(command) == 1
    assert capsys.readouterr().err == "dead_letters: Kafka does not answer in time (KAFKA_BROKERS=127.0.0.1:9)\n"


def test_text_from_outside_gives_a_terminal_no_orders() -> None:
    output = io.StringIO()
    console = Console(file=output, width=200)
    letter = Letter(
        error_code="bad_text",
        stage="decode",
        detail="[red]\x1b]0;title\x07",
        source=SourcePosition("t", 0, 1),
        raw="G1szMW0gcmVk",  # "\x1b[31m red"
        raw_size=9,
        at=0,
    )
    dead_letters._print_list(console, LetterList([letter], complete=True))
    dead_letters._print_letter(console, letter)
    shown = output.getvalue()
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert r"\x1b[31m red" in shown
    assert "[red]" in shown
