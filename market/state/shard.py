"""A shard: the states of its symbols, and the documents from which they are restored (`core/snapshots.py`)."""

from collections.abc import Collection, Iterable

import msgspec

from core.room import UNBOUNDED, Room
from market.alerts import Alert, AlertRule, RuleRemoval
from market.bars import Bar
from market.policy import MarketPolicy
from market.state.symbol import Enriched, LatestState, Limits, SymbolDocument, SymbolState
from market.ticks import Tick

FORMAT = 1
"""Version of the documents' layout."""

TICK_BYTES = 45
"""Approximate length of a tick in a document."""

BARS_BYTES = 1_200
"""Approximate length of the bars of a symbol in a document."""


class Change(msgspec.Struct, array_like=True):
    """Rules that were set and removed, then ticks that were applied, and then symbols whose silence was
    reported."""

    rules: list[AlertRule] = []
    removed: list[str] = []
    ticks: list[Tick] = []
    silent: list[str] = []


class ShardDocument(msgspec.Struct, array_like=True):
    """A document of a shard. symbols: the whole state of symbols. changes: made after it, in order; a document of
    changes has only these."""

    version: int
    symbols: dict[str, SymbolDocument] = {}
    changes: list[Change] = []


class _Head(msgspec.Struct, array_like=True):
    """The beginning of a document of any format."""

    version: int


# JSON, because MessagePack has no numbers above 64 bits, and sums of turnover are.
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ShardDocument).decode
_decode_head = msgspec.json.Decoder(_Head).decode


class Shard:
    """The symbols of one shard. Belongs to the thread of its worker.

    Changes are saved as the ticks and rules that made them: applied again, they give the same state. documents: of
    the state, the oldest first. room: for symbols, in the process. unwritten: bars that may not be written yet, of
    a shard that was restored. Raises ValueError for a document of a newer version."""

    def __init__(
        self, policy: MarketPolicy, limits: Limits, documents: Iterable[bytes] = (), room: Room = UNBOUNDED
    ) -> None:
        self._policy = policy
        self._limits = limits
        self._room = UNBOUNDED
        self._symbols: dict[str, SymbolState] = {}
        self._changes: list[Change] = []
        # Symbol to the time at which a tick of it came last, UTC milliseconds; only those that may fall silent.
        self._arrived_ms: dict[str, int] = {}
        for document in documents:
            self._restore(document)
        self._changes = []
        self._room = room
        room.note(len(self._symbols))
        self.unwritten: list[Bar] = [bar for state in self._symbols.values() for bar in state.resume()]
        for state in self._symbols.values():
            state.alerts.clear()

    def __len__(self) -> int:
        return len(self._symbols)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._symbols

    def apply(self, tick: Tick) -> tuple[Enriched, list[Bar], list[Bar], SymbolState]:
        """Apply a tick. Returns what `SymbolState.apply` does, and the symbol's state."""
        state = self._symbols.get(tick.symbol)
        if state is None:
            state = self._state(tick.symbol)
        if self._changes:
            self._changes[-1].ticks.append(tick)
        else:
            self._changes.append(Change(ticks=[tick]))
        enriched, bars, final = state.apply(tick)
        return enriched, bars, final, state

    def change_rules(self, changes: Iterable[AlertRule | RuleRemoval]) -> None:
        """Set and remove rules, in order."""
        for change in changes:
            if isinstance(change, AlertRule):
                self._state(change.symbol).set_rule(change)
                self._changes.append(Change(rules=[change]))
            elif self._remove_rule(change.id):
                self._changes.append(Change(removed=[change.id]))

    def latest(self, symbols: Collection[str] = ()) -> list[LatestState]:
        """All that is kept of the latest tick of these symbols; of all if there are none."""
        wanted = self._symbols.values() if not symbols else filter(None, map(self._symbols.get, symbols))
        return [found for state in wanted if (found := state.latest_state()) is not None]

    def note_arrivals(self, now_ms: int, symbols: Iterable[str] | None = None) -> None:
        """Ticks of these symbols have come; None for all symbols, at the start."""
        self._arrived_ms.update(dict.fromkeys(self._symbols if symbols is None else symbols, now_ms))

    def report_silence(self, now_ms: int) -> list[Alert]:
        """The alerts of symbols that are silent from now on."""
        before_ms = now_ms - (self._policy.silence.silence_s or 0) * 1000
        silent = [symbol for symbol, at_ms in self._arrived_ms.items() if at_ms <= before_ms]
        for symbol in silent:
            del self._arrived_ms[symbol]
        if silent:
            # Ticks that follow belong to a change of their own.
            self._changes += Change(silent=silent), Change()
        return [alert for symbol in silent for alert in self._symbols[symbol].report_silence(now_ms * 1000)]

    def snapshot(self) -> bytes:
        self._changes = []
        return _encode(ShardDocument(FORMAT, {name: state.pack() for name, state in self._symbols.items()}))

    def changes(self) -> bytes | None:
        if not self._changes:
            return None
        changes, self._changes = self._changes, []
        return _encode(ShardDocument(FORMAT, {}, changes))

    def estimate_bytes(self) -> int:
        return sum(state.kept_ticks * TICK_BYTES + BARS_BYTES for state in self._symbols.values())

    def _remove_rule(self, rule_id: str) -> bool:
        """Remove a rule from the symbol that has it. False if none has."""
        return any(state.remove_rule(rule_id) for state in self._symbols.values())

    def _state(self, symbol: str) -> SymbolState:
        state = self._symbols.get(symbol)
        if state is None:
            state = self._symbols[symbol] = SymbolState(self._limits, self._policy)
            self._room.note(1)
        return state

    def _restore(self, packed: bytes) -> None:
        version = _decode_head(packed).version
        if version > FORMAT:
            raise ValueError(f"market snapshot has format {version}, this version reads up to {FORMAT}")
        document = _decode(packed)
        for symbol, state in document.symbols.items():
            self._symbols[symbol] = SymbolState(self._limits, self._policy, state)
        for change in document.changes:
            self.change_rules([*change.rules, *map(RuleRemoval, change.removed)])
            for tick in change.ticks:
                self.apply(tick)
            for symbol in change.silent:
                self._symbols[symbol].report_silence(0)
