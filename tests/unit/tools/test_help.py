"""The tools say which Kafka they use, and the list of dead letters shows what `show` needs."""

import importlib

import msgspec
import pytest
from rich.console import Console

from core.positions import SourcePosition
from sinks.dead_letters.reader import Letter, LetterList
from tests.support.pipeline import ROOT
from tools import dead_letters

TOOLS = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted((ROOT / "tools").rglob("*.py"))
    if "ArgumentParser(" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", TOOLS)
def test_the_help_names_the_setting_of_kafka(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        importlib.import_module(name).main(["--help"])
    assert "KAFKA_BROKERS" in capsys.readouterr().out


def test_the_list_shows_the_whole_source(capsys: pytest.CaptureFixture[str]) -> None:
    topic = "shop.events." + "x" * 200
    letter = msgspec.convert(
        {
            **dict.fromkeys((field.name for field in msgspec.structs.fields(Letter)), 0),
            "source": SourcePosition(topic, 3, 123_456_789),
            "error_code": "bad_event_type",
            "stage": "decode",
            "detail": "event_type takes view, cart or purchase " * 4,
            "raw": "",
            "replayed": False,
        },
        Letter,
        from_attributes=True,
    )
    dead_letters._print_list(Console(width=80), LetterList([letter], complete=True))
    assert f"{topic}:3:123456789" in capsys.readouterr().out
