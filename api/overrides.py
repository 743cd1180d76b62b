"""Overrides: set, remove, list, one or many, and what became of them. They are events: the flow applies them,
this only puts them in its way."""

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import ValidationError

from api import audit, models
from api.commands import NotConfirmedError
from api.preview import Preview, preview_override
from api.services import Services, services_of
from api.web.cursors import AuditCursor, AuditCursorQuery
from api.web.errors import ApiError, describe
from api.web.requests import ID_PATTERN, LimitQuery, body_of, check_id, read_body
from api.web.responses import json_response, responses
from core.money import PRICE_MAX, to_cents
from core.timestamps import parse_rfc3339, parse_timestamp, to_rfc3339
from pricing.commands import is_reason
from sinks.history_store import PastOverride
from sinks.redis_names import StoredPrice
from sinks.redis_reader import StoredProduct

SET_BY = "admin"

router = APIRouter(tags=["overrides"])
_encode = msgspec.json.Encoder().encode


@router.post(
    "/override",
    response_model=models.OverrideAccepted,
    responses=responses(400, 401, 404, 503),
    openapi_extra=body_of(models.OverrideRequest),
)
async def set_override(request: Request) -> Response:
    """Set a product's price by hand. In force, and visible, within a second."""
    services = services_of(request)
    body = await read_body(request, models.OverrideRequest)
    product_id = check_id(str(body.product_id), noun="product")
    price = _check_price(body.override_price)
    now_ms = time.time_ns() // 1_000_000
    expires_ms = _check_terms(body.reason, body.expires_at, now_ms)
    if not (services.board.get(product_id) or await services.prices.is_known(product_id)):
        raise ApiError(404, "no such product")
    await _set(services, product_id, price, body.reason, now_ms, expires_ms)
    return json_response(
        {"product_id": product_id, "override_price": price, "reason": body.reason, "status": "upserted"}
    )


@router.post(
    "/overrides",
    response_model=models.BulkAnswer,
    responses=responses(400, 401, 503),
    openapi_extra=body_of(models.BulkRequest),
)
async def set_overrides(request: Request) -> Response:
    """Set many prices by hand, each line on its own: a bad line stops no other. With `dry_run` nothing is set,
    and each line says what it would do."""
    services = services_of(request)
    body = await read_body(request, models.BulkRequest)
    now_ms = time.time_ns() // 1_000_000
    ids = list({str(each.get("product_id")) for each in body.changes if isinstance(each, dict)})
    known = await _Known.read(services, [name for name in ids if _is_id(name)])
    answers = await asyncio.gather(
        *(_apply_line(services, known, line, now_ms, dry_run=body.dry_run) for line in body.changes)
    )
    return json_response({"results": answers})


@router.post(
    "/overrides/remove",
    response_model=models.BulkRemovalAnswer,
    responses=responses(400, 401, 503),
    openapi_extra=body_of(models.BulkRemovalRequest),
)
async def remove_overrides(request: Request) -> Response:
    """Remove many overrides, each on its own."""
    services = services_of(request)
    body = await read_body(request, models.BulkRemovalRequest)
    ids = list(dict.fromkeys(check_id(str(name), noun="product") for name in body.product_ids))

    async def remove(product_id: str) -> dict[str, Any]:
        try:
            await _remove(services, product_id)
        except ApiError as refusal:
            return {"product_id": product_id, "deleted": False, "error": refusal.detail}
        return {"product_id": product_id, "deleted": True}

    return json_response({"results": await asyncio.gather(*map(remove, ids))})


@router.delete(
    "/override/{product_id:path}",
    response_model=models.OverrideDeleted,
    responses=responses(400, 401, 404, 503),
)
async def delete_override(product_id: models.ProductId, request: Request) -> Response:
    """Remove a product's override; its price is dynamic again within a second."""
    await _remove(services_of(request), product_id)
    return json_response({"product_id": product_id, "deleted": True})


@router.get("/overrides", response_model=models.OverrideList, responses=responses(401, 503))
async def list_overrides(request: Request) -> Response:
    """All active overrides, by product."""
    return json_response({"overrides": await services_of(request).prices.overrides()})


@router.get("/overrides/audit", response_model=models.OverrideAudit, responses=responses(400, 401, 503))
async def past_overrides(
    request: Request,
    product_id: Annotated[
        str | None, Query(description="Only this product's.", json_schema_extra={"pattern": ID_PATTERN})
    ] = None,
    limit: LimitQuery = None,
    cursor: AuditCursorQuery = None,
) -> Response:
    """Every override that was ever set, newest first, with when and how long it was in force."""
    if product_id is not None:
        check_id(product_id, noun="product")

    async def read(size: int, before: AuditCursor) -> Sequence[PastOverride]:
        return await audit.history_of(request).overrides(product_id, size, before)

    return await audit.answer("overrides", read, limit, cursor)


def _check_price(override_price: float) -> float:
    price = to_cents(override_price)
    if price <= 0:
        raise ApiError(400, "override_price takes a price of at least 0.01")
    return price


