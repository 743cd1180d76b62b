"""The live feed of ticks: updates from the topic ticks-enriched, states from Redis."""

from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar

import msgspec

from api.commands.repairs import Repairs
from api.live.client import Update
from api.live.feed import LiveFeed
from api.live.frames import payload_of, text_frame
from api.live.hub import Hub
from api.live.relay import Relay
from api.live.subscription import KeyForm
from api.live.versions import Versions
from clients.kafka import ClientOptions
from market.ticks import SYMBOL_TAKES, is_symbol
from sinks.kafka.market import TickMessage
from sinks.redis.market_reader import MarketReader, StoredTick

SYMBOLS = KeyForm("symbol", is_symbol, SYMBOL_TAKES)


class SeenTick(msgspec.Struct, gc=False, tag_field="type", tag="tick"):
    """The fields of a `tick` that the relay decodes."""

    withdrawn: ClassVar[bool] = False

    key: str = msgspec.field(name="symbol")
    version: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = msgspec.field(name="seq")
    ts_us: int
    is_late: bool


decode_tick = msgspec.json.Decoder(SeenTick).decode


class SeenTicks:
    """The latest tick of each symbol that this process has relayed. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[int, int]] = {}

    def note(self, tick: SeenTick) -> None:
        """Take a tick of the relay."""
        at = tick.ts_us, tick.version
        if not tick.is_late and at > self._latest.get(tick.key, (0, 0)):
            self._latest[tick.key] = at

    def knows(self, symbol: str) -> bool:
        """True for a symbol of which a tick was relayed."""
        return symbol in self._latest

    def is_latest(self, symbol: str, seq: int) -> bool:
        """True if this is the number of the latest tick of a symbol, or if none was relayed."""
        latest = self._latest.get(symbol)
        return latest is None or latest[1] == seq

    def newer_than(self, versions: Versions, keys: list[str] | None) -> dict[str, int]:
        """Of these symbols (None: of all), the number of the latest tick, if it is newer than in `versions`."""
        names = self._latest if keys is None else (key for key in keys if key in self._latest)
        found = [(name, self._latest[name][1]) for name in names]
        newer = set(versions.newer_among(found))
        return {name: seq for name, seq in found if name in newer}


class SnapshotTick(TickMessage, gc=False):
    """The latest tick of a symbol as a `tick`, marked with `"snapshot": true`."""

    snapshot: bool = True


_encode = msgspec.json.Encoder().encode


class StoredTicks:
    """The ticks in Redis, as the `StateStore` of the feed. Belongs to the event loop's thread."""

    name = "the store of ticks"

    def __init__(self, reader: MarketReader, seen: SeenTicks, repairs: Repairs[StoredTick]) -> None:
        self._reader = reader
        self._seen = seen
        self._repairs = repairs

    async def answers(self) -> bool:
        """True if Redis can be read."""
        return await self._reader.ping()

    async def keys(self) -> list[str]:
        """All symbols."""
        return await self._reader.symbols()

    async def read(self, keys: list[str]) -> list[tuple[str, int, StoredTick]]:
        """Symbol, number and tick of those symbols that have one. Raises RedisDownError."""
        found = await self._reader.ticks(keys)
        self._repairs.check(keys, (tick.symbol for tick in found))
        return [(tick.symbol, tick.seq, tick) for tick in found]

    def encode(self, state: StoredTick) -> str:
        """The tick as a `tick` (JSON)."""
        tick = SnapshotTick(
            "tick",
            state.symbol,
            state.price,
            state.volume,
            state.timestamp,
            state.ts_us,
            state.seq,
            state.ma_1m,
            state.ma_5m,
            state.vol_1m,
            state.vwap_1m,
            state.is_anomaly,
            is_late=False,
            anomalies=state.anomalies,
        )
        return _encode(tick).decode()

    def withdrawals(self, keys: list[str]) -> list[tuple[str, int, str]]:
        """None: a symbol keeps its latest tick."""
        return []

    def is_current(self, key: str, version: int) -> bool:
        """True for the latest tick of a symbol: one that came late says nothing about the price of now."""
        return self._seen.is_latest(key, version)

    def seen_newer(self, versions: Versions, keys: list[str] | None) -> dict[str, int]:
        """Of these symbols (None: of all), those whose latest relayed tick is newer than in `versions`."""
        return self._seen.newer_than(versions, keys)


def make_tick_feed(
    client: ClientOptions,
    topic: str,
    topics: Mapping[str, Mapping[str, str]],
    *,
    reader: MarketReader,
    seen: SeenTicks,
    repairs: Repairs[StoredTick],
) -> LiveFeed:
    """The feed that `/ws/ticks` serves. client, topic, topics: as a `Relay` takes them."""
    relay = Relay(client, topic, topics, decode_tick)
    return LiveFeed(form=SYMBOLS, relay=relay, states=StoredTicks(reader, seen, repairs))


class _SimpleTick(msgspec.Struct, gc=False):
    """A frame of `/market/ws`."""

    symbol: str
    price: float
    timestamp: str


class _FullTick(_SimpleTick, gc=False):
    is_late: bool


_decode_full = msgspec.json.Decoder(_FullTick).decode


def _simple_frame(frame: bytes) -> bytes | None:
    """The frame of `/market/ws` for one of `/ws/ticks`. None for a late tick, and for what another program has
    written."""
    try:
        tick = _decode_full(payload_of(frame))
    except msgspec.MsgspecError:
        return None
    simple = _SimpleTick(tick.symbol, tick.price, tick.timestamp)
    return None if tick.is_late else text_frame(_encode(simple))


class SimpleFrames:
    """The frames of `/market/ws`: symbol, price and time of each tick that is not late. They are made only while
    somebody receives them. hub: of the clients. Belongs to the event loop's thread."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def after(self, publish: Callable[[list[Update]], None]) -> Callable[[list[Update]], None]:
        """A function that publishes updates, and then their simple frames."""

        def publish_both(updates: list[Update]) -> None:
            publish(updates)
            if not self._hub.clients:
                return
            frames = ((key, version, _simple_frame(frame)) for key, version, frame in updates)
            self._hub.publish([(key, version, frame) for key, version, frame in frames if frame is not None])

        return publish_both
