"""The live feed of prices: updates from the topic price-updates, states from Redis."""

from collections.abc import Mapping

import msgspec

from api.commands.repairs import Repairs
from api.live.feed import LiveFeed
from api.live.relay import Relay
from api.live.subscription import KeyForm
from api.live.versions import Versions
from api.pricing.board import Board, SeenUpdate, SeenWithdrawal
from clients.kafka import ClientOptions
from pricing.decision import PriceUpdate, encode_update
from sinks.redis.reader import PriceReader, StoredPrice

PRODUCTS = KeyForm("product")

decode_update = msgspec.json.Decoder(SeenUpdate | SeenWithdrawal).decode


class _Withdrawal(msgspec.Struct, tag_field="type", tag="price_withdrawn"):
    product_id: str
    version: int


def encode_withdrawal(product_id: str, version: int) -> bytes:
    """The message to WebSocket clients for a product that has no price any more (JSON)."""
    return msgspec.json.encode(_Withdrawal(product_id, version))


class SnapshotUpdate(PriceUpdate, frozen=True, gc=False, tag_field="type", tag="price_update"):
    """The current price of a product as a `price_update`, marked with `"snapshot": true`."""

    snapshot: bool = True


class StoredPrices:
    """The prices in Redis, as the `StateStore` of the feed. Belongs to the event loop's thread."""

    name = "the price store"

    def __init__(self, prices: PriceReader, board: Board, repairs: Repairs[StoredPrice]) -> None:
        self._prices = prices
        self._repairs = repairs
        self._board = board

    async def answers(self) -> bool:
        """True if Redis can be read."""
        return await self._prices.ping()

    async def keys(self) -> list[str]:
        """The ids of all products that have a price."""
        return await self._prices.product_ids()

    async def read(self, keys: list[str]) -> list[tuple[str, int, StoredPrice]]:
        """Product id, version and price of those products that have one. Raises RedisDownError."""
        found = await self._prices.prices(keys)
        self._repairs.check(keys, (stored.product_id for stored in found))
        return [(stored.product_id, stored.version, stored) for stored in found]

    def encode(self, state: StoredPrice) -> str:
        """The price as a `price_update` (JSON)."""
        update = SnapshotUpdate(
            product_id=state.product_id,
            new_price=state.price,
            timestamp=state.event_time_ms // 1000,
            version=state.version,
            previous_price=state.previous_price,
            demand=state.demand,
            price_source=state.price_source,
            event_time_ms=state.event_time_ms,
            policy=state.policy,
            adjustments=state.adjustments,
        )
        return encode_update(update).decode()

    def withdrawals(self, keys: list[str]) -> list[tuple[str, int, str]]:
        """Product id, version and message of those products that the board has lost."""
        found = ((key, self._board.withdrawn_version(key)) for key in keys)
        return [(key, version, encode_withdrawal(key, version).decode()) for key, version in found if version]

    def is_current(self, key: str, version: int) -> bool:
        """True: of two updates of a product, the one that comes later is newer."""
        return True

    def seen_newer(self, versions: Versions, keys: list[str] | None) -> dict[str, int]:
        """Of these products (None: of all), those whose row on the board is newer than in `versions`."""
        return self._board.newer_than(versions, keys)


def make_price_feed(
    client: ClientOptions,
    topic: str,
    topics: Mapping[str, Mapping[str, str]],
    *,
    prices: PriceReader,
    board: Board,
    repairs: Repairs[StoredPrice],
) -> LiveFeed:
    """The feed that `/ws/prices` serves. client, topic, topics: as a `Relay` takes them."""
    relay = Relay(client, topic, topics, decode_update)
    return LiveFeed(form=PRODUCTS, relay=relay, states=StoredPrices(prices, board, repairs))
