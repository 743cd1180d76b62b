"""A lane: the shards of one worker, as ticks see them (`core/placement.py`)."""

from core.dead_letter import DeadLetter
from core.room import UNBOUNDED, Room
from market.admission import admit_ticks
from market.alerts import Alert
from market.applied import Applied
from market.bars import Bar
from market.batches import TickBatch
from market.last_ticks import AppliedTick
from market.state.shard import Shard
from market.state.symbol import LatestState, SymbolState


class Lane:
    """The shards of one worker, by number, and the bars that changed since they were last taken. Belongs to the
    worker's thread.

    A tick changes five bars, and most change again within a second, so bars are written now and then. A bar that
    becomes final is written at once: it is no part of the state any more. watches_silence: note arrivals. room: for
    symbols, in the process."""

    def __init__(self, *, watches_silence: bool, room: Room = UNBOUNDED) -> None:
        self._room = room
        self._shards: dict[int, Shard] = {}
        self._watches_silence = watches_silence
        # Lists that ticks of a minute share, by identity.
        self._changed: dict[int, list[Bar]] = {}

    @property
    def has_bars(self) -> bool:
        """True if a bar has changed since they were last taken."""
        return bool(self._changed)

    def hold(self, number: int, shard: Shard) -> None:
        """Take the ticks of a shard. It must come before the first one."""
        self._shards[number] = shard

    def take_bars(self) -> list[Bar]:
        """The bars that have changed."""
        bars = {id(bar): bar for each in self._changed.values() for bar in each if not bar.is_final}
        self._changed = {}
        return list(bars.values())

    def apply(self, batch: TickBatch, now_ms: int) -> Applied:
        """Apply the ticks of a batch, each of any shard of the lane."""
        shards, changed = self._shards, self._changed
        letters: list[DeadLetter] = []
        if self._room.free < len(batch.ticks):
            batch, letters = admit_ticks(batch, lambda number, symbol: symbol in shards[number], self._room.free)
        ticks, final = [], list[Bar]()
        symbols: dict[str, tuple[SymbolState, list[AppliedTick]]] = {}
        for tick, number in zip(batch.ticks, batch.shards, strict=True):
            enriched, bars, done, state = shards[number].apply(tick)
            ticks.append(enriched)
            if enriched.is_late:
                continue
            changed[id(bars)] = bars
            if done:
                final += done
            last = AppliedTick(enriched.seq, tick.price, tick.volume, tick.time_us)
            if (found := symbols.get(tick.symbol)) is None:
                symbols[tick.symbol] = state, [last]
            else:
                found[1].append(last)
        if self._watches_silence:
            for tick, number in zip(batch.ticks, batch.shards, strict=True):
                shards[number].note_arrivals(now_ms, (tick.symbol,))
        latest, alerts = list[LatestState](), list[Alert]()
        for state, added in symbols.values():
            assert state.latest is not None
            latest.append(LatestState(state.latest, state.day_open(), added[::-1], False))
            if state.alerts:
                alerts += state.alerts
                state.alerts = []
        return Applied(
            batch.kafka_time_ms,
            batch.topic,
            batch.partitions,
            batch.offsets,
            ticks,
            final,
            alerts,
            latest,
            letters,
        )
