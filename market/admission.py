"""The bound on the number of symbols: ticks that would make one too many are refused."""

from collections.abc import Callable

from core.dead_letter import DeadLetter, ErrorCode
from core.positions import SourcePosition
from market.batches import TickBatch

STAGE = "apply"
DETAIL = "the flow holds as many symbols as it may (MARKET_SYMBOLS_MAX), and this is one more"


def admit_ticks(
    batch: TickBatch, is_known: Callable[[int, str], bool], room: int
) -> tuple[TickBatch, list[DeadLetter]]:
    """The batch without ticks of symbols beyond the room, and letters for those. is_known: true for a shard and a
    symbol that it has. room: the number of symbols that may be added."""
    added: set[str] = set()
    kept: list[int] = []
    letters: list[DeadLetter] = []
    for index, (tick, shard) in enumerate(zip(batch.ticks, batch.shards, strict=True)):
        if tick.symbol not in added and not is_known(shard, tick.symbol):
            if len(added) >= room:
                position = SourcePosition(batch.topic, batch.partitions[index], batch.offsets[index])
                raw = (batch.values[index] if batch.values else None) or b""
                letters.append(DeadLetter(ErrorCode.TOO_MANY_SYMBOLS, STAGE, DETAIL, position, raw))
                continue
            added.add(tick.symbol)
        kept.append(index)
    return (batch.only(kept), letters) if letters else (batch, [])
