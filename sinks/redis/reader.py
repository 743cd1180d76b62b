"""The reader of Redis, from which the API answers."""

import time
from collections.abc import Sequence
from typing import Any

import msgspec
from redis import RedisError

from clients.redis import RedisEndpoint, connect_async
from core.errors import RedisDownError
from pricing.decision import Adjustment
from sinks.redis import pricing as keys
from sinks.redis.pricing import PRICE_FIELDS

IDS_FRESH_S = 1.0
"""Shortest time for which ids are kept in memory."""

IDS_READ_SHARE = 0.05
"""Largest share of the time that reading ids may take."""

IDS_KEPT_MAX = 1000


class StoredPrice(msgspec.Struct, frozen=True):
    """A price as Redis holds it. day: days since the epoch of the day that `day_open` belongs to, -1 if unknown."""

    product_id: str
    price: float
    demand: float
    version: int
    price_source: str
    previous_price: float | None
    updated_at_ms: int
    adjustments: list[Adjustment]
    event_time_ms: int
    policy: str
    day_open: float | None
    day: int


class StoredOverride(msgspec.Struct, frozen=True):
    """An active override. Times are RFC 3339, UTC."""

    product_id: str
    override_price: float
    reason: str
    set_by: str
    set_at: str
    expires_at: str | None


class StoredProduct(msgspec.Struct, frozen=True):
    """The catalogue's facts about a product. Amounts are in the policy's currency."""

    product_id: str
    name: str
    category: str
    base_price: float
    unit_cost: float | None = None


class StoredFreeze(msgspec.Struct, frozen=True):
    """A freeze in force. `set_at` is RFC 3339, UTC."""

    scope: str
    reason: str
    set_by: str
    set_at: str


_decode_adjustments = msgspec.json.Decoder(list[Adjustment]).decode
_decode_freeze = msgspec.json.Decoder(StoredFreeze).decode


def read_price(product_id: str, values: list[bytes | None]) -> StoredPrice | None:
    """A price from the values of `PRICE_FIELDS`, in their order. None if the product has no price."""
    if values[0] is None:
        return None
    price, demand, version, source, previous, updated_at, adjustments, event_time, policy, day_open, day = (
        value or b"" for value in values
    )
    return StoredPrice(
        product_id,
        float(price),
        float(demand or 0),
        int(version or 0),
        source.decode() or "base",
        float(previous) if previous else None,
        int(updated_at or 0),
        _decode_adjustments(adjustments) if adjustments else [],
        int(event_time or updated_at or 0),
        policy.decode(),
        float(day_open) if day_open else None,
        int(day) if day else -1,
    )


class PriceReader:
    """The reader of prices, products, overrides and freezes. Belongs to one event loop. Used by the API.

    Every method but `ping` and `close` raises RedisDownError if Redis does not answer within a second."""

    def __init__(self, endpoint: RedisEndpoint) -> None:
        self._client = connect_async(endpoint)
        self._ids: dict[str, tuple[float, list[str]]] = {}

    async def ping(self) -> bool:
        """True if Redis answers."""
        try:
            return bool(await self._call("PING"))
        except RedisDownError:
            return False

    async def price(self, product_id: str) -> StoredPrice | None:
        """The latest price of a product, None if it has none."""
        values = await self._call("HMGET", keys.price_key(product_id), *PRICE_FIELDS)
        return read_price(product_id, values)

    async def prices(self, product_ids: list[str]) -> list[StoredPrice]:
        """The prices of these products, in their order, without products that have no price."""
        commands = [("HMGET", keys.price_key(name), *PRICE_FIELDS) for name in product_ids]
        found = zip(product_ids, await self._calls(commands), strict=True)
        return [price for name, values in found if (price := read_price(name, values))]

    async def products(self, product_ids: list[str]) -> list[StoredProduct]:
        """The catalogue's facts about these products, in their order, without unknown products."""
        fields = ("name", "category", "base_price", "unit_cost")
        commands = [("HMGET", keys.product_key(product_id), *fields) for product_id in product_ids]
        found = zip(product_ids, await self._calls(commands), strict=True)
        return [
            StoredProduct(
                product_id, name.decode(), category.decode(), float(base_price), float(cost) if cost else None
            )
            for product_id, (name, category, base_price, cost) in found
            if name is not None
        ]

    async def is_known(self, product_id: str) -> bool:
        """True if the product has a price or a catalogue entry."""
        return bool(await self._call("EXISTS", keys.price_key(product_id), keys.product_key(product_id)))

    async def product_ids(self, category: str | None = None) -> list[str]:
        """The ids of all products with a price, or of a category's products, sorted.

        They are kept in memory for at least `IDS_FRESH_S`, and longer if reading them is slow: reading takes at
        most `IDS_READ_SHARE` of the time."""
        key = keys.category_key(category) if category is not None else keys.PRODUCTS
        kept = self._ids.get(key)
        started = time.monotonic()
        if kept is not None and started < kept[0]:
            return kept[1]
        ids = sorted(member.decode() for member in await self._call("SMEMBERS", key))
        if len(self._ids) > IDS_KEPT_MAX:
            self._ids.clear()
        read = time.monotonic()
        self._ids[key] = (read + max(IDS_FRESH_S, (read - started) / IDS_READ_SHARE), ids)
        return ids

    async def override(self, product_id: str) -> StoredOverride | None:
        """The active override of a product, None if there is none."""
        fields = (await self._calls([("HGETALL", keys.override_key(product_id))]))[0]
        return _override(product_id, fields) if fields else None

    async def overrides(self) -> list[StoredOverride]:
        """All active overrides, in order of product id."""
        ids = sorted(member.decode() for member in await self._call("SMEMBERS", keys.OVERRIDES))
        hashes = await self._calls([("HGETALL", keys.override_key(name)) for name in ids])
        return [_override(name, fields) for name, fields in zip(ids, hashes, strict=True) if fields]

    async def categories(self) -> list[str]:
        """The names of all categories, sorted."""
        return sorted(member.decode() for member in await self._call("SMEMBERS", keys.CATEGORIES))

    async def freezes(self) -> list[StoredFreeze]:
        """The freezes in force, in order of scope."""
        stored = await self._call("HVALS", keys.FREEZES)
        return sorted((_decode_freeze(each) for each in stored), key=lambda freeze: freeze.scope)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _call(self, *command: str) -> Any:
        try:
            return await self._client.execute_command(*command)  # type: ignore[no-untyped-call]
        except (RedisError, OSError, TimeoutError) as error:
            raise RedisDownError(f"{type(error).__name__}: {error}") from None

    async def _calls(self, commands: Sequence[tuple[str, ...]]) -> list[Any]:
        if not commands:
            return []
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        try:
            return await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise RedisDownError(f"{type(error).__name__}: {error}") from None


def _override(product_id: str, fields: dict[bytes, bytes]) -> StoredOverride:
    text = {name.decode(): value.decode() for name, value in fields.items()}
    return StoredOverride(
        product_id,
        float(text.get("override_price", "0")),
        text.get("reason", ""),
        text.get("set_by", ""),
        text.get("set_at", ""),
        text.get("expires_at") or None,
    )
