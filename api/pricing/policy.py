"""Routes of the pricing policy: its text, and the preview of another one. Nothing is put in force here: a flow
reads its policy from the file `POLICY` at its start."""

import asyncio
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from api.pricing import models
from api.pricing.policy_preview import PolicyPreview
from api.services import services_of
from api.web.errors import ApiError
from api.web.requests import body_of, read_body
from api.web.responses import json_response, responses
from core.errors import PolicyError
from pricing.policy import parse_policy, policy_text

PRODUCTS_MAX = 20_000
"""Products of a preview at most: more would keep the API from other answers."""

TOGETHER = 500
"""Products that are read from Redis and priced at a time."""

LARGEST_MAX = 500

router = APIRouter(tags=["policy"])


class PolicyPreviewRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    policy: str = Field(
        description="The text of a policy file (TOML). What it leaves out has its default.",
        max_length=32_768,
        json_schema_extra={"format": "policy"},
        examples=['currency = "GBP"\n\n[demand]\nfactor = 2.5\n'],
    )
    limit: int = Field(20, ge=1, le=LARGEST_MAX, description="How many of the largest changes are listed.")


@router.get("/policy", response_model=models.PolicyFile, responses=responses(401))
async def policy(request: Request) -> Response:
    """The policy in force, as the text of a policy file with every setting."""
    known = await services_of(request).policy.read()
    return json_response(
        {
            "version": known.policy.version,
            "reported_by": "flow" if known.from_flow else "api",
            "policy": policy_text(known.policy),
        }
    )


@router.post(
    "/policy/preview",
    response_model=models.PolicyPreviewed,
    responses=responses(400, 401, 503),
    openapi_extra=body_of(PolicyPreviewRequest),
)
async def preview(request: Request) -> Response:
    """The prices that today's products would have under another policy, with their inputs of now. The largest step,
    the smallest change, the cooldown and the time between reversals only delay a price, so they are left out; and
    demand is as it was counted, so other weights or another half-life show only with new events. Nothing is put
    in force."""
    body = await read_body(request, PolicyPreviewRequest)
    try:
        edited = parse_policy(body.policy)
    except PolicyError as error:
        raise ApiError(400, f"policy: {error}") from None
    services = services_of(request)
    known = await services.policy.read()
    if edited.currency != known.policy.currency:
        raise ApiError(400, f"policy: prices are in {known.policy.currency}, and cannot change their currency")
    reader = services.prices
    ids = await reader.product_ids()
    previewed = PolicyPreview(edited, [freeze.scope for freeze in (await reader.freezes()).rows])
    for start in range(0, min(len(ids), PRODUCTS_MAX), TOGETHER):
        names = ids[start : min(start + TOGETHER, PRODUCTS_MAX)]
        products = {each.product_id: each for each in await reader.products(names)}
        signals = dict(zip(names, await reader.signals(names), strict=True))
        for stored in await reader.prices(names):
            previewed.add((stored, products.get(stored.product_id), signals[stored.product_id]))
        # Other requests are answered between two parts.
        await asyncio.sleep(0)
    effect: dict[str, Any] = msgspec.structs.asdict(previewed.effect(body.limit))
    versions = {"version": edited.version, "version_in_force": known.policy.version}
    return json_response({**versions, **effect, "complete": len(ids) <= PRODUCTS_MAX})
