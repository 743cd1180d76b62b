"""Steps: generators of batches, which wait by yielding empty ones."""

import time
from collections.abc import Callable, Generator
from typing import TypeVar

from connectors.postgres_cdc.rows import RowChange

Batch = dict[str, list[RowChange]]
"""Table (by its name in `Reader.watched`) to its changes, in order. Empty if there is nothing yet."""

Steps = Generator[Batch, None, None]
Result = TypeVar("Result")


def stepwise(steps: Generator[None, None, Result]) -> Generator[Batch, None, Result]:
    """Steps of something else, with an empty batch for each."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: Result = end.value
            return value
        yield {}


def meanwhile(
    steps: Generator[Batch, None, Result], act: Callable[[], None], every_s: float
) -> Generator[Batch, None, Result]:
    """The same steps, with a call of `act` between two of them whenever `every_s` have passed."""
    act_at = 0.0
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            value: Result = end.value
            return value
        if time.monotonic() >= act_at:
            act()
            act_at = time.monotonic() + every_s
        yield step


def pause(seconds: float) -> Steps:
    """Wait."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield {}
