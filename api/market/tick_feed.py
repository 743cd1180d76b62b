"""The live feed of ticks: updates from the topic ticks-enriched, states from Redis."""

from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar

import msgspec

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

    def __init__(self, reader: MarketReader, seen: SeenTicks) -> None:
        self._reader = reader
        self._seen = seen

    async def answers(self) -> bool:
        """True if Redis can be read."""
        return await self._reader.ping()

    async def keys(self) -> list[str]:
        """All symbols."""
        return await self._reader.symbols()

    async def read(self, keys: list[str]) -> list[tuple[str, int, StoredTick]]:
        """Symbol, number and tick of those symbols that have one. Raises RedisDownError."""
        return [(tick.symbol, tick.seq, tick) for tick in await self._reader.ticks(keys)]

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
) -> LiveFeed:
    """The feed that `/ws/ticks` serves. client, topic, topics: as a `Relay` takes them."""
    relay = Relay(client, topic, topics, decode_tick)
    return LiveFeed(form=SYMBOLS, relay=relay, states=StoredTicks(reader, seen))


class _SimpleTick(msgspec.Struct, gc=False):
    """A frame of `/market/ws`."""

    symbol: str
    price: float
    timestamp: str


class _FullTick(_SimpleTick, gc=False):
    is_late: bool


_decode_full = msgspec.json.Decoder(_FullTick).decode


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
            ticks = ((key, version, _decode_full(payload_of(frame))) for key, version, frame in updates)
            self._hub.publish(
                [
                    (key, version, text_frame(_encode(_SimpleTick(tick.symbol, tick.price, tick.timestamp))))
                    for key, version, tick in ticks
                    if not tick.is_late
                ]
            )

        return publish_both
