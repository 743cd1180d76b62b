"""Redis, the read side: what the API answers from."""

import time
from collections.abc import Sequence
from typing import Any

import msgspec
import redis.asyncio as aioredis
from redis import RedisError
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sinks import redis_names
from sinks.redis_names import PRICE_FIELDS, StoredPrice, read_price

TIMEOUT_S = 1.0
WAIT_FOR_CONNECTION_S = 3.0
IDS_FRESH_S = 1.0
IDS_READ_SHARE = 0.05
CONNECTIONS_MAX = 64


class RedisDownError(Exception):
    """Redis did not answer in time."""


class StoredOverride(msgspec.Struct, frozen=True):
    """An active override. Times are RFC 3339, UTC."""

    product_id: str
    override_price: float
    reason: str
    set_by: str
    set_at: str
    expires_at: str | None


class StoredProduct(msgspec.Struct, frozen=True):
    """What the catalogue says of a product."""

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


_decode_freeze = msgspec.json.Decoder(StoredFreeze).decode


class PriceReader:
    """Every method raises RedisDownError where Redis does not answer within a second."""

    def __init__(self, address: str, password: str | None) -> None:
        host, port = redis_names.split_address(address)
        # The plain pool raises when all connections are in use; many callers are no outage.
        pool = aioredis.BlockingConnectionPool(
            host=host,
            port=port,
            password=password,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            max_connections=CONNECTIONS_MAX,
            timeout=WAIT_FOR_CONNECTION_S,
            retry=Retry(NoBackoff(), 1),
        )
        self._client = aioredis.Redis.from_pool(pool)
        self._ids: dict[str, tuple[float, list[str]]] = {}

    async def ping(self) -> bool:
        try:
            return bool(await self._call("PING"))
        except RedisDownError:
            return False

    async def price(self, product_id: str) -> StoredPrice | None:
        values = await self._call("HMGET", redis_names.price_key(product_id), *PRICE_FIELDS)
        return read_price(product_id, values)

    async def prices(self, product_ids: list[str]) -> list[StoredPrice]:
        """Those of the products that have a price, in the order asked for."""
        commands = [("HMGET", redis_names.price_key(name), *PRICE_FIELDS) for name in product_ids]
        found = zip(product_ids, await self._calls(commands), strict=True)
        return [price for name, values in found if (price := read_price(name, values))]

    async def products(self, product_ids: list[str]) -> list[StoredProduct]:
        """Those of the products that the catalogue knows, in the order asked for."""
        fields = ("name", "category", "base_price", "unit_cost")
        commands = [("HMGET", redis_names.product_key(product_id), *fields) for product_id in product_ids]
        found = zip(product_ids, await self._calls(commands), strict=True)
        return [
            StoredProduct(
                product_id, name.decode(), category.decode(), float(base_price), float(cost) if cost else None
            )
            for product_id, (name, category, base_price, cost) in found
            if name is not None
        ]

    async def is_known(self, product_id: str) -> bool:
        """Whether the catalogue or an event has named the product."""
        keys = redis_names.price_key(product_id), redis_names.product_key(product_id)
        return bool(await self._call("EXISTS", *keys))

    async def product_ids(self, category: str | None = None) -> list[str]:
        """All ids, or those of a category, sorted. Kept for a second, and for so long that reading them takes
        at most a twentieth of the time."""
        key = redis_names.category_key(category) if category is not None else redis_names.PRODUCTS
        kept = self._ids.get(key)
        started = time.monotonic()
        if kept is not None and started < kept[0]:
            return kept[1]
        ids = sorted(member.decode() for member in await self._call("SMEMBERS", key))
        if len(self._ids) > 1000:
            self._ids.clear()
        read = time.monotonic()
        self._ids[key] = (read + max(IDS_FRESH_S, (read - started) / IDS_READ_SHARE), ids)
        return ids

    async def override(self, product_id: str) -> StoredOverride | None:
        fields = (await self._calls([("HGETALL", redis_names.override_key(product_id))]))[0]
        return _override(product_id, fields) if fields else None

    async def overrides(self) -> list[StoredOverride]:
        """All active overrides, by product."""
        ids = sorted(member.decode() for member in await self._call("SMEMBERS", redis_names.OVERRIDES))
        hashes = await self._calls([("HGETALL", redis_names.override_key(name)) for name in ids])
        return [_override(name, fields) for name, fields in zip(ids, hashes, strict=True) if fields]

    async def categories(self) -> list[str]:
        """The names of all categories, sorted."""
        return sorted(member.decode() for member in await self._call("SMEMBERS", redis_names.CATEGORIES))

    async def freezes(self) -> list[StoredFreeze]:
        """The freezes in force, by scope."""
        stored = await self._call("HVALS", redis_names.FREEZES)
        return sorted((_decode_freeze(each) for each in stored), key=lambda freeze: freeze.scope)

    async def close(self) -> None:
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
