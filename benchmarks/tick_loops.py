"""The loops and the idle flow that the cost of a tick is compared with (benchmarks/ticks.py)."""

from collections import deque
from typing import Any

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic

from benchmarks.batches import Dropping
from connectors.decode.market import TickKind, decode_tick
from connectors.epochs import AlignedSources
from connectors.workers import WorkerCount
from core.placement import Placement
from market.policy import MarketPolicy
from market.state.shard import Shard
from market.state.symbol import Limits
from sinks.base.fan_out import FanOut, Rows
from sinks.kafka.market import to_tick_message


class _Tick(msgspec.Struct):
    symbol: str
    price: float
    volume: float
    ts: int


class _Enriched(msgspec.Struct):
    type: str
    symbol: str
    price: float
    volume: float
    ts: int
    seq: int
    ma_1m: float
    ma_5m: float
    vol_1m: float
    vwap_1m: float | None
    is_anomaly: bool


class Loop:
    """The windows of 60 and 300 s, five bars and the jump of each symbol, in floats, for ticks in order."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}
        self._decode = msgspec.json.Decoder(_Tick).decode
        self._encode = msgspec.json.Encoder().encode

    def apply(self, value: bytes) -> bytes:
        """Return the message of a tick."""
        tick = self._decode(value)
        state = self._states.get(tick.symbol)
        if state is None:
            state = self._states[tick.symbol] = _State()
        return self._encode(state.apply(tick))


class ExactLoop:
    """The flow's own decoder and state: exact, and for ticks in any order."""

    def __init__(self) -> None:
        self._shard = Shard(MarketPolicy(), Limits())
        self._encode = msgspec.json.Encoder().encode

    def apply(self, value: bytes) -> bytes:
        """Return the message of a tick."""
        enriched, *_ = self._shard.apply(decode_tick(TickKind.PRICE_TICKS, value))
        self._shard.changes()
        return self._encode(to_tick_message(enriched))


class _State:
    __slots__ = ("_bars", "_five", "_minute", "_price", "_seq", "_sums")

    def __init__(self) -> None:
        self._seq, self._price = 0, 0.0
        self._minute: deque[_Tick] = deque()
        self._five: deque[_Tick] = deque()
        self._sums = [0.0, 0.0, 0.0, 0.0]
        self._bars: dict[tuple[int, int], list[float]] = {}

    def apply(self, tick: _Tick) -> _Enriched:
        self._seq += 1
        sums, minute, five, price = self._sums, self._minute, self._five, tick.price
        minute.append(tick)
        five.append(tick)
        sums[0] += price
        sums[1] += tick.volume
        sums[2] += price * tick.volume
        sums[3] += price
        while minute[0].ts <= tick.ts - 60_000:
            old = minute.popleft()
            sums[0] -= old.price
            sums[1] -= old.volume
            sums[2] -= old.price * old.volume
        while five[0].ts <= tick.ts - 300_000:
            sums[3] -= five.popleft().price
        for interval_ms in (60_000, 300_000, 900_000, 3_600_000, 86_400_000):
            key = interval_ms, tick.ts // interval_ms
            bar = self._bars.get(key)
            if bar is None:
                self._bars[key] = [price, price, price, price, tick.volume, 1]
                continue
            bar[1], bar[2] = max(bar[1], price), min(bar[2], price)
            bar[3] = price
            bar[4] += tick.volume
            bar[5] += 1
        jumped = bool(self._price) and abs(price / self._price - 1) > 0.02
        self._price = price
        means = sums[0] / len(minute), sums[3] / len(five), sums[1], sums[2] / sums[1] if sums[1] else None
        return _Enriched("tick", tick.symbol, price, tick.volume, tick.ts, self._seq, *means, jumped)


def build_idle(reads: Any, refills: Any) -> Dataflow:
    """The steps of the flow with nothing in them: messages are read and handed on in batches, and not looked at."""
    flow, placement = Dataflow("idle"), Placement()
    op.input("workers", flow, WorkerCount(placement))

    def with_keys(items: list[Any]) -> list[Any]:
        return [each if isinstance(each, tuple) else ("0", each) for each in items]

    sources = AlignedSources(reads, through=with_keys, refills=refills)
    work: op.KeyedStream[Any] = op.input("messages", flow, sources)
    rows = op.stateful_batch("apply", work, Idle)
    op.output("sinks", rows, FanOut({"all": Dropping()}, placement=placement, alone="all"))
    return flow


class Idle(StatefulBatchLogic[Any, Rows, None]):
    """A step that hands on one row for each item."""

    def __init__(self, resume_state: None) -> None:
        return

    def on_batch(self, values: list[Any]) -> tuple[list[Rows], bool]:
        return [Rows(0, [[each]]) for each in values], StatefulBatchLogic.RETAIN

    def snapshot(self) -> None:
        return None
