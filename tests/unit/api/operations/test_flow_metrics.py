"""Quantiles of a histogram between two readings of the flow's metrics."""

from api.operations.flow_metrics import quantiles_ms


def test_quantiles_are_of_what_came_in_between() -> None:
    before = {0.001: 100.0, 0.01: 100.0, 0.1: 100.0}
    assert quantiles_ms(before, before) == {"p50": None, "p99": None}
    after = {0.001: 100.0, 0.01: 198.0, 0.1: 200.0}
    assert quantiles_ms(before, after) == {"p50": 10.0, "p99": 100.0}
    assert quantiles_ms({}, {}) == {"p50": None, "p99": None}
