"""The API as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from functools import partial
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.security import APIKeyHeader

from api import dashboard
from api.forecasting import forecasts
from api.market import history as market_history
from api.market import live as market_live
from api.market import prices as market_prices
from api.market import rules as market_rules
from api.market.symbols import EncodedSlashes
from api.operations import dead_letters, health, status
from api.operations.policy_in_force import PolicyInForce
from api.pricing import freezes, history, inventory, live, lowest, overrides, policy, prices, tags
from api.sales import sales
from api.services import Services
from api.web import errors
from api.web.guard import Guard

PROTECTED = ("/override", "/history", "/freeze", "/dead-letters", "/market/rules", "/sales", "/policy")
"""Beginnings of the paths that need the admin key."""

OPEN = ("/freezes",)
"""Paths that begin like a protected one and may be read without a key."""


def _description(app: FastAPI, policy: PolicyInForce) -> dict[str, Any]:
    """The OpenAPI document. The least price is the minor unit of the currency, which the code does not know."""
    document = deepcopy(FastAPI.openapi(app))
    body = document["paths"]["/override"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    body["properties"]["override_price"]["minimum"] = 1 / policy.scale
    return document


def create_app(services: Services, header: str, admin_keys: list[str], *, root_path: str = "") -> FastAPI:
    """The application. header: the name of the header for the admin key; admin_keys: the valid ones, ASCII.
    root_path: the path prefix that the description names. The services are started and closed with the
    application."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        services.start()
        yield
        await services.close()

    app = FastAPI(
        title="Pricewax",
        description="Latest prices, why they are what they are, and overrides. `WS /ws/prices` streams"
        " updates: one `price_update` a frame; `products=a,b` for some products, `snapshot=1` for the current state"
        " first, `conflate_ms=` for only the newest of each product in every interval, `subscribe=1` to choose the"
        " products by message.",
        version=status.VERSION,
        lifespan=lifespan,
        servers=[{"url": root_path}] if root_path else None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    errors.install(app)
    # For the OpenAPI description alone: the guard checks the key before a request is parsed.
    documented = [Depends(APIKeyHeader(name=header, auto_error=False, description="The admin key."))]
    # Before the route of a price, whose product_id would take `/lowest` too.
    app.include_router(lowest.router)
    app.include_router(tags.router)
    app.include_router(prices.router)
    app.include_router(inventory.router)
    app.include_router(forecasts.router)
    app.include_router(overrides.router, dependencies=documented)
    app.include_router(freezes.router, dependencies=documented)
    app.include_router(freezes.open_router)
    app.include_router(history.router, dependencies=documented)
    app.include_router(policy.router, dependencies=documented)
    app.include_router(sales.router, dependencies=documented)
    app.include_router(dead_letters.router, dependencies=documented)
    app.include_router(market_prices.router)
    app.include_router(market_history.router)
    app.include_router(market_rules.router, dependencies=documented)
    app.include_router(market_rules.open_router)
    app.include_router(market_live.router)
    app.include_router(status.router)
    app.include_router(health.router)
    app.include_router(live.router)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        # The address is relative, for a reverse proxy with a path prefix.
        return get_swagger_ui_html(openapi_url="openapi.json", title=f"{app.title} - Swagger UI")

    dashboard.install(app, header)
    app.openapi = partial(_description, app, services.policy)  # type: ignore[method-assign]
    app.add_middleware(EncodedSlashes)
    app.add_middleware(Guard, header=header, keys=admin_keys, protected=PROTECTED, open_paths=OPEN)
    return app
