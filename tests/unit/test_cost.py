"""A coarse guard: not how fast it is (see docs/benchmarks), but that nobody doubled the cost unseen."""

from benchmarks.guard import ratio

# 4.1 to 4.5 where it was measured.
RATIO_MAX = 8.0


def test_the_path_of_an_event_costs_no_more_than_it_did() -> None:
    assert ratio() < RATIO_MAX
