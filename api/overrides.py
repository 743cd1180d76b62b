"""Overrides: set, remove, list. They are events: the flow applies them, this only puts them in its way."""

import time

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ValidationError

from api import models
from api.errors import ApiError, describe
from api.models import responses
from api.override_topic import NotConfirmedError
from api.prices import check_id, json_response
from api.services import Services, services_of
from pricing.events import is_reason
from pricing.money import to_cents
from pricing.timestamps import parse_rfc3339, parse_timestamp, to_rfc3339

SET_BY = "admin"

router = APIRouter(tags=["overrides"])
_encode = msgspec.json.Encoder().encode


_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": models.OverrideRequest.model_json_schema()}},
    }
}


@router.post(
    "/override",
    response_model=models.OverrideAccepted,
    responses=responses(400, 401, 404, 503),
    openapi_extra=_BODY,
)
async def set_override(request: Request) -> Response:
    """Set a product's price by hand. In force, and visible, within a second."""
    services = services_of(request)
    # Read here, whatever Content-Type the client gives or forgets.
    try:
        body = models.OverrideRequest.model_validate_json(await request.body())
    except ValidationError as error:
        raise ApiError(400, describe(error.errors()[0])) from None
    product_id = check_id(str(body.product_id))
    price = to_cents(body.override_price)
    if price <= 0:
        raise ApiError(400, "override_price takes a price of at least 0.01")
    if not is_reason(body.reason):
        raise ApiError(400, "reason takes 1 to 200 printable characters")
    now_ms = time.time_ns() // 1_000_000
    expires_ms = _expiry(body.expires_at, now_ms)
    if not (services.last_known.get(product_id) or await services.prices.is_known(product_id)):
        raise ApiError(404, "no such product")
    message = {
        "product_id": product_id,
        "override_price": price,
        "reason": body.reason,
        "set_by": SET_BY,
        "set_at": to_rfc3339(now_ms),
        "expires_at": None if expires_ms is None else to_rfc3339(expires_ms),
    }
    await _put(services, product_id, _encode(message))
    services.recent_overrides.note(product_id, now_ms, active=True, expires_ms=expires_ms)
    return json_response(
        {"product_id": product_id, "override_price": price, "reason": body.reason, "status": "upserted"}
    )


@router.delete(
    "/override/{product_id:path}",
    response_model=models.OverrideDeleted,
    responses=responses(400, 401, 404, 503),
)
async def delete_override(product_id: models.ProductId, request: Request) -> Response:
    """Remove a product's override; its price is dynamic again within a second."""
    services = services_of(request)
    if not await _is_active(services, product_id):
        raise ApiError(404, "no active override for this product")
    await _put(services, product_id, None)
    services.recent_overrides.note(product_id, time.time_ns() // 1_000_000, active=False)
    return json_response({"product_id": product_id, "deleted": True})


async def _is_active(services: Services, product_id: str) -> bool:
    """By what went through here lately, as the flow may not have applied it; else by Redis."""
    recent = services.recent_overrides.get(product_id)
    if recent is not None and recent.active:
        return True
    stored = await services.prices.override(product_id)
    if stored is None or recent is None:
        return stored is not None
    # Removed here a moment ago; what is stored counts if somebody has set it since.
    return parse_rfc3339(stored.set_at) > recent.at_ms


@router.get("/overrides", response_model=models.OverrideList, responses=responses(401, 503))
async def list_overrides(request: Request) -> Response:
    """All active overrides, by product."""
    return json_response({"overrides": await services_of(request).prices.overrides()})


def _expiry(value: str | float | None, now_ms: int) -> int | None:
    if value is None:
        return None
    try:
        expires_ms = parse_timestamp(value)
    except ValueError as error:
        raise ApiError(400, f"expires_at {error}") from None
    if expires_ms <= now_ms:
        raise ApiError(400, "expires_at takes a time in the future")
    return expires_ms


async def _put(services: Services, product_id: str, value: bytes | None) -> None:
    try:
        await services.overrides.put(product_id, value)
    except NotConfirmedError:
        raise ApiError(503, "Kafka has not confirmed the override; it is not in force") from None
