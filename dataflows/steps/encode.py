"""The encoding of results: to the rows of all sinks. Pure functions beside the sinks make the rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from bytewax.outputs import FixedPartitionedSink

from clients.kafka_producer import Record
from core.dead_letter import DeadLetter, encode_letter
from sinks.base.fan_out import Rows


class Result(Protocol):
    """A result of a step. kafka_time_ms: as in `Rows`."""

    @property
    def kafka_time_ms(self) -> int: ...

    @property
    def dead_letters(self) -> Sequence[DeadLetter]: ...


Encode = Callable[[Any], list[Any]]
"""A function that makes the rows of one sink."""


def with_encoders(
    sinks: msgspec.Struct, encoders: Mapping[str, Encode]
) -> dict[str, tuple[FixedPartitionedSink[Any, Any], Encode]]:
    """The sinks that there are, by name, each with the function that makes its rows. sinks: a field for each sink,
    None for one that is not there. encoders: by the names of the fields."""
    found = {name: (getattr(sinks, name), encode) for name, encode in encoders.items()}
    return {name: pair for name, pair in found.items() if pair[0] is not None}


def encode_rows(results: Sequence[Result], encoders: Sequence[Encode]) -> list[Rows]:
    """The rows of results that have any. encoders: one for each sink, in the order of the sinks."""
    found = [Rows(result.kafka_time_ms, [encode(result) for encode in encoders]) for result in results]
    return [rows for rows in found if any(rows.of_sink)]


def letters_encoder(clock: Callable[[], int]) -> Encode:
    """An encoder of dead letters. clock: UTC milliseconds."""

    def encode_letters(result: Result) -> list[Record]:
        return [encode_letter(letter, clock()) for letter in result.dead_letters]

    return encode_letters
