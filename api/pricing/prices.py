"""Routes of current prices: one price and its explanation, pages of prices, products, categories, the board."""

import bisect
import gzip
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.pricing import models
from api.services import Services, services_of
from api.web.cursors import (
    IdCursorQuery,
    TextCursorQuery,
    listed,
    read_id_cursor,
    read_text_cursor,
    write_id_cursor,
)
from api.web.errors import ApiError
from api.web.requests import PAGE_MAX, LimitQuery, ProductId, parse_ids
from api.web.responses import encode_json, json_response, responses
from core.errors import RedisDownError
from core.text import to_nfc
from pricing.commands import CATEGORY_MAX_CHARS
from pricing.explanation import bound_by, explain
from sinks.redis.reader import StoredPrice, StoredSignals

DEFAULT_PAGE = 100
COMPRESS_FROM_BYTES = 4_096

LOST = "the price store has lost this price; it is being written again"

router = APIRouter(tags=["prices"])


# Product ids are matched as paths, so that an id with a slash is a bad id (400), not an unknown route (404).
@router.get(
    "/price/{product_id:path}/explain",
    response_model=models.ExplanationShown,
    responses=responses(400, 404, 503),
    description="Why the price is what it is: every amount in it, and a sentence.",
)
async def explanation(product_id: ProductId, request: Request) -> Response:
    """The amounts that add up to the latest price of a product, and a sentence about them."""
    services = services_of(request)
    stored = await services.prices.price(product_id)
    if stored is None:
        stored, lost = await services.repairs.find(product_id)
        if stored is None:
            raise ApiError(503, LOST) if lost else ApiError(404, "no such product")
    adjustments = stored.adjustments
    (signals,) = await services.prices.signals([product_id])
    return json_response(
        {
            "product_id": product_id,
            "price": stored.price,
            "version": stored.version,
            "policy": stored.policy,
            "event_time_ms": stored.event_time_ms,
            "inputs": {
                "base_price": adjustments[0].amount if adjustments else None,
                "demand": stored.demand,
                "previous_price": stored.previous_price,
                "price_source": stored.price_source,
                **msgspec.structs.asdict(signals or StoredSignals()),
            },
            "adjustments": adjustments,
            "bound_by": bound_by(adjustments),
            "text": explain(
                stored.price,
                stored.previous_price,
                stored.demand,
                stored.price_source,
                adjustments,
                scale=services.policy.scale,
            ),
        }
    )


@router.get("/price/{product_id:path}", response_model=models.Price, responses=responses(400, 404, 503))
async def price(product_id: ProductId, request: Request) -> Response:
    """The latest price of a product.

    While the store is down, or has lost the price, the last price seen, with `stale: true` and `age_ms`, if there
    is one."""
    services = services_of(request)
    ticket = services.price_cache.ticket(product_id)
    body = None
    try:
        stored = await services.prices.price(product_id)
        if stored is None:
            stored, lost = await services.repairs.find(product_id)
            if stored is None:
                if lost:
                    return _from_board(services, product_id)
                raise ApiError(404, "no such product")
        services.board.note_stored(stored)
        content = {
            "product_id": product_id,
            "price": stored.price,
            "demand": stored.demand,
            "price_source": stored.price_source,
        }
        body = encode_json(content)
        return Response(body, media_type="application/json")
    except RedisDownError:
        return _from_board(services, product_id)
    finally:
        services.price_cache.keep(product_id, ticket, body)


