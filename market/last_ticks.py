"""The last ticks of a symbol, in the order in which they were applied."""

from array import array
from collections.abc import Iterable

import msgspec

_FIELDS = 4


class AppliedTick(msgspec.Struct, frozen=True, gc=False):
    """A tick as it was applied. seq: its number. price, volume: in units. time_us: UTC microseconds."""

    seq: int
    price: int
    volume: int
    time_us: int


class LastTicks:
    """The last `most` ticks. They are numbers in one array, because an object for each tick would take six times
    the memory. numbers: of `numbers()`, to begin with."""

    def __init__(self, most: int, numbers: Iterable[int] = ()) -> None:
        self._most = most
        self._numbers = array("q", numbers)

    def __len__(self) -> int:
        return min(self._most, len(self._numbers) // _FIELDS)

    def add(self, seq: int, price: int, volume: int, time_us: int) -> None:
        """Add the newest tick."""
        numbers = self._numbers
        numbers.extend((seq, price, volume, time_us))
        # Half of twice as many, so that a tick is moved once on average.
        if len(numbers) > 2 * _FIELDS * self._most:
            del numbers[: -_FIELDS * self._most]

    def newest_first(self) -> list[AppliedTick]:
        """The ticks, at most `most`, the newest first."""
        numbers = self._numbers
        end = max(0, len(numbers) - _FIELDS * self._most)
        starts = range(len(numbers) - _FIELDS, end - 1, -_FIELDS)
        return [AppliedTick(*numbers[start : start + _FIELDS]) for start in starts]

    def numbers(self) -> list[int]:
        """The ticks as numbers, from which an equal object can be made."""
        return self._numbers[-_FIELDS * self._most :].tolist()
