"""One event travels one way, and docs/life-of-an-event.md has the figures of its walk."""

import re

from tests.support.pipeline import ROOT
from tests.support.walk import walk_of_an_event

SHELLS = {"core", "dataflows"}
"""Helpers of all rooms, and the shells of the steps."""


def test_an_event_enters_each_room_once() -> None:
    rooms = [step.file.split("/")[0] for step in walk_of_an_event().steps]
    stages = [room for room in rooms if room not in SHELLS]
    entered = [room for index, room in enumerate(stages) if index == 0 or stages[index - 1] != room]
    assert entered == ["connectors", "pricing", "sinks", "api"]


def test_the_document_has_the_number_of_files() -> None:
    """Entries and returns change with every rule, so the document has those of one rule."""
    text = (ROOT / "docs" / "life-of-an-event.md").read_text(encoding="utf-8")
    found = re.search(r"enters (\d+) files", " ".join(text.split()))
    assert found is not None
    assert int(found[1]) == len(walk_of_an_event().files)
