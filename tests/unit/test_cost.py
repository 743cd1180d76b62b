"""A coarse guard against a change that doubles the cost of an event. For exact figures see docs/benchmarks."""

from benchmarks.guard import ratio

# Measured: 2.7 on an idle machine, 4.5 on a busy one.
RATIO_MAX = 5.4


def test_the_path_of_an_event_costs_no_more_than_it_did() -> None:
    assert ratio() < RATIO_MAX
