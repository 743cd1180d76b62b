"""Freezes, the stop button: prices of everything, a category or a product hold until the freeze is lifted.
Events like overrides: the flow applies them."""

import time
from collections.abc import Sequence

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import audit, models
from api.commands import NotConfirmedError
from api.overrides import SET_BY
from api.services import Services, services_of
from api.web.cursors import AuditCursor, AuditCursorQuery
from api.web.errors import ApiError
from api.web.requests import LimitQuery, body_of, read_body
from api.web.responses import json_response, responses
from core.timestamps import parse_rfc3339, to_rfc3339
from pricing.commands import EVERYTHING, is_freeze_scope, is_reason
from sinks.history_store import PastFreeze

router = APIRouter(tags=["freezes"])
open_router = APIRouter(tags=["freezes"])
"""What needs no key."""

_encode = msgspec.json.Encoder().encode


@router.post(
    "/freeze",
    response_model=models.FreezeAccepted,
    responses=responses(400, 401, 404, 503),
    openapi_extra=body_of(models.FreezeRequest),
)
async def freeze(request: Request) -> Response:
    """Hold all prices, a category's or a product's, until the freeze is lifted. In force within a second. Demand
    goes on counting, and a person's override still applies."""
    services = services_of(request)
    body = await read_body(request, models.FreezeRequest)
    scope = _check_scope(body.scope)
    if not is_reason(body.reason):
        raise ApiError(400, "reason takes 1 to 200 printable characters")
    if scope != EVERYTHING and not await _is_known(services, scope):
        raise ApiError(404, "no such product or category")
    now_ms = time.time_ns() // 1_000_000
    message = {"scope": scope, "reason": body.reason, "set_by": SET_BY, "set_at": to_rfc3339(now_ms)}
    await _put(services, scope, _encode(message))
    services.recent.note(f"freeze {scope}", now_ms, active=True)
    return json_response({"scope": scope, "reason": body.reason, "status": "frozen"})


@router.delete("/freeze/{scope:path}", response_model=models.FreezeLifted, responses=responses(400, 401, 404, 503))
async def lift(scope: models.Scope, request: Request) -> Response:
    """Lift a freeze; prices that it held are decided anew at once."""
    services = services_of(request)
    _check_scope(scope)
    if not await _is_active(services, scope):
        raise ApiError(404, "no freeze of this scope is in force")
    await _put(services, scope, None)
    services.recent.note(f"freeze {scope}", time.time_ns() // 1_000_000, active=False)
    return json_response({"scope": scope, "lifted": True})


@open_router.get("/freezes", response_model=models.FreezeList, responses=responses(503))
async def list_freezes(request: Request) -> Response:
    """The freezes in force, by scope. Needs no key: whoever reads prices may know that they are held."""
    return json_response({"freezes": await services_of(request).prices.freezes()})


@router.get("/freezes/audit", response_model=models.FreezeAudit, responses=responses(400, 401, 503))
async def past_freezes(request: Request, limit: LimitQuery = None, cursor: AuditCursorQuery = None) -> Response:
    """Every freeze there ever was, newest first."""

    async def read(size: int, before: AuditCursor) -> Sequence[PastFreeze]:
        return await audit.history_of(request).freezes(size, before)

    return await audit.answer("freezes", read, limit, cursor)


def _check_scope(scope: str) -> str:
    if not is_freeze_scope(scope):
        raise ApiError(400, "scope takes all, product:ID or category:NAME")
    return scope


async def _is_known(services: Services, scope: str) -> bool:
    kind, _, name = scope.partition(":")
    if kind == "product":
        return services.board.get(name) is not None or await services.prices.is_known(name)
    return name in await services.prices.categories()


async def _is_active(services: Services, scope: str) -> bool:
    recent = services.recent.get(f"freeze {scope}")
    if recent is not None and recent.active:
        return True
    stored = next((each for each in await services.prices.freezes() if each.scope == scope), None)
    if stored is None or recent is None:
        return stored is not None
    return parse_rfc3339(stored.set_at) > recent.at_ms


async def _put(services: Services, scope: str, value: bytes | None) -> None:
    try:
        await services.commands.put(services.freezes_topic, scope, value)
    except NotConfirmedError:
        raise ApiError(503, "Kafka has not confirmed the freeze; it is not in force") from None
