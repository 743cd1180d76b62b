"""Alerts of a process, and the way they reach GET /status."""

import re

import pytest

import telemetry
from api.operations.flow_metrics import FlowMetrics, Reading
from api.operations.status import _flow_state, all_alerts
from core import alerts
from core.alerts import AlertKind, describe_alert
from tests.support.pipeline import ROOT

ALERTS_BEFORE = dict(alerts.ALERTS)
"""Those of the code, without the ones that these tests add."""


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(alerts.ALERTS, "still", AlertKind("Nothing is read from {subject}.", stands_still=True))
    monkeypatch.setitem(alerts.ALERTS, "warned", AlertKind("Redis may forget."))


def reading(*held: str, processes: int = 1) -> Reading:
    labels = [(("code", code), ("subject", "topic-a")) for code in held]
    return Reading(0.0, processes, {("pricewax_alert", each): 1.0 for each in labels})


def test_an_alert_holds_until_it_is_cleared() -> None:
    telemetry.set_alert("still", "topic-a", holds=True)
    telemetry.set_alert("still", "topic-a", holds=True)
    assert telemetry.alerts_in_force() == [("still", "topic-a")]
    assert telemetry.ALERT.labels("still", "topic-a")._value.get() == 1
    telemetry.set_alert("still", "topic-a", holds=False)
    assert telemetry.alerts_in_force() == []
    assert telemetry.ALERT.labels("still", "topic-a")._value.get() == 0


def test_an_alert_of_a_newer_process_is_shown_as_it_is() -> None:
    assert describe_alert("still", "topic-a") == "Nothing is read from topic-a."
    assert describe_alert("of_tomorrow", "x") == "of_tomorrow: x"


def test_the_flow_is_degraded_while_prices_stand_still() -> None:
    metrics = FlowMetrics(["127.0.0.1:1"])
    assert _flow_state(reading(), metrics, reading().alerts()) == "up"
    assert _flow_state(reading("warned"), metrics, reading("warned").alerts()) == "up"
    assert _flow_state(reading("still"), metrics, reading("still").alerts()) == "degraded"
    assert _flow_state(reading("of_tomorrow"), metrics, reading("of_tomorrow").alerts()) == "up"
    assert _flow_state(reading(processes=0), metrics, []) == "down"


def test_the_flow_is_degraded_also_by_what_the_api_alone_sees() -> None:
    metrics = FlowMetrics(["127.0.0.1:1"])
    assert _flow_state(reading(), metrics, all_alerts([("warned", "r")])) == "up"
    telemetry.set_alert("still", "topic-a", holds=True)
    try:
        found = all_alerts([("warned", "r")])
        assert found == [("still", "topic-a"), ("warned", "r")]
        assert _flow_state(reading(), metrics, found) == "degraded"
    finally:
        telemetry.set_alert("still", "topic-a", holds=False)


def test_operations_has_every_alert_and_says_which_ones_make_the_flow_degraded() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = text.partition("## Alerts\n")[2].partition("\n## ")[0]
    told = {code: bool(star) for code, star in re.findall(r"`([a-z_]+)`( \*)?[,|] ", table.replace(" |", "| "))}
    kinds = {code: kind.stands_still for code, kind in ALERTS_BEFORE.items()}
    assert told == kinds
    headings = {line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")}
    named = {line.split("|")[2].strip() for line in table.splitlines() if line.startswith("| `")}
    assert named <= headings
