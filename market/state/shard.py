"""A shard: the states of its symbols, and the documents from which they are restored (`core/snapshots.py`)."""

from collections.abc import Iterable, Sequence

import msgspec

from market.bars import Bar
from market.policy import MarketPolicy
from market.state.symbol import Enriched, SymbolDocument, SymbolState
from market.ticks import Tick

FORMAT = 1
"""Version of the documents' layout."""

TICK_BYTES = 45
"""Approximate length of a tick in a document."""

BARS_BYTES = 1_200
"""Approximate length of the bars of a symbol in a document."""


class ShardDocument(msgspec.Struct, array_like=True):
    """A document of a shard. symbols: the whole state of symbols. ticks: applied after it, in order; a document of
    changes has only these."""

    version: int
    symbols: dict[str, SymbolDocument] = {}
    ticks: list[Tick] = []


class _Head(msgspec.Struct, array_like=True):
    """The beginning of a document of any format."""

    version: int


# JSON, because MessagePack has no numbers above 64 bits, and sums of turnover are.
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ShardDocument).decode
_decode_head = msgspec.json.Decoder(_Head).decode


class Shard:
    """The symbols of one shard. Belongs to the thread of its worker.

    Changes are saved as the ticks that made them: applied again, they give the same state. documents: of the state,
    the oldest first. Raises ValueError for
    one of a newer version."""

    def __init__(self, policy: MarketPolicy, lateness_us: int, documents: Iterable[bytes] = ()) -> None:
        self._policy = policy
        self._lateness_us = lateness_us
        self._symbols: dict[str, SymbolState] = {}
        self._applied: list[Tick] = []
        for document in documents:
            self._restore(document)

    def __len__(self) -> int:
        return len(self._symbols)

    def apply(self, ticks: Sequence[Tick]) -> tuple[list[Enriched], list[Bar]]:
        """Apply ticks in order. Returns them enriched, and the bars that they changed, each once."""
        enriched = []
        changed: dict[int, Bar] = {}
        for tick in ticks:
            result, bars = self._state(tick.symbol).apply(tick)
            enriched.append(result)
            changed.update((id(bar), bar) for bar in bars)
        self._applied += ticks
        return enriched, list(changed.values())

    def snapshot(self) -> bytes:
        self._applied = []
        return _encode(ShardDocument(FORMAT, {name: state.pack() for name, state in self._symbols.items()}))

    def changes(self) -> bytes | None:
        if not self._applied:
            return None
        applied, self._applied = self._applied, []
        return _encode(ShardDocument(FORMAT, {}, applied))

    def estimate_bytes(self) -> int:
        return sum(state.kept_ticks * TICK_BYTES + BARS_BYTES for state in self._symbols.values())

    def _state(self, symbol: str) -> SymbolState:
        state = self._symbols.get(symbol)
        if state is None:
            state = self._symbols[symbol] = SymbolState(self._lateness_us, self._policy)
        return state

    def _restore(self, packed: bytes) -> None:
        version = _decode_head(packed).version
        if version > FORMAT:
            raise ValueError(f"market snapshot has format {version}, this version reads up to {FORMAT}")
        document = _decode(packed)
        for symbol, state in document.symbols.items():
            self._symbols[symbol] = SymbolState(self._lateness_us, self._policy, state)
        for tick in document.ticks:
            self._state(tick.symbol).apply(tick)
