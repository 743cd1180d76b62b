"""Rows that the history database has already: expected after a start or a failure, an alert at other times."""

import telemetry
from sinks.history.sink import CALM_S, EXPLAINED_S, Repeats

ALERT = ("history_repeats", "3")


def test_repeats_without_a_replay_raise_an_alert_that_ends_when_they_do() -> None:
    now = [0.0]
    repeats = Repeats("3", lambda: now[0])
    refused = telemetry.NOT_NEWER.labels("history")._value
    before = refused.get()
    repeats.note(5)
    now[0] = EXPLAINED_S
    repeats.note(0)
    assert ALERT not in telemetry.alerts_in_force()
    repeats.explain()
    now[0] += EXPLAINED_S / 2
    repeats.note(5)
    assert ALERT not in telemetry.alerts_in_force()
    now[0] += EXPLAINED_S
    repeats.note(1)
    assert ALERT in telemetry.alerts_in_force()
    now[0] += CALM_S / 2
    repeats.note(0)
    assert ALERT in telemetry.alerts_in_force()
    now[0] += CALM_S / 2
    repeats.note(0)
    assert ALERT not in telemetry.alerts_in_force()
    assert refused.get() - before == 11
