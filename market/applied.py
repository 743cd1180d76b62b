"""Results of the market's step: what the sinks encode."""

import msgspec

from core.dead_letter import DeadLetter
from market.alerts import Alert
from market.bars import Bar
from market.state.symbol import Enriched, LatestState


class Applied(msgspec.Struct, gc=False):
    """Ticks that were applied, and all that follows from them. topic, partitions, offsets: of the ticks. bars: to
    be written as they are now. latest: of each symbol with a tick that is not late. kafka_time_ms: Kafka's time
    stamp of the first tick, UTC milliseconds; 0 if there is none."""

    kafka_time_ms: int = 0
    topic: str = ""
    partitions: list[int] = []
    offsets: list[int] = []
    ticks: list[Enriched] = []
    bars: list[Bar] = []
    alerts: list[Alert] = []
    latest: list[LatestState] = []
    dead_letters: list[DeadLetter] = []
