"""The encoding steps: decisions to the rows of one sink. Pure functions beside the sinks make the rows."""

from collections.abc import Callable

from clients.kafka_producer import Record
from core.dead_letter import encode_letter
from dataflows.steps.decode import Decoded
from dataflows.steps.price import Clock
from pricing.decision import Priced
from sinks.base.outgoing import Outgoing, Row


def outgoing(
    encode: Callable[[Priced], list[Row]],
) -> Callable[[tuple[str, Priced]], tuple[str, Outgoing[Row]] | None]:
    """A mapper from `(shard, Priced)` to `(shard, Outgoing)`. It returns None if there are no rows."""

    def encode_item(item: tuple[str, Priced]) -> tuple[str, Outgoing[Row]] | None:
        shard, priced = item
        rows = encode(priced)
        return (shard, Outgoing(priced.kafka_time_ms, rows)) if rows else None

    return encode_item


def outgoing_letters(clock: Clock) -> Callable[[tuple[str, Decoded | Priced]], tuple[str, Outgoing[Record]] | None]:
    """A mapper from `(shard, Decoded | Priced)` to its dead letters, `(shard, Outgoing)`. It returns None if there
    are none."""

    def encode_item(item: tuple[str, Decoded | Priced]) -> tuple[str, Outgoing[Record]] | None:
        shard, result = item
        if not result.dead_letters:
            return None
        return shard, Outgoing(0, [encode_letter(letter, clock()) for letter in result.dead_letters])

    return encode_item
