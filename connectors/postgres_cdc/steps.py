"""Steps: generators of batches, which wait by yielding empty ones."""

import time
from collections.abc import Generator
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


def pause(seconds: float) -> Steps:
    """Wait."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield {}
