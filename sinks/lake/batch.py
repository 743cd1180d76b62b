"""The items of the lake's sink. This file imports no library of the lake: those start threads as they are imported,
and a flow blocks the signals of all threads first."""

import msgspec

from clients.kafka_producer import Record
from pricing.published import ReadUpdate

PART = "lake"
"""The only partition of the sink."""

PlacedUpdate = tuple[ReadUpdate, str, int, int]
"""An update, and its topic (as in positions), partition and offset."""

Positions = dict[int, tuple[int | None, str | None, bool]]
"""By partition of the topic: the next offset, the id of the topic, and if it was made again (a resume state)."""


class LakeBatch(msgspec.Struct, gc=False):
    """Updates that have arrived, letters of what was none, and the positions behind both."""

    updates: list[PlacedUpdate]
    letters: list[Record]
    positions: Positions
