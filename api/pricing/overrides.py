"""Routes of overrides: set and remove one or many, list the active ones, and the audit trail.

An override is a command: a route publishes it to price-overrides; only the flow applies it."""

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.commands.publishing import ACCEPTED, UnconfirmedError, reason_of
from api.pricing import command_models, override_changes
from api.pricing.audit import audit_page
from api.pricing.bulk_overrides import apply_changes
from api.pricing.history_database import history_of
from api.services import services_of
from api.web.cursors import AuditCursorQuery, TextCursorQuery, listed, read_text_cursor
from api.web.errors import ApiError
from api.web.requests import ID_PATTERN, LimitQuery, ProductId, body_of, check_id, read_body
from api.web.responses import json_response, responses
from core.errors import RedisDownError
from sinks.history.reader import AuditCursor, PastOverride

router = APIRouter(tags=["overrides"])


@router.post(
    "/override",
    response_model=command_models.OverrideAccepted,
    responses=responses(400, 401, 404, 503),
    openapi_extra=body_of(command_models.OverrideRequest),
)
async def set_override(request: Request) -> Response:
    """Set a product's price by hand. Answered once it is in force, so that a `GET /price` that follows sees it;
    at the latest a second after Kafka has it, then with `"status": "accepted"`."""
    services = services_of(request)
    body = await read_body(request, command_models.OverrideRequest)
    product_id = check_id(str(body.product_id), noun="product")
    price = override_changes.check_price(body.override_price, services.policy.scale)
    now_ms = time.time_ns() // 1_000_000
    reason = override_changes.check_reason(body.reason)
    expires_ms = override_changes.check_expiry(body.expires_at, now_ms)
    if not (services.board.get(product_id) or await services.prices.is_known(product_id)):
        raise ApiError(404, "no such product")
    applied = await override_changes.set_price(
        services, product_id, price=price, reason=reason, now_ms=now_ms, expires_ms=expires_ms
    )
    status = "upserted" if applied else "accepted"
    return json_response({"product_id": product_id, "override_price": price, "reason": reason, "status": status})


@router.post(
    "/overrides",
    response_model=command_models.BulkAnswer,
    responses=responses(400, 401, 503),
    openapi_extra=body_of(command_models.BulkRequest),
)
async def set_overrides(request: Request) -> Response:
    """Set many prices by hand, each line on its own: a bad line stops no other. With `dry_run` nothing is set,
    and each line says what it would do."""
    body = await read_body(request, command_models.BulkRequest)
    now_ms = time.time_ns() // 1_000_000
    results = await apply_changes(services_of(request), body.changes, now_ms, dry_run=body.dry_run)
    return json_response({"results": results})


@router.post(
    "/overrides/remove",
    response_model=command_models.BulkRemovalAnswer,
    responses=responses(400, 401, 503),
    openapi_extra=body_of(command_models.BulkRemovalRequest),
)
async def remove_overrides(request: Request) -> Response:
    """Remove many overrides, each on its own."""
    services = services_of(request)
    body = await read_body(request, command_models.BulkRemovalRequest)
    ids = list(dict.fromkeys(check_id(str(each), noun="product") for each in body.product_ids))

    async def remove(product_id: str) -> dict[str, Any]:
        try:
            applied = await override_changes.remove(services, product_id)
        except UnconfirmedError as unknown:
            error = {"error": unknown.detail, "command_id": unknown.command_id}
            return {"product_id": product_id, "deleted": False, "status": "not confirmed", **error}
        except (ApiError, RedisDownError) as refusal:
            return {"product_id": product_id, "deleted": False, "status": "refused", "error": reason_of(refusal)}
        return {"product_id": product_id, "deleted": True, "status": "removed" if applied else "accepted"}

    return json_response({"results": await asyncio.gather(*map(remove, ids))})


@router.delete(
    "/override/{product_id:path}",
    response_model=command_models.OverrideDeleted,
    responses=responses(400, 401, 404, 503),
)
async def delete_override(product_id: ProductId, request: Request) -> Response:
    """Remove a product's override. Answered once its price is dynamic again; at the latest a second after Kafka has
    the removal, then with `"status": "accepted"`."""
    applied = await override_changes.remove(services_of(request), product_id)
    return json_response({"product_id": product_id, "deleted": True, **({} if applied else ACCEPTED)})


@router.get("/overrides", response_model=command_models.OverrideList, responses=responses(400, 401, 503))
async def list_overrides(request: Request, cursor: TextCursorQuery = None) -> Response:
    """All active overrides, by product; at most 5,000 an answer."""
    found = await services_of(request).prices.overrides(after=read_text_cursor(cursor))
    return json_response(listed("overrides", found))


@router.get("/overrides/audit", response_model=command_models.OverrideAudit, responses=responses(400, 401, 503))
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

    async def read(size: int, after: AuditCursor) -> Sequence[PastOverride]:
        return await history_of(request).overrides(product_id, size, after)

    return await audit_page("overrides", read, limit=limit, cursor=cursor)
