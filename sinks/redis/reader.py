"""The reader of prices in Redis, from which the API answers."""

from collections.abc import Collection

import msgspec

from pricing.decision import Adjustment
from sinks.redis import pricing as keys
from sinks.redis.calls import CALLS_MAX, Listing, RedisReader
from sinks.redis.keys import REPAIR
from sinks.redis.pricing import PRICE_FIELDS

LISTED_MAX = 5_000
"""Largest number of overrides, freezes or categories in one call."""


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
    list_price: float | None = None
    map_price: float | None = None


class StoredFreeze(msgspec.Struct, frozen=True):
    """A freeze in force. `set_at` is RFC 3339, UTC."""

    scope: str
    reason: str
    set_by: str
    set_at: str


class StoredSignals(msgspec.Struct, frozen=True):
    """A product's stock, clicks and competitors. None for what is not known."""

    stock: float | None = None
    oversold: float = 0
    stock_category: str | None = None
    reorder_threshold: float | None = None
    needs_reorder: bool = False
    clicks_15m: int = 0
    min_competitor_price: float | None = None
    competitor: str | None = None
    echoes: int = 0
    outside_band: int = 0
    quoted_at_ms: int | None = None
    days_of_cover: float | None = None


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


def _signals(values: list[bytes | None]) -> StoredSignals | None:
    found = zip(StoredSignals.__struct_fields__, values, strict=True)
    texts = {name: value.decode() for name, value in found if value is not None}
    return msgspec.convert(texts, StoredSignals, strict=False) if texts else None


class PriceReader(RedisReader):
    """The reader of prices, products, overrides and freezes."""

    repair = REPAIR

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
        fields = ("name", "category", "base_price", "unit_cost", "list_price", "map_price")
        commands = [("HMGET", keys.product_key(product_id), *fields) for product_id in product_ids]
        found = zip(product_ids, await self._calls(commands), strict=True)
        return [
            StoredProduct(
                product_id,
                name.decode(),
                category.decode(),
                float(base_price),
                *(float(amount) if amount else None for amount in amounts),
            )
            for product_id, (name, category, base_price, *amounts) in found
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

    async def signals(self, product_ids: list[str]) -> list[StoredSignals | None]:
        """Stock, clicks and competitors of these products, in their order; None for those that have none."""
        commands = [("HMGET", keys.signals_key(name), *StoredSignals.__struct_fields__) for name in product_ids]
        return [_signals(values) for values in await self._calls(commands)]

    async def inventory(self, parts: Collection[str] = ()) -> list[str]:
        """The ids of products with stock, clicks or competitors, sorted: of those in all these parts
        (`keys.inventory_key`), or of all. As old as `_members`."""
        if not parts:
            return await self._members(keys.INVENTORY)
        first, *others = [await self._members(keys.inventory_key(part)) for part in parts]
        common = set(first).intersection(*others)
        return [name for name in first if name in common]

    async def is_known(self, product_id: str) -> bool:
        """True if the product has a price or a catalogue entry."""
        return bool(await self._call("EXISTS", keys.price_key(product_id), keys.product_key(product_id)))

    async def product_ids(self, category: str | None = None) -> list[str]:
        """The ids of all products with a price, or of a category's products, sorted. Kept as by `_members`."""
        return await self._members(keys.category_key(category) if category is not None else keys.PRODUCTS)

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
