"""Prices, products and freezes in Redis: names of keys, rows, and the script that writes the rows
(`pricing.lua`)."""

from importlib import resources

import msgspec

from core.timestamps import to_rfc3339
from pricing import inventory
from pricing.catalogue import CatalogueEntry
from pricing.commands import PriceOverride
from pricing.decision import FreezeChange, Priced, PriceDecision, PricedEvents
from pricing.inventory import StockCategory
from pricing.signals import ShownSignals
from sinks.redis.keys import RedisRow

SCRIPT = (resources.files("sinks.redis") / "pricing.lua").read_text(encoding="utf-8")

PRODUCTS = "products"
"""Set of the ids of all products that have a price."""

OVERRIDES = "overrides"
"""Set of the ids of all products with an active override."""

CATEGORIES = "categories"
"""Set of the names of all categories."""

FREEZES = "freezes"
"""Hash of the freezes in force: scope to JSON with scope, reason, set_by and set_at."""


def price_key(product_id: str) -> str:
    """Hash of a product's latest price, with the fields `PRICE_FIELDS`."""
    return f"price:{product_id}"


def override_key(product_id: str) -> str:
    """Hash of an active override: override_price, reason, set_by, set_at, expires_at."""
    return f"override:{product_id}"


def product_key(product_id: str) -> str:
    """Hash of a catalogue entry: name, category, base_price; unit_cost, list_price, map_price if they are known."""
    return f"product:{product_id}"


def signals_key(product_id: str) -> str:
    """Hash of a product's signals: stock, oversold, stock_category, reorder_threshold, clicks_15m,
    min_competitor_price, competitor, updated_at_ms; needs_reorder, echoes, outside_band, quoted_at_ms and
    days_of_cover, which are not in the contract. A field that is not known is absent."""
    return f"signals:{product_id}"


INVENTORY = "inventory"
"""Set of the ids of all products with a hash `signals:{id}`."""


def inventory_key(part: str) -> str:
    """Set of the ids of a part of them: `low` for those that need a reorder, `oversold`, or a category of stock."""
    return f"inventory:{part}"


def category_key(category: str) -> str:
    """Set of the ids of a category's products."""
    return f"category:{category}"


PRICE_FIELDS = (
    "price",
    "demand",
    "version",
    "price_source",
    "previous_price",
    "updated_at_ms",
    "adjustments",
    "event_time_ms",
    "policy",
    "day_open",
    "day",
)
"""Fields of `price:{product_id}`. The last four are not in the contract. They serve the snapshot, explanations, and
the change since the day began."""


class _Override(msgspec.Struct, gc=False):
    override_price: float
    reason: str
    set_by: str
    set_at: str
    expires_at: str


class _Product(msgspec.Struct, gc=False):
    name: str
    category: str
    base_price: float
    unit_cost: float | None
    list_price: float | None
    map_price: float | None


class _Freeze(msgspec.Struct, gc=False):
    scope: str
    reason: str
    set_by: str
    set_at: str


_encode = msgspec.json.Encoder().encode


def encode_latest(priced: Priced) -> list[RedisRow]:
    """The rows of decisions. Of several prices of a product, only the newest gives a row."""
    rows: dict[str, bytes] = encode_events(priced.events) if priced.events else {}
    newest: dict[str, tuple[PriceDecision, bytes | None]] = {}
    for decision, update in zip(priced.decisions, priced.updates, strict=True):
        if decision.catalogue is None and not decision.forgotten:
            newest[decision.product_id] = decision, update
        else:
            newest.pop(decision.product_id, None)
            rows.update(encode_rows(decision, update))
    for decision, update in newest.values():
        rows.update(encode_rows(decision, update))
    rows.update(map(encode_freeze, priced.freezes))
    rows.update(map(encode_signals, priced.signals))
    return list(rows.items())


def encode_events(events: PricedEvents) -> dict[str, bytes]:
    """The newest row of every product with events, by product id. The rows are those of `encode_rows`, at a third
    of the cost."""
    # All numbers in one call, then split: no number has a comma.
    day_opens = _encode(events.day_opens)[1:-1].split(b",")
    newest = dict(zip(events.keys, zip(events.updates, day_opens, strict=True), strict=True))
    at = b"%d" % events.updated_at_ms
    return {
        key.decode(): b'["%b",%b,%b,null,%b]' % (key, at, update, day_open)
        for key, (update, day_open) in newest.items()
    }


