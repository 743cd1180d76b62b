"""Routes of freezes, the stop button: the prices of everything, of a category or of a product hold until the freeze
is lifted.

A freeze is a command, like an override: a route publishes it to price-freezes; only the flow applies it."""

import time
from collections.abc import Sequence

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.commands.publishing import ACCEPTED, publish, wait_until_applied
from api.pricing import command_models
from api.pricing.audit import audit_page
from api.pricing.history_database import history_of
from api.pricing.override_changes import SET_BY, check_reason
from api.services import Services, services_of
from api.web.cursors import AuditCursorQuery, TextCursorQuery, listed, read_text_cursor
from api.web.errors import ApiError
from api.web.requests import LimitQuery, body_of, read_body
from api.web.responses import json_response, responses
from core.timestamps import parse_rfc3339, to_rfc3339
from pricing.commands import EVERYTHING, clean_scope
from sinks.history.reader import AuditCursor, PastFreeze

router = APIRouter(tags=["freezes"])
open_router = APIRouter(tags=["freezes"])
"""The routes that need no key."""

ALL_FREEZES = ""
"""The name of all freezes in `AppliedCommands`: they are one key of Redis."""

_encode = msgspec.json.Encoder().encode


@router.post(
    "/freeze",
    response_model=command_models.FreezeAccepted,
    responses=responses(400, 401, 404, 503),
    openapi_extra=body_of(command_models.FreezeRequest),
)
async def freeze(request: Request) -> Response:
    """Hold all prices, a category's or a product's, until the freeze is lifted. Demand goes on counting, and a
    person's override still applies. Answered once it is in force; at the latest a second after Kafka has it, then
    with `"status": "accepted"`."""
    services = services_of(request)
    body = await read_body(request, command_models.FreezeRequest)
    scope = _check_scope(body.scope)
    reason = check_reason(body.reason)
    if scope != EVERYTHING and not await _is_known(services, scope):
        raise ApiError(404, "no such product or category")
    now_ms = time.time_ns() // 1_000_000
    message = {"scope": scope, "reason": reason, "set_by": SET_BY, "set_at": to_rfc3339(now_ms)}
    where = "GET /freezes shows it as set_at, and GET /freezes/audit keeps it"
    await publish(services, services.freezes_topic, scope, _encode(message), at_ms=now_ms, where=where)
    services.recent.note(f"freeze {scope}", now_ms, active=True)

    async def is_set() -> bool:
        set_at = await _read_set_at(services, scope)
        return set_at is not None and parse_rfc3339(set_at) >= now_ms

    applied = await wait_until_applied(services.applied_freezes, ALL_FREEZES, is_set)
    return json_response({"scope": scope, "reason": reason, "status": "frozen" if applied else "accepted"})


@router.delete(
    "/freeze/{scope:path}", response_model=command_models.FreezeLifted, responses=responses(400, 401, 404, 503)
)
async def lift(scope: command_models.Scope, request: Request) -> Response:
    """Lift a freeze. Prices that it held are decided again at once. Answered once it is lifted; at the latest a
    second after Kafka has the lift, then with `"status": "accepted"`."""
    services = services_of(request)
    scope = _check_scope(scope)
    name = f"freeze {scope}"
    if not await services.recent.is_active(name, lambda: _read_set_at(services, scope)):
        raise ApiError(404, "no freeze of this scope is in force")
    recent = services.recent.get(name)
    since_ms = recent.at_ms if recent else 0

    async def is_shown() -> bool:
        set_at = await _read_set_at(services, scope)
        return set_at is not None and parse_rfc3339(set_at) >= since_ms

    # A freeze that Redis does not show yet would look like a lifted one.
    shown = recent is None or await services.applied_freezes.wait(ALL_FREEZES, is_shown)
    now_ms = time.time_ns() // 1_000_000
    where = "GET /freezes/audit shows it as lifted_at"
    await publish(services, services.freezes_topic, scope, None, at_ms=now_ms, where=where)
    services.recent.note(name, now_ms, active=False)

    async def is_gone() -> bool:
        set_at = await _read_set_at(services, scope)
        return shown and (set_at is None or parse_rfc3339(set_at) > now_ms)

    applied = await wait_until_applied(services.applied_freezes, ALL_FREEZES, is_gone)
    return json_response({"scope": scope, "lifted": True, **({} if applied else ACCEPTED)})


@open_router.get("/freezes", response_model=command_models.FreezeList, responses=responses(400, 503))
async def list_freezes(request: Request, cursor: TextCursorQuery = None) -> Response:
    """The freezes in force, by scope; at most 5,000 an answer. Needs no key: a reader of prices may know that they
    are held."""
    found = await services_of(request).prices.freezes(after=read_text_cursor(cursor))
    return json_response(listed("freezes", found))


@router.get("/freezes/audit", response_model=command_models.FreezeAudit, responses=responses(400, 401, 503))
async def past_freezes(request: Request, limit: LimitQuery = None, cursor: AuditCursorQuery = None) -> Response:
    """Every freeze there ever was, newest first."""

    async def read(size: int, after: AuditCursor) -> Sequence[PastFreeze]:
        return await history_of(request).freezes(size, after)

    return await audit_page("freezes", read, limit=limit, cursor=cursor)


def _check_scope(text: str) -> str:
    scope = clean_scope(text)
    if scope is None:
        raise ApiError(400, "scope takes all, product:ID or category:NAME")
    return scope


async def _is_known(services: Services, scope: str) -> bool:
    kind, _, name = scope.partition(":")
    if kind == "product":
        return services.board.get(name) is not None or await services.prices.is_known(name)
    return await services.prices.is_category(name)


async def _read_set_at(services: Services, scope: str) -> str | None:
    """The time at which the freeze of a scope was set (RFC 3339); None if Redis shows none."""
    stored = await services.prices.freeze(scope)
    return stored.set_at if stored else None
