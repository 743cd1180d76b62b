"""Routes of liveness, readiness and metrics, for programs that watch this process."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.operations import models
from api.services import services_of
from api.web.responses import json_response

router = APIRouter(tags=["operations"])


@router.get("/health", response_model=models.Health)
async def health() -> Response:
    """This process answers. Says nothing of the services behind it."""
    return json_response({"status": "ok"})


@router.get(
    "/ready",
    response_model=models.Readiness,
    responses={503: {"model": models.Readiness, "description": "Something is down; `checks` says what."}},
)
async def ready(request: Request) -> Response:
    """200: prices can be read, and from now on the relay misses no update."""
    services = services_of(request)
    relay = services.price_feed.relay
    checks = {
        "relay": relay.ready and relay.live,
        "redis": await services.prices.ping(),
    }
    response = json_response(
        {
            "status": "ready" if all(checks.values()) else "not ready",
            "checks": {name: "up" if up else "down" for name, up in checks.items()},
        }
    )
    response.status_code = 200 if all(checks.values()) else 503
    return response


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics() -> Response:
    """Prometheus metrics of this process."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
