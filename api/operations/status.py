"""The route of the status page: the state of the whole system, for people and for the dashboard's banner."""

import asyncio
import math
import time
from importlib.metadata import version
from typing import Any

import confluent_kafka
from fastapi import APIRouter, Request
from fastapi.responses import Response

import telemetry
from api.operations import models
from api.operations.flow_metrics import FlowMetrics, Reading
from api.services import Services, services_of
from api.web.responses import json_response
from core.alerts import ALERTS, describe_alert
from core.errors import RedisDownError
from core.money import DIGITS
from pricing.engine import FREEZE_RULE, OVERRIDE_RULE
from pricing.guardrails import GUARDRAILS, HELD, LABELS
from pricing.rules import RULES

VERSION = "0.1.0"
SINKS = ("price_updates", "redis", "history", "dead_letters")
HISTORY_WITHIN_S = 3.0
FREEZES_MAX = 1_000
"""The page asks for them every few seconds; `/freezes` lists all."""

router = APIRouter(tags=["operations"])


@router.get("/status", response_model=models.Status)
async def status(request: Request) -> Response:
    """Dependencies, throughput, lag, latencies, sinks, freezes and versions, as of now."""
    services = services_of(request)
    reading, redis_up, history_up, freezes = await asyncio.gather(
        services.flow_metrics.read(), services.prices.ping(), _history_up(services), _freezes(services)
    )
    known = await services.policy.read()
    policy = known.policy
    metrics, relay = services.flow_metrics, services.price_feed.relay
    flow_alerts = reading.alerts()
    alerts = all_alerts(flow_alerts)
    return json_response(
        {
            "at_ms": time.time_ns() // 1_000_000,
            "dependencies": {
                "redis": "up" if redis_up else "down",
                "kafka": "up" if relay.ready and relay.live else "down",
                "history": history_up,
                "flow": _flow_state(reading, metrics, alerts),
            },
            "alerts": [
                {"code": code, "subject": subject, "text": describe_alert(code, subject)}
                for code, subject in alerts
            ],
            "flow": _flow(reading, metrics),
            "relay": {
                "updates_per_s": relay.reads.updates_per_s(),
                "last_update_ms": relay.reads.last_update_ms,
                "latency_ms": relay.reads.latency_ms(),
                "clients": services.price_feed.hub.clients,
            },
            "freezes": freezes,
            "policy": {
                "version": policy.version,
                "currency": policy.currency,
                "decimals": DIGITS[policy.scale],
                "reported_by": "flow" if known.from_flow else "api",
                "demand": policy.demand,
                "guardrails": policy.guardrails,
                "rules": rules(),
            },
            "versions": _versions(),
        }
    )


def rules() -> list[dict[str, str]]:
    """The names that an adjustment can have, except `base`, in the order in which they act on a price.

    Kind `rule` proposes a price. Kind `guardrail` bounds or holds it, and can be the `bound_by` of a decision.
    """
    found = [(name, "rule", name.replace("_", " "), reason) for name, _, reason in RULES]
    found.append((OVERRIDE_RULE, "rule", "override", "set by a person"))
    found += [(name, "guardrail", LABELS[name], reason) for name, _, reason in GUARDRAILS]
    found.append((HELD, "guardrail", LABELS[HELD], "the last good price stays: a bound cannot be used"))
    found.append((FREEZE_RULE, "guardrail", "freeze", "a person has frozen the price"))
    return [{"name": name, "kind": kind, "label": label, "reason": reason} for name, kind, label, reason in found]


def all_alerts(flow_alerts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Code and subject of the alerts of the flow and of this process, sorted. Each may see prices that stand still
    which the other does not."""
    return sorted({*flow_alerts, *telemetry.alerts_in_force()})


def _flow_state(reading: Reading, metrics: FlowMetrics, alerts: list[tuple[str, str]]) -> str:
    """`up`; `down` if a process does not answer; `degraded` if all answer, and some prices stand still."""
    if reading.processes < len(metrics.addresses):
        return "down"
    stands_still = any(ALERTS[code].stands_still for code, _ in alerts if code in ALERTS)
    return "degraded" if stands_still else "up"


def _flow(reading: Reading, metrics: FlowMetrics) -> dict[str, Any] | None:
    """The figures of the flow. None if none of its processes answers."""
    if not reading.processes:
        return None
    return {
        "processes": reading.processes,
        "events": reading.total("pricewax_events_total"),
        "events_per_s": metrics.rate("pricewax_events_total"),
        "products": reading.total("pricewax_products"),
        "lag": _known(reading.total("pricewax_consumer_lag_messages")),
        "dead_letters": reading.by("pricewax_dead_letters_total", "code"),
        "alerts": reading.by("pricewax_guardrail_alerts_total", "reason"),
        "refills": reading.total("pricewax_redis_refills_total"),
        "history_backlog": reading.total("pricewax_history_backlog_messages"),
        "sinks": {
            name: {
                "written": reading.total("pricewax_sink_writes_total", sink=name),
                "errors": reading.total("pricewax_sink_errors_total", sink=name),
                "pending": reading.total("pricewax_sink_pending", sink=name),
                "breaker_open": reading.total("pricewax_breaker_open", sink=name) > 0,
                "latency_ms": metrics.quantiles_ms("pricewax_sink_latency_seconds", sink=name),
            }
            for name in SINKS
        },
    }


def _known(value: float) -> float | None:
    """A sum of gauges, None if one of them is not known (NaN)."""
    return None if math.isnan(value) else value


async def _history_up(services: Services) -> str:
    """`up`, `down`, or `none` if no history database is configured. A database that does not answer within
    HISTORY_WITHIN_S is down."""
    if services.history is None:
        return "none"
    try:
        async with asyncio.timeout(HISTORY_WITHIN_S):
            return "up" if await services.history.ping() else "down"
    except TimeoutError:
        return "down"


async def _freezes(services: Services) -> list[Any] | None:
    """The first FREEZES_MAX freezes in force, by scope. None if Redis does not answer."""
    try:
        return list((await services.prices.freezes(FREEZES_MAX)).rows)
    except RedisDownError:
        return None


def _versions() -> dict[str, str]:
    libraries = {name: version(name) for name in ("bytewax", "fastapi", "redis", "confluent-kafka")}
    return {"pricewax": VERSION, **libraries, "librdkafka": confluent_kafka.libversion()[0]}
