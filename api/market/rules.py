"""Routes of alert rules and alerts.

A rule is a command: a route publishes it to the topic of rules; only the flow applies it."""

import secrets
import time
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.commands.publishing import publish
from api.market import models
from api.market.services import Market
from api.market.symbols import check_symbol
from api.services import services_of
from api.web.errors import ApiError
from api.web.requests import PAGE_MAX, LimitQuery, body_of, read_body
from api.web.responses import json_response, responses
from clients.webhook import check_url
from core.errors import BusyError, NotAnsweredError
from market.alerts import AlertRule, encode_rule, make_rule

DEFAULT_LIMIT = 50
RULES_MAX = 10_000
READ_WITHIN_S = 2.7
"""Seconds in which a topic is read: a little less than the 3 s in which every read of the API is answered."""


class _Threshold(msgspec.Struct):
    threshold: Decimal | None = None


_decode_threshold = msgspec.json.Decoder(_Threshold).decode

router = APIRouter(prefix="/market", tags=["market"])
open_router = APIRouter(prefix="/market", tags=["market"])


@router.get("/rules", response_model=models.RuleList, responses=responses(401, 503))
async def rules(request: Request) -> Response:
    """All alert rules."""
    market = services_of(request).market
    return _rules_response({"rules": await _rules_of(market)})


@router.post(
    "/rules",
    response_model=models.AlertRuleShown,
    responses=responses(400, 401, 503),
    openapi_extra=body_of(models.RuleRequest),
)
async def set_rule(request: Request) -> Response:
    """Add an alert rule. It fires when its condition becomes true, once per crossing."""
    services = services_of(request)
    body = await read_body(request, models.RuleRequest)
    # A double may not have all digits of the number.
    threshold = _decode_threshold(await request.body()).threshold
    rule = AlertRule(secrets.token_hex(8), body.symbol, body.kind, threshold, body.window_s, body.webhook)
    try:
        rule = make_rule(rule)
        if rule.webhook is not None:
            check_url(rule.webhook, private=services.market.private_webhooks)
    except ValueError as error:
        raise ApiError(400, str(error)) from None
    market = services.market
    if rule.webhook is not None and not market.sends_webhooks:
        raise ApiError(503, "rules take no webhook here, because WEBHOOK_SECRET is not set")
    if len(await _rules_of(market)) >= RULES_MAX:
        raise ApiError(400, f"there are {RULES_MAX} rules already")
    await _publish(request, rule.id, encode_rule(rule))
    return _rules_response(rule)


@router.delete("/rules/{rule_id}", response_model=models.RuleDeleted, responses=responses(400, 401, 404, 503))
async def delete_rule(rule_id: models.RuleId, request: Request) -> Response:
    """Delete an alert rule."""
    market = services_of(request).market
    if rule_id not in {rule.id for rule in await _rules_of(market)}:
        raise ApiError(404, "no such rule")
    await _publish(request, rule_id, None)
    return json_response({"id": rule_id, "deleted": True})


@open_router.get("/alerts", response_model=models.AlertList, responses=responses(400, 503))
async def alerts(request: Request, symbol: models.SymbolQuery = None, limit: LimitQuery = None) -> Response:
    """Alerts, the newest first."""
    name = None if symbol is None else check_symbol(symbol)
    market, size = services_of(request).market, min(limit or DEFAULT_LIMIT, PAGE_MAX)
    found = await _read(market, partial(market.topics.alerts, size, name, within_s=READ_WITHIN_S))
    return json_response({"alerts": found})


async def _publish(request: Request, rule_id: str, value: bytes | None) -> None:
    services = services_of(request)
    now_ms = time.time_ns() // 1_000_000
    where = "GET /market/rules shows it"
    await publish(services, services.market.rules_topic, rule_id, value, at_ms=now_ms, where=where)


async def _rules_of(market: Market) -> list[AlertRule]:
    found: list[AlertRule] = await _read(market, partial(market.topics.rules, within_s=READ_WITHIN_S))
    return found


async def _read(market: Market, read: Any) -> Any:
    """The answer of Kafka. Raises ApiError (503)."""
    try:
        return await market.reads.run(read)
    except BusyError as busy:
        raise ApiError(503, str(busy)) from None
    except NotAnsweredError:
        raise ApiError(503, "Kafka does not answer") from None


def _rules_response(content: Any) -> Response:
    return Response(encode_rule(content), media_type="application/json")
