"""Timed events: test data in the order in which a tool sends it."""

from collections.abc import Iterable, Iterator

Timed = tuple[int, str, dict[str, object]]
"""Event time in milliseconds, key, event."""


def without_pauses(events: Iterable[Timed], pause_max_ms: int) -> Iterator[Timed]:
    """The same events, with times of sending that leave no pause longer than `pause_max_ms`: closed hours, and the
    days between two files. The time stamps in the events stay as they are."""
    before_ms: int | None = None
    skipped_ms = 0
    for at_ms, key, event in events:
        if before_ms is not None:
            skipped_ms += max(0, at_ms - before_ms - pause_max_ms)
        before_ms = at_ms
        yield at_ms - skipped_ms, key, event


def shifts(times_ms: list[int], step_ms: int, loop: bool) -> Iterator[int]:
    """The shift of event times in each round, in milliseconds. Without `loop` there is one round. Each further
    round is later by a multiple of `step_ms`: the least one with which it begins after the last one ended."""
    span_ms = max(times_ms) - min(times_ms) if times_ms else 0
    round_ms = (1 + span_ms // step_ms) * step_ms
    shift_ms = 0
    yield shift_ms
    while loop:
        shift_ms += round_ms
        yield shift_ms