def _check_terms(reason: str, expires_at: str | float | None, now_ms: int) -> int | None:
    """The end in milliseconds, if there is one. Raises ApiError (400)."""
    if not is_reason(reason):
        raise ApiError(400, "reason takes 1 to 200 printable characters")
    if expires_at is None:
        return None
    try:
        expires_ms = parse_timestamp(expires_at)
    except ValueError as error:
        raise ApiError(400, f"expires_at {error}") from None
    if expires_ms <= now_ms:
        raise ApiError(400, "expires_at takes a time in the future")
    return expires_ms


class _Known(msgspec.Struct, frozen=True):
    """What is known of the products of a request."""

    prices: dict[str, StoredPrice]
    products: dict[str, StoredProduct]

    @classmethod
    async def read(cls, services: Services, ids: list[str]) -> "_Known":
        prices = await services.prices.prices(ids)
        products = await services.prices.products(ids)
        return cls({each.product_id: each for each in prices}, {each.product_id: each for each in products})


def _is_id(text: str) -> bool:
    try:
        check_id(text, noun="product")
    except ApiError:
        return False
    return True


async def _apply_line(
    services: Services, known: _Known, line: Any, now_ms: int, *, dry_run: bool
) -> dict[str, Any]:
    """What a line of a bulk request did, or would do; never raises for what is wrong with the line."""
    named = str(line["product_id"]) if isinstance(line, dict) and "product_id" in line else None
    preview: Preview | None = None
    try:
        change = models.BulkChange.model_validate(line)
        product_id = check_id(str(change.product_id), noun="product")
        stored = known.prices.get(product_id)
        price = _price_of(change, stored)
        expires_ms = _check_terms(change.reason, change.expires_at, now_ms)
        if stored is None and product_id not in known.products:
            raise ApiError(404, "no such product")
        preview = preview_override(price, stored, known.products.get(product_id), services.policy)
        if change.expected_set_at is not models.UNSET:
            await _check_unchanged(services, product_id, change.expected_set_at)
        if not dry_run:
            await _set(services, product_id, price, change.reason, now_ms, expires_ms)
    except ValidationError as error:
        return {"product_id": named, "status": "refused", "error": describe(error.errors()[0])}
    except ApiError as refusal:
        status = "conflict" if refusal.status_code == 409 else "refused"
        return {"product_id": named, "status": status, "error": refusal.detail, **_shown(preview)}
    status = "would be set" if dry_run else "upserted"
    return {"product_id": product_id, "status": status, "override_price": price, **_shown(preview)}


def _shown(preview: Preview | None) -> dict[str, Any]:
    return {} if preview is None else msgspec.structs.asdict(preview)


def _price_of(change: models.BulkChange, stored: StoredPrice | None) -> float:
    if (change.override_price is None) == (change.change_percent is None):
        raise ApiError(400, "takes either override_price or change_percent")
    if change.override_price is not None:
        return _check_price(change.override_price)
    assert change.change_percent is not None
    if stored is None:
        raise ApiError(400, "change_percent needs a product that has a price")
    price = to_cents(stored.price * (1 + change.change_percent / 100))
    if not 0 < price <= PRICE_MAX:
        raise ApiError(400, f"change_percent makes a price of {price:,.2f}; it takes 0.01 to {PRICE_MAX:,.2f}")
    return price


async def _check_unchanged(services: Services, product_id: str, expected_set_at: str | None) -> None:
    """Raises ApiError (409) where the active override is not the one that the caller has seen."""
    recent = services.recent.get(product_id)
    stored = await services.prices.override(product_id)
    set_at = stored.set_at if stored else None
    if recent is not None and (stored is None or parse_rfc3339(stored.set_at) <= recent.at_ms):
        set_at = to_rfc3339(recent.at_ms) if recent.active else None
    if set_at == expected_set_at:
        return
    if set_at is None:
        raise ApiError(409, "the override was removed or has ended meanwhile")
    whose = f" at {stored.override_price:,.2f} ({stored.reason})" if stored and stored.set_at == set_at else ""
    raise ApiError(409, f"somebody else has set an override meanwhile{whose}")


async def _set(
    services: Services, product_id: str, price: float, reason: str, now_ms: int, expires_ms: int | None
) -> None:
    message = {
        "product_id": product_id,
        "override_price": price,
        "reason": reason,
        "set_by": SET_BY,
        "set_at": to_rfc3339(now_ms),
        "expires_at": None if expires_ms is None else to_rfc3339(expires_ms),
    }
    await _put(services, product_id, _encode(message))
    services.recent.note(product_id, now_ms, active=True, expires_ms=expires_ms)


async def _remove(services: Services, product_id: str) -> None:
    if not await _is_active(services, product_id):
        raise ApiError(404, "no active override for this product")
    await _put(services, product_id, None)
    services.recent.note(product_id, time.time_ns() // 1_000_000, active=False)


async def _is_active(services: Services, product_id: str) -> bool:
    """By what went through here lately, as the flow may not have applied it; else by Redis."""
    recent = services.recent.get(product_id)
    if recent is not None and recent.active:
        return True
    stored = await services.prices.override(product_id)
    if stored is None or recent is None:
        return stored is not None
    # Removed here a moment ago; what is stored counts if somebody has set it since.
    return parse_rfc3339(stored.set_at) > recent.at_ms


async def _put(services: Services, product_id: str, value: bytes | None) -> None:
    try:
        await services.commands.put(services.overrides_topic, product_id, value)
    except NotConfirmedError:
        raise ApiError(503, "Kafka has not confirmed the override; it is not in force") from None
