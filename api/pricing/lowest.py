"""The route of the lowest price of a span of time."""

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.pricing import models
from api.pricing.history import check_known
from api.pricing.history_database import history_of
from api.services import services_of
from api.web.databases import answer_of
from api.web.requests import ProductId, parse_time
from api.web.responses import json_response, responses
from core.timestamps import DAY_MS, to_rfc3339

DEFAULT_DAYS = 30
DaysQuery = Annotated[int, Query(ge=1, le=3650, description="Days before `at`.")]
AtQuery = Annotated[
    str | None,
    Query(
        description="RFC 3339, now by default. A price from this moment on does not count.",
        examples=["2011-12-05T00:00:00Z"],
        json_schema_extra={"format": "date-time"},
    ),
]

router = APIRouter(tags=["prices"])


@router.get(
    "/price/{product_id:path}/lowest", response_model=models.LowestPriceShown, responses=responses(400, 404, 503)
)
async def lowest(
    product_id: ProductId, request: Request, days: DaysQuery = DEFAULT_DAYS, at: AtQuery = None
) -> Response:
    """The lowest price that was in force in the days before a moment. It is the prior price that an announced
    reduction has to show (Directive 98/6/EC, article 6a). Overrides count as any price. Read from SQL, where rows
    may come later during an outage."""
    at_ms = parse_time("at", at)
    until_ms = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    from_ms = max(0, until_ms - days * DAY_MS)
    found = await answer_of(history_of(request).lowest(product_id, from_ms, until_ms))
    await check_known(services_of(request), product_id, found)
    return json_response({"product_id": product_id, "days": days, "at": to_rfc3339(until_ms), "lowest": found})
