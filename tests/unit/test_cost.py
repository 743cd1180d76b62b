"""A coarse guard: not how fast it is (see docs/benchmarks), but that nobody doubled the cost unseen."""

from benchmarks.guard import ratio

# 2.7 where it was measured, 4.5 beside a busy neighbour.
RATIO_MAX = 5.4


def test_the_path_of_an_event_costs_no_more_than_it_did() -> None:
    assert ratio() < RATIO_MAX
