"""Past prices, from SQL."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

import telemetry
from api import models
from api.errors import ApiError
from api.models import PAGE_MAX, responses
from api.prices import json_response
from api.services import services_of
from pricing.timestamps import LATEST_MS, parse_rfc3339
from sinks.history_store import StoreError

DEFAULT_LIMIT = 50

log = telemetry.get_logger("api")
router = APIRouter(tags=["history"])


@router.get("/history/{product_id:path}", response_model=models.History, responses=responses(400, 401, 404, 503))
async def history(
    product_id: models.ProductId,
    request: Request,
    limit: models.LimitQuery = DEFAULT_LIMIT,
    since: Annotated[
        str | None, Query(alias="from", description="RFC 3339, inclusive.", examples=["2011-12-05T00:00:00Z"])
    ] = None,
    until: Annotated[str | None, Query(alias="to", description="RFC 3339, exclusive.")] = None,
) -> Response:
    """Past prices of a product, newest first by event time."""
    services = services_of(request)
    from_ms, to_ms = _moment("from", since), _moment("to", until)
    if services.history is None:
        raise ApiError(503, "no history database is configured")
    try:
        points = await services.history.read(product_id, min(limit or DEFAULT_LIMIT, PAGE_MAX), from_ms, to_ms)
    except StoreError as error:
        log.warning("the history database does not answer", error=str(error))
        raise ApiError(503, "the history database does not answer") from None
    known = points or services.last_known.get(product_id)
    if not known and not await services.prices.is_known(product_id):
        raise ApiError(404, "no such product")
    return json_response({"product_id": product_id, "history": points})


def _moment(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        # An unencoded plus sign of a time zone arrives as a space.
        moment = parse_rfc3339(text.replace(" ", "+") if text.count(" ") == 1 and "T" in text else text)
    except ValueError as error:
        raise ApiError(400, f"{name} {error}") from None
    # No event is outside of this, and no database need know of years beyond it.
    return min(max(moment, 0), LATEST_MS)
