"""Routes of sales, read from SQL."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.sales import models
from api.services import services_of
from api.web.databases import NOT_CONFIGURED, answer_of
from api.web.errors import ApiError
from api.web.requests import PAGE_MAX, FromQuery, LimitQuery, ProductId, ToQuery, check_id, parse_time
from api.web.responses import json_response, responses
from sinks.history.sales_reader import By, SalesReader

DEFAULT_GROUPS = 100
DAYS_MAX = 3_660

router = APIRouter(tags=["sales"])


@router.get("/sales", response_model=models.SalesList, responses=responses(400, 401, 503))
async def sales(
    request: Request,
    by: Annotated[By, Query(description="Of what each group has one.")] = "product",
    limit: LimitQuery = DEFAULT_GROUPS,
    since: FromQuery = None,
    until: ToQuery = None,
) -> Response:
    """Orders, units, revenue, margin and uplift of groups of orders, by the time of the order: days in order, all
    others by revenue, the greatest first."""
    from_ms, to_ms = parse_time("from", since), parse_time("to", until)
    size = min(limit or DEFAULT_GROUPS, PAGE_MAX)
    found = await answer_of(_sales_of(request).groups(by, size, from_ms, to_ms))
    return json_response({"sales": found})


@router.get("/sales/{product_id:path}", response_model=models.ProductSales, responses=responses(400, 401, 404, 503))
async def product(
    product_id: ProductId, request: Request, since: FromQuery = None, until: ToQuery = None
) -> Response:
    """The sales of a product, as a whole and by day."""
    name = check_id(product_id, noun="product")
    from_ms, to_ms = parse_time("from", since), parse_time("to", until)
    reader = _sales_of(request)
    whole = await answer_of(reader.groups("product", 1, from_ms, to_ms, product_id=name))
    if not whole:
        raise ApiError(404, "no such sales")
    days = await answer_of(reader.groups("day", DAYS_MAX, from_ms, to_ms, product_id=name))
    return json_response({**msgspec.structs.asdict(whole[0]), "days": days})


def _sales_of(request: Request) -> SalesReader:
    """The history database. Raises ApiError (503) if none is configured."""
    found = services_of(request).sales
    if found is None:
        raise ApiError(503, NOT_CONFIGURED)
    return found
