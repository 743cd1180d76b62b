"""The route of forecasts, read from Redis."""

import time
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.forecasting import models
from api.services import services_of
from api.web.errors import ApiError
from api.web.requests import ID_PATTERN, check_id
from api.web.responses import json_response, responses
from core.timestamps import to_rfc3339
from forecasting.published import CACHED_FOR_MS, HORIZONS, Forecast
from sinks.redis.forecasting_reader import StoredForecast

DEFAULT_HORIZON = 60
BASE_SCORE = 0.5
LATE_AFTER_MS = 10 * 60_000
"""A product that sells has a forecast every five minutes; an older one than this does not count."""

router = APIRouter(tags=["forecasts"])

ProductQuery = Annotated[
    str | None, Query(description="A product id.", examples=["85123A"], json_schema_extra={"pattern": ID_PATTERN})
]
RegionQuery = Annotated[
    str | None,
    Query(description="In place of a product: a region.", json_schema_extra={"pattern": ID_PATTERN}),
]
TypeQuery = Annotated[
    str | None,
    Query(description="With a region: the type of the product in it.", json_schema_extra={"pattern": ID_PATTERN}),
]


@router.get("/api/v1/forecast/demand", response_model=models.DemandForecast, responses=responses(400, 404, 503))
async def demand(
    request: Request,
    *,
    product_id: ProductQuery = None,
    region_id: RegionQuery = None,
    product_type: TypeQuery = None,
    horizon: Annotated[
        int, Query(description="Minutes: 1, 5, 15, 30, 60 or 1440.", json_schema_extra={"enum": list(HORIZONS)})
    ] = DEFAULT_HORIZON,
) -> Response:
    """The units of a product that will be sold in the next minutes. `source` says what it comes from: a model, its
    last forecast (at most five minutes old), the mean of the category, or nothing (`base`)."""
    name = product_of(product_id, region_id, product_type)
    if horizon not in HORIZONS:
        raise ApiError(400, f"horizon takes {', '.join(map(str, HORIZONS[:-1]))} or {HORIZONS[-1]}")
    services = services_of(request)
    stored = await services.forecasts.latest(name)
    if stored.forecast is None and not await services.prices.is_known(name):
        raise ApiError(404, "no such product")
    return json_response(shown(name, horizon, in_force(stored)))


def product_of(product_id: str | None, region_id: str | None, product_type: str | None) -> str:
    """The id of a product: given, or made of a region and a type. Raises ApiError (400)."""
    if (product_id is None) == (region_id is None) or (product_type is not None and region_id is None):
        raise ApiError(400, "takes product_id, or region_id with or without product_type")
    if product_id is not None:
        return check_id(product_id, noun="product")
    assert region_id is not None
    name = region_id if product_type is None else f"{region_id}:{product_type}"
    return check_id(name, noun="product")


def in_force(stored: StoredForecast) -> Forecast | None:
    """The forecast that counts now: without the flow, the last one for five minutes, as `cached`. None if there is
    none, or if the flow is alive and has made none for long."""
    forecast = stored.forecast
    if forecast is None:
        return None
    # Versions are the times at which forecasts were made.
    age_ms = time.time_ns() // 1_000_000 - forecast.version
    if stored.is_alive and age_ms <= LATE_AFTER_MS:
        return forecast
    if age_ms > CACHED_FOR_MS:
        return None
    return msgspec.structs.replace(forecast, source="cached") if forecast.source == "model" else forecast


def shown(product_id: str, horizon: int, forecast: Forecast | None) -> dict[str, Any]:
    """A forecast as the route answers it."""
    units = forecast.horizons.get(horizon) if forecast else None
    quantities = {name: getattr(units, name, None) for name in ("p10", "p50", "p90", "mean")}
    return {
        "product_id": product_id,
        "horizon_min": horizon,
        **quantities,
        "made_at": to_rfc3339(forecast.made_at_ms) if forecast else None,
        "source": forecast.source if forecast else "base",
        "model_version": (forecast.model or None) if forecast else None,
        "demand_score": forecast.demand_score if forecast else BASE_SCORE,
    }
