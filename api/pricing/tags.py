"""The route of price tags: a price, and the prior price that a reduction has to show."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.pricing import models
from api.pricing.history_database import history_of
from api.pricing.lowest import DEFAULT_DAYS
from api.services import services_of
from api.web.databases import answer_of
from api.web.errors import ApiError
from api.web.requests import parse_ids
from api.web.responses import json_response, responses
from core.identifiers import IDENTIFIER
from core.timestamps import DAY_MS, parse_rfc3339
from sinks.history.reader import HistoryReader
from sinks.redis.reader import StoredPrice

TAGS_MAX = 50
"""Each product is two queries of the history database."""

router = APIRouter(tags=["prices"])


@router.get("/price-tags", response_model=models.PriceTags, responses=responses(400, 503))
async def price_tags(
    request: Request,
    ids: Annotated[
        str,
        Query(
            description=f"Product ids, separated by commas; {TAGS_MAX} at most.",
            examples=["A,B"],
            json_schema_extra={"pattern": f"^{IDENTIFIER.pattern}(,{IDENTIFIER.pattern}){{0,{TAGS_MAX - 1}}}$"},
        ),
    ],
) -> Response:
    """Price tags: the price and, for a reduction, the lowest price of the 30 days before it (Directive
    98/6/EC, article 6a). A price that rises, or falls no lower than it was in that time, has no `reference_price`.
    Overrides count as any price. The prior price is read from SQL, where rows may come later during an outage."""
    names = parse_ids(ids, noun="product")
    if len(names) > TAGS_MAX:
        raise ApiError(400, f"at most {TAGS_MAX} product ids")
    services, history = services_of(request), history_of(request)
    products = {each.product_id: each.name for each in await services.prices.products(names)}
    stored = await services.prices.prices(names)
    tags = await asyncio.gather(*(_tag(history, each, products.get(each.product_id)) for each in stored))
    return json_response({"currency": (await services.policy.read()).policy.currency, "tags": tags})


async def _tag(history: HistoryReader, stored: StoredPrice, name: str | None) -> dict[str, Any]:
    since = await answer_of(history.in_force_since(stored.product_id, stored.price))
    reference = None
    if since is not None:
        at_ms = parse_rfc3339(since)
        lowest = await answer_of(history.lowest(stored.product_id, max(0, at_ms - DEFAULT_DAYS * DAY_MS), at_ms))
        if lowest is not None and lowest.price > stored.price:
            reference = lowest.price
    return {
        "product_id": stored.product_id,
        "name": name,
        "price": stored.price,
        "since": since,
        "reference_price": reference,
        "reduction_percent": reference and round((reference - stored.price) / reference * 100, 2),
    }
