"""Keys that stay behind their reader raise an alert; those of a replay do not."""

from collections.abc import Iterator

import pytest

import telemetry
from clients.behind import PATIENCE_S, KeysBehind

ALERT = ("redis_not_newer", "")


class Behind:
    """Keys behind on a clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.keys = KeysBehind("a_test", ALERT[0], lambda: self.now_s)

    def is_raised(self, after_s: float = 0.0) -> bool:
        self.now_s += after_s
        self.keys.look()
        return ALERT in telemetry.alerts_in_force()


@pytest.fixture
def behind() -> Iterator[Behind]:
    made = Behind()
    yield made
    made.keys.catch_up(list(made.keys.since))
    made.keys.look()


def refused() -> float:
    value: float = telemetry.NOT_NEWER.labels("a_test")._value.get()
    return value


def test_a_key_that_stays_behind_raises_the_alert_also_without_further_refusals(behind: Behind) -> None:
    before = refused()
    behind.keys.refuse({"A"})
    assert refused() - before == 1
    assert not behind.is_raised(PATIENCE_S / 2)
    behind.keys.catch_up(["B"])
    assert behind.is_raised(PATIENCE_S / 2)
    behind.keys.refuse({"A"})
    assert behind.is_raised()
    behind.keys.catch_up(["A"])
    assert not behind.is_raised()


def test_a_replay_raises_nothing(behind: Behind) -> None:
    before = refused()
    for version in range(100):
        behind.keys.refuse({"A", f"P{version}"})
        behind.keys.catch_up([f"P{version}"])
    behind.keys.catch_up(["A"])
    behind.keys.count(5)
    assert refused() - before == 205
    assert behind.keys.since == {}
    assert not behind.is_raised(PATIENCE_S * 2)


def test_a_refusal_again_does_not_begin_the_time_again(behind: Behind) -> None:
    behind.keys.refuse({"A"})
    behind.now_s += PATIENCE_S / 2
    behind.keys.refuse({"A"})
    assert behind.is_raised(PATIENCE_S / 2)


def test_a_timer_looks_while_a_key_is_behind(behind: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.behind.LOOK_EVERY_S", 0.01)
    behind.keys.refuse({"A"})
    behind.now_s += PATIENCE_S
    timer = behind.keys._timer
    assert timer is not None
    timer.join(20)
    assert ALERT in telemetry.alerts_in_force()
