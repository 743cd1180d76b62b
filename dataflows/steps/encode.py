"""The encoding of results: decisions to the rows of all sinks. Pure functions beside the sinks make the rows."""

from collections.abc import Callable, Sequence
from typing import Any

from clients.kafka_producer import Record
from core.dead_letter import encode_letter
from pricing.decision import Priced
from sinks.base.fan_out import Rows

Encode = Callable[[Priced], list[Any]]
"""A function that makes the rows of one sink."""


def encode_rows(results: Sequence[Priced], encoders: Sequence[Encode]) -> list[Rows]:
    """The rows of results that have any. encoders: one for each sink, in the order of the sinks."""
    found = [Rows(priced.kafka_time_ms, [encode(priced) for encode in encoders]) for priced in results]
    return [rows for rows in found if any(rows.of_sink)]


def letters_encoder(clock: Callable[[], int]) -> Encode:
    """An encoder of dead letters. clock: UTC milliseconds."""

    def encode_letters(priced: Priced) -> list[Record]:
        return [encode_letter(letter, clock()) for letter in priced.dead_letters]

    return encode_letters