def encode_rows(decision: PriceDecision, update: bytes | None) -> list[RedisRow]:
    """The rows of a decision: of its price and, if the catalogue changed, of its product. update: the decision's
    update as JSON; None withdraws the price."""
    product_id = decision.product_id
    name = product_id.encode()
    override = _encode_override(decision.override)
    last = b"%d" % decision.version if update is None else _encode(decision.day_open)
    price = b'["%b",%d,%b,%b,%b]' % (name, decision.updated_at_ms, update or b"null", override, last)
    if decision.catalogue is None and not decision.forgotten:
        return [(product_id, price)]
    product = _encode(_product_of(decision.catalogue)) if decision.catalogue else b"null"
    # No identifier has a space, so the two names never are the same.
    return [(product_id, price), (f"{product_id} product", b'["%b",%b]' % (name, product))]


def encode_signals(shown: ShownSignals) -> RedisRow:
    """The row of a product's signals: `[product_id, fields, parts, "signals"]` as JSON. It is put together as text,
    at a third of the cost. Only the name of a competitor may need escaping."""
    name, low, oversold = shown.product_id, shown.needs_reorder, shown.oversold
    parts = _PARTS[shown.stock_category, low, oversold > 0]
    if shown.is_empty:
        return f"{name} signals", f'["{name}",[],{parts},"signals"]'.encode()
    known = ""
    if shown.stock is not None:
        known = f',"stock","{_text(shown.stock)}","stock_category","{shown.stock_category}"'
    if shown.reorder_threshold is not None:
        known += f',"reorder_threshold","{_text(shown.reorder_threshold)}"'
    if shown.min_competitor_price is not None:
        competitor = _encode(shown.competitor).decode()
        known += f',"min_competitor_price","{_text(shown.min_competitor_price)}","competitor",{competitor}'
    if shown.quoted_at_ms is not None:
        known += f',"quoted_at_ms","{shown.quoted_at_ms}"'
    if shown.days_of_cover is not None:
        known += f',"days_of_cover","{_text(shown.days_of_cover)}"'
    return f"{name} signals", (
        f'["{name}",["clicks_15m","{shown.clicks_15m}","updated_at_ms","{shown.updated_at_ms}",'
        f'"oversold","{_text(oversold) if oversold else 0}","needs_reorder","{1 if low else 0}",'
        f'"echoes","{shown.echoes}","outside_band","{shown.outside_band}"{known}],{parts},"signals"]'
    ).encode()


def _text(number: float) -> str:
    """A number, without a point if it is a whole one."""
    return str(int(number)) if number == int(number) else repr(number)


def _parts_of(category: StockCategory | None, *, low: bool, oversold: bool) -> str:
    parts = [] if category is None else [category]
    return _encode(parts + ["low"] * low + ["oversold"] * oversold).decode()


_PARTS: dict[tuple[str | None, bool, bool], str] = {
    (category, low, oversold): _parts_of(category, low=low, oversold=oversold)
    for category in (None, *inventory.CATEGORIES)
    for low in (False, True)
    for oversold in (False, True)
}


def encode_freeze(change: FreezeChange) -> RedisRow:
    """The row of a freeze that began, ended or was replaced."""
    freeze = change.freeze
    shown = freeze and _Freeze(freeze.scope, freeze.reason, freeze.set_by, to_rfc3339(freeze.set_at_ms))
    return f"freeze {change.scope}", _encode((change.scope, shown, "freeze"))


def _encode_override(override: PriceOverride | None) -> bytes:
    if override is None:
        return b"null"
    expires = to_rfc3339(override.expires_at_ms) if override.expires_at_ms is not None else ""
    set_at = to_rfc3339(override.set_at_ms)
    return _encode(_Override(override.override_price, override.reason, override.set_by, set_at, expires))


def _product_of(entry: CatalogueEntry) -> _Product:
    return _Product(
        entry.name, entry.category, entry.base_price, entry.unit_cost, entry.list_price, entry.map_price
    )
