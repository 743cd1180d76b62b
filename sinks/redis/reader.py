"""The reader of Redis, from which the API answers."""

import asyncio
import heapq
import time
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from redis import RedisError

from clients.redis import RedisEndpoint, connect_async
from core.errors import RedisDownError
from pricing.decision import Adjustment
from sinks.redis import pricing as keys
from sinks.redis.keys import REPAIR, REPAIR_IDS_MAX
from sinks.redis.pricing import PRICE_FIELDS

ANSWER_WITHIN_S = 3.0
"""Longest time of a call, with waiting for a connection, connecting, and a second try."""

IDS_FRESH_S = 1.0
"""Shortest time for which ids are kept in memory."""

IDS_READ_SHARE = 0.05
"""Largest share of the time that reading ids may take."""

IDS_KEPT_MAX = 1000

LISTED_MAX = 5_000
"""Largest number of overrides, freezes or categories in one call."""

CALLS_MAX = 500
"""Commands in one round trip. Its answers are in memory together."""

SCAN_COUNT = 1_000
SCAN_WITHIN_S = 2.5


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


Row = TypeVar("Row")


class Listing(msgspec.Struct, Generic[Row], frozen=True):
    """A part of a list, in order. after: the name after which the next part begins; None at the end."""

    rows: list[Row]
    after: str | None


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

    Every method but `ping`, `ask_for`, `reconnect` and `close` raises RedisDownError if Redis does not answer
    within `ANSWER_WITHIN_S`."""

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

    async def look_again(self, product_id: str) -> tuple[StoredPrice | None, bool]:
        """The price of a product that `price` did not find, and if the product is in the set of products."""
        values, listed = await self._calls(
            [
                ("HMGET", keys.price_key(product_id), *PRICE_FIELDS),
                ("SISMEMBER", keys.PRODUCTS, product_id),
            ]
        )
        return read_price(product_id, values), bool(listed)

    async def ask_for(self, product_ids: Iterable[str]) -> bool:
        """Ask the flow to write these products again. False if too many are asked for already, or Redis takes no
        writes."""
        try:
            if int(await self._call("SCARD", REPAIR)) >= REPAIR_IDS_MAX:
                return False
            await self._call("SADD", REPAIR, *product_ids)
        except RedisDownError:
            return False
        return True

    async def reconnect(self) -> None:
        """Close the connections that are not in use. The next calls lead to the master of the moment."""
        await self._client.connection_pool.disconnect(inuse_connections=False)

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

    async def overrides(self, limit: int = LISTED_MAX, after: str = "") -> Listing[StoredOverride]:
        """The first `limit` active overrides after a product id, in order of product id."""
        ids, next_after = await self._first("SSCAN", keys.OVERRIDES, limit, after)
        found: list[StoredOverride] = []
        for start in range(0, len(ids), CALLS_MAX):
            names = ids[start : start + CALLS_MAX]
            hashes = await self._calls([("HGETALL", keys.override_key(name)) for name in names])
            found += [_override(name, fields) for name, fields in zip(names, hashes, strict=True) if fields]
        return Listing(found, next_after)

    async def categories(self, limit: int = LISTED_MAX, after: str = "") -> Listing[str]:
        """The first `limit` names of categories after a name, sorted."""
        names, next_after = await self._first("SSCAN", keys.CATEGORIES, limit, after)
        return Listing(names, next_after)

    async def is_category(self, name: str) -> bool:
        """True if any product has this category."""
        return bool(await self._call("SISMEMBER", keys.CATEGORIES, name))

    async def freezes(self, limit: int = LISTED_MAX, after: str = "") -> Listing[StoredFreeze]:
        """The first `limit` freezes in force after a scope, in order of scope."""
        scopes, next_after = await self._first("HSCAN", keys.FREEZES, limit, after)
        found: list[StoredFreeze] = []
        for start in range(0, len(scopes), CALLS_MAX):
            stored = await self._call("HMGET", keys.FREEZES, *scopes[start : start + CALLS_MAX])
            found += [_decode_freeze(each) for each in stored if each is not None]
        return Listing(found, next_after)

    async def freeze(self, scope: str) -> StoredFreeze | None:
        """The freeze of a scope, None if there is none in force."""
        stored = await self._call("HGET", keys.FREEZES, scope)
        return None if stored is None else _decode_freeze(stored)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _first(self, scan: str, key: str, limit: int, after: str) -> tuple[list[str], str | None]:
        """The first `limit` members of a set (SSCAN) or fields of a hash (HSCAN) after a text, sorted, and the last
        of them if there are more.

        They are read in steps, and only the first ones are kept, so that memory does not grow with the set. Raises
        RedisDownError if that takes longer than `SCAN_WITHIN_S`."""
        kept: set[bytes] = set()
        # The order of UTF-8 bytes is that of code points.
        last, cursor = after.encode(), 0
        ends_s = time.monotonic() + SCAN_WITHIN_S
        while True:
            cursor, members = await self._call(scan, key, str(cursor), "COUNT", str(SCAN_COUNT))
            kept.update(member for member in members if member > last)
            if len(kept) > limit + SCAN_COUNT:
                # One more than the limit, which says that there are more.
                kept = set(heapq.nsmallest(limit + 1, kept))
            if not int(cursor):
                first = [member.decode(errors="replace") for member in heapq.nsmallest(limit, kept)]
                return first, first[-1] if len(kept) > limit else None
            if time.monotonic() > ends_s:
                raise RedisDownError(f"{key} has too many members to be read in {SCAN_WITHIN_S} s")

    async def _call(self, *command: str) -> Any:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
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
            async with asyncio.timeout(ANSWER_WITHIN_S):
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
