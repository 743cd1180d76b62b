"""Alerts of a process, and the way they reach GET /status."""

import pytest

import telemetry
from api.operations.flow_metrics import FlowMetrics, Reading
from api.operations.status import _flow_state
from core import alerts
from core.alerts import AlertKind, describe_alert


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