def _from_board(services: Services, product_id: str) -> Response:
    """The price that this process has seen last. Raises ApiError (503) if it has seen none."""
    seen = services.board.get(product_id)
    if seen is None:
        raise ApiError(503, "the price store does not answer, and no earlier price is known here")
    age_ms = seen.age_ms
    content = {
        "product_id": product_id,
        "price": seen.price,
        "demand": seen.demand,
        "price_source": seen.price_source,
        "stale": True,
        "age_ms": age_ms,
    }
    return json_response(content, {"Age": str(age_ms // 1000)})


@router.get("/prices", response_model=models.PricePage, responses=responses(400, 503))
async def prices(
    request: Request,
    ids: models.IdsQuery | None = None,
    category: Annotated[
        str | None,
        Query(
            description="Only products of this category.",
            json_schema_extra={"minLength": 1, "maxLength": CATEGORY_MAX_CHARS},
        ),
    ] = None,
    limit: LimitQuery = None,
    cursor: IdCursorQuery = None,
) -> Response:
    """Prices by product id, a page at a time. Unknown ids are left out."""
    services = services_of(request)
    size = min(limit or (PAGE_MAX if ids is not None else DEFAULT_PAGE), PAGE_MAX)
    last_id = read_id_cursor(cursor)
    category = None if category is None else to_nfc(category, CATEGORY_MAX_CHARS)
    if category is not None and not 0 < len(category) <= CATEGORY_MAX_CHARS:
        raise ApiError(400, f"category takes 1 to {CATEGORY_MAX_CHARS} characters")
    candidates = await _candidates(services, ids, category)
    start = 0 if last_id is None else bisect.bisect_right(candidates, last_id)
    page = candidates[start : start + size]
    found = await services.prices.prices(page)
    services.repairs.check(page, (stored.product_id for stored in found))
    for stored in found:
        services.board.note_stored(stored)
    more = start + size < len(candidates)
    return json_response(
        {
            "prices": [_listed(stored) for stored in found],
            "next_cursor": write_id_cursor(page[-1]) if more else None,
        }
    )


async def _candidates(services: Services, ids: str | None, category: str | None) -> list[str]:
    """The products that a request for prices asks for, sorted, each once: `ids`, a category's, those in both, or
    all. Raises ApiError (400) for malformed ids."""
    if ids is None:
        return await services.prices.product_ids(category)
    wanted = set(parse_ids(ids, noun="product"))
    if category is not None:
        wanted &= set(await services.prices.product_ids(category))
    return sorted(wanted)


def _listed(stored: StoredPrice) -> dict[str, Any]:
    return {
        "product_id": stored.product_id,
        "price": stored.price,
        "demand": stored.demand,
        "price_source": stored.price_source,
        "version": stored.version,
        "updated_at_ms": stored.updated_at_ms,
    }


@router.get(
    "/products",
    response_model=models.ProductList,
    responses=responses(400, 503),
    description="What the catalogue says of some products. Ids that it does not know are left out.",
)
async def products(
    request: Request,
    ids: models.IdsQuery,
) -> Response:
    """Catalogue entries of some products, by product id."""
    found = await services_of(request).prices.products(sorted(set(parse_ids(ids, noun="product"))))
    # The unit cost is not among the fields, because this route needs no key.
    shown = models.ProductShown.model_fields
    return json_response({"products": [{name: getattr(each, name) for name in shown} for each in found]})


@router.get("/board", response_model=models.BoardShown, responses=responses(400))
async def board(
    request: Request,
    since: Annotated[str | None, Query(description="`token` of the answer before.", max_length=64)] = None,
) -> Response:
    """Every product in a row of few bytes, or only those that changed since an earlier answer: at most 5,000 an
    answer, then `more`. Answered from memory; `reset` says that what the caller has is to be forgotten.
    A row: product_id, name, category, price, demand, price_source, version, updated_at_ms, bound_by, day_open."""
    services = services_of(request)
    services.board.fill(services.prices)
    body = encode_json(services.board.page(since))
    headers = {"Vary": "Accept-Encoding"}
    if len(body) >= COMPRESS_FROM_BYTES and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = gzip.compress(body, 1)
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type="application/json")


@router.get("/categories", response_model=models.CategoryList, responses=responses(400, 503))
async def categories(request: Request, cursor: TextCursorQuery = None) -> Response:
    """The names of all categories in the catalogue, in order; at most 5,000 an answer."""
    found = await services_of(request).prices.categories(after=read_text_cursor(cursor))
    return json_response(listed("categories", found))
