"""Routes of the inventory: stock, clicks and competitors of products, read from Redis."""

import bisect
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.pricing import models
from api.services import Services, services_of
from api.web.cursors import IdCursorQuery, read_id_cursor, write_id_cursor
from api.web.errors import ApiError
from api.web.requests import PAGE_MAX, LimitQuery, ProductId, check_id
from api.web.responses import json_response, responses
from sinks.redis.reader import StoredSignals

DEFAULT_PAGE = 100
IGNORED = ("echoes", "outside_band")
"""Fields that only explanations show."""

router = APIRouter(tags=["inventory"])


@router.get("/inventory", response_model=models.InventoryPage, responses=responses(400, 503))
async def inventory(
    request: Request,
    *,
    stock_category: Annotated[
        models.StockCategory | None, Query(description="Only products with this much stock.")
    ] = None,
    low: Annotated[Literal["1"] | None, Query(description="1: only products that need a reorder.")] = None,
    oversold: Annotated[Literal["1"] | None, Query(description="1: only products sold beyond their stock.")] = None,
    limit: LimitQuery = None,
    cursor: IdCursorQuery = None,
) -> Response:
    """Products with stock, clicks or competitors, by product id, a page at a time."""
    services = services_of(request)
    size = min(limit or DEFAULT_PAGE, PAGE_MAX)
    last_id = read_id_cursor(cursor)
    wanted = (stock_category, "low" if low else None, "oversold" if oversold else None)
    parts = [part for part in wanted if part is not None]
    found = await services.prices.inventory(parts)
    start = 0 if last_id is None else bisect.bisect_right(found, last_id)
    page = found[start : start + size]
    next_cursor = write_id_cursor(page[-1]) if start + size < len(found) else None
    return json_response({"products": await _shown(services, page), "next_cursor": next_cursor})


@router.get(
    "/inventory/{product_id:path}", response_model=models.InventoryShown, responses=responses(400, 404, 503)
)
async def product(product_id: ProductId, request: Request) -> Response:
    """Stock, clicks and competitors of a product."""
    services, name = services_of(request), check_id(product_id, noun="product")
    (found,) = await _shown(services, [name])
    if found["name"] is None and found["price"] is None and not (await services.prices.signals([name]))[0]:
        raise ApiError(404, "no such product")
    return json_response(found)


async def _shown(services: Services, names: list[str]) -> list[dict[str, Any]]:
    reader = services.prices
    entries = {entry.product_id: entry.name for entry in await reader.products(names)}
    prices = {stored.product_id: stored.price for stored in await reader.prices(names)}
    shown = []
    for name, signals in zip(names, await reader.signals(names), strict=True):
        fields = msgspec.structs.asdict(signals or StoredSignals())
        for field in IGNORED:
            del fields[field]
        shown.append({"product_id": name, "name": entries.get(name), **fields, "price": prices.get(name)})
    return shown
