"""Routes of past prices: the list, and the points of a chart. Read from SQL."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.pricing import models
from api.pricing.history_database import history_of
from api.services import Services, services_of
from api.web.databases import answer_of
from api.web.errors import ApiError
from api.web.requests import PAGE_MAX, FromQuery, LimitQuery, ProductId, ToQuery, parse_time
from api.web.responses import json_response, responses
from pricing.decision import Adjustment
from pricing.explanation import bound_by, explain
from sinks.history.reader import VERSION_MAX, HistoryPoint

DEFAULT_LIMIT = 50
CHART_POINTS_MAX = 2000

PointsQuery = Annotated[int, Query(ge=2, le=CHART_POINTS_MAX, description="Largest number of points.")]

_decode_adjustments = msgspec.json.Decoder(list[Adjustment]).decode

router = APIRouter(tags=["history"])


# Before the last route, whose product_id would take `/chart` and `/signals` too.
@router.get(
    "/history/{product_id:path}/chart", response_model=models.ChartShown, responses=responses(400, 401, 404, 503)
)
async def chart(
    product_id: ProductId,
    request: Request,
    points: PointsQuery = 500,
    since: FromQuery = None,
    until: ToQuery = None,
) -> Response:
    """Past prices thinned for a chart: of each of `points` equal spans of time the last, oldest first. A point:
    event_time_ms, price, demand, price_source, version; `prices` says how many they stand for. A late event has
    the time at which it came into force, which is that of the newest event before it."""
    services = services_of(request)
    from_ms, to_ms = parse_time("from", since), parse_time("to", until)
    found = await answer_of(history_of(request).chart(product_id, points, from_ms, to_ms))
    await check_known(services, product_id, found.points)
    return json_response({"product_id": product_id, "prices": found.prices, "points": found.points})


@router.get(
    "/history/{product_id:path}/signals",
    response_model=models.SignalHistory,
    responses=responses(400, 401, 404, 503),
)
async def signals(
    product_id: ProductId,
    request: Request,
    points: PointsQuery = 500,
    since: FromQuery = None,
    until: ToQuery = None,
) -> Response:
    """Past stock, clicks and competitors, by minute of event time, thinned as a chart of prices. A point: at_ms,
    stock (below 0 if oversold), clicks_15m, min_competitor_price; null for what was not known."""
    services = services_of(request)
    from_ms, to_ms = parse_time("from", since), parse_time("to", until)
    found = await answer_of(history_of(request).signals(product_id, points, from_ms, to_ms))
    await check_known(services, product_id, found)
    return json_response({"product_id": product_id, "points": found})


@router.get("/history/{product_id:path}", response_model=models.History, responses=responses(400, 401, 404, 503))
async def history(
    product_id: ProductId,
    request: Request,
    *,
    limit: LimitQuery = DEFAULT_LIMIT,
    since: FromQuery = None,
    until: ToQuery = None,
    before_version: Annotated[
        int | None, Query(ge=1, le=VERSION_MAX, description="Only prices of a lower version, for the next page.")
    ] = None,
    detail: Annotated[
        bool, Query(description="With policy, adjustments, cause, source position and an explanation.")
    ] = False,
) -> Response:
    """Past prices of a product, newest first: by version, as the latest price is the one with the highest."""
    services = services_of(request)
    from_ms, to_ms = parse_time("from", since), parse_time("to", until)
    database = history_of(request)
    size = min(limit or DEFAULT_LIMIT, PAGE_MAX)
    points = await answer_of(database.read(product_id, size, from_ms, to_ms, below=before_version))
    await check_known(services, product_id, points)
    scale = services.policy.scale
    shown = [_in_detail(point, scale) if detail else _in_short(point) for point in points]
    return json_response({"product_id": product_id, "history": shown})


def _in_short(point: HistoryPoint) -> dict[str, Any]:
    return {
        "price": point.price,
        "event_time": point.event_time,
        "price_source": point.price_source,
        "demand": point.demand,
        "version": point.version,
    }


def _in_detail(point: HistoryPoint, scale: int) -> dict[str, Any]:
    adjustments = _decode_adjustments(point.adjustments)
    return {
        **_in_short(point),
        "policy": point.policy,
        "adjustments": adjustments,
        "bound_by": bound_by(adjustments),
        "cause": point.cause,
        "source": {name: getattr(point.position, name) for name in ("topic", "partition", "offset")},
        "text": explain(point.price, None, point.demand, point.price_source, adjustments, scale=scale, first=False),
    }


async def check_known(services: Services, product_id: str, points: object) -> None:
    """Check that a product is known. Raises ApiError (404) for one that has no points, and that neither the board
    nor Redis knows."""
    if not (points or services.board.get(product_id)) and not await services.prices.is_known(product_id):
        raise ApiError(404, "no such product")
