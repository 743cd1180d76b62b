"""Bulk changes of overrides: each change of a request is checked, previewed and published for itself."""

import asyncio
from typing import Any

import msgspec
from pydantic import ValidationError

from api.commands.publishing import UnconfirmedError, reason_of
from api.operations.policy_in_force import KnownPolicy
from api.pricing.command_models import UNSET, BulkChange
from api.pricing.override_changes import check_expiry, check_price, check_reason, check_unchanged, set_price
from api.pricing.preview import Preview, preview_override
from api.services import Services
from api.web.errors import ApiError, describe
from api.web.requests import check_id
from core.errors import RedisDownError
from core.identifiers import is_identifier
from core.money import PRICE_MAX, money_text, round_money
from sinks.redis.reader import StoredPrice, StoredProduct


class StoredProducts(msgspec.Struct, frozen=True):
    """Prices and catalogue entries in Redis of the products of a request, by product id."""

    prices: dict[str, StoredPrice]
    products: dict[str, StoredProduct]


async def apply_changes(
    services: Services, changes: list[Any], now_ms: int, *, dry_run: bool
) -> list[dict[str, Any]]:
    """The results of changes (decoded JSON), in their order. With `dry_run` nothing is published. Never raises for
    a fault of a change: its result has the error."""
    ids = list({str(each.get("product_id")) for each in changes if isinstance(each, dict)})
    stored = await _read_stored(services, [each for each in ids if is_identifier(each)])
    known = await services.policy.read()
    return await asyncio.gather(
        *(_apply_change(services, stored, known, change, now_ms=now_ms, dry_run=dry_run) for change in changes)
    )


async def _read_stored(services: Services, ids: list[str]) -> StoredProducts:
    prices = await services.prices.prices(ids)
    products = await services.prices.products(ids)
    return StoredProducts({each.product_id: each for each in prices}, {each.product_id: each for each in products})


async def _apply_change(
    services: Services, stored: StoredProducts, known: KnownPolicy, raw: Any, *, now_ms: int, dry_run: bool
) -> dict[str, Any]:
    named = str(raw["product_id"]) if isinstance(raw, dict) and "product_id" in raw else None
    preview: Preview | None = None
    try:
        change = BulkChange.model_validate(raw)
        product_id = check_id(str(change.product_id), noun="product")
        latest, product = stored.prices.get(product_id), stored.products.get(product_id)
        price = _price_of(change, latest, known.policy.scale)
        reason = check_reason(change.reason)
        expires_ms = check_expiry(change.expires_at, now_ms)
        if latest is None and product is None:
            raise ApiError(404, "no such product")
        preview = preview_override(price, latest, product, known.policy)
        if not known.from_flow:
            preview.warnings.append("the flow does not answer: guardrails are those of the API's own policy")
        if change.expected_set_at is not UNSET:
            await check_unchanged(services, product_id, change.expected_set_at)
        status = "would be set"
        if not dry_run:
            applied = await set_price(
                services, product_id, price=price, reason=reason, now_ms=now_ms, expires_ms=expires_ms
            )
            status = "upserted" if applied else "accepted"
    except ValidationError as error:
        return {"product_id": named, "status": "refused", "error": describe(error.errors()[0])}
    except UnconfirmedError as unknown:
        error_shown = {"error": unknown.detail, "command_id": unknown.command_id}
        return {"product_id": named, "status": "not confirmed", **error_shown, **_shown(preview)}
    except ApiError as refusal:
        status = "conflict" if refusal.status_code == 409 else "refused"
        return {"product_id": named, "status": status, "error": refusal.detail, **_shown(preview)}
    except RedisDownError as down:
        return {"product_id": named, "status": "refused", "error": reason_of(down), **_shown(preview)}
    return {"product_id": product_id, "status": status, "override_price": price, **_shown(preview)}


def _shown(preview: Preview | None) -> dict[str, Any]:
    return {} if preview is None else msgspec.structs.asdict(preview)


def _price_of(change: BulkChange, latest: StoredPrice | None, scale: int) -> float:
    """The price that a change sets, in whole minor units. scale: of the currency. Raises ApiError (400)."""
    if (change.override_price is None) == (change.change_percent is None):
        raise ApiError(400, "takes either override_price or change_percent")
    if change.override_price is not None:
        return check_price(change.override_price, scale)
    assert change.change_percent is not None
    if latest is None:
        raise ApiError(400, "change_percent needs a product that has a price")
    price = round_money(latest.price * (1 + change.change_percent / 100), scale)
    if not 0 < price <= PRICE_MAX:
        made, least = money_text(price, scale), money_text(1 / scale, scale)
        raise ApiError(400, f"change_percent makes a price of {made}; it takes {least} to {PRICE_MAX:,.2f}")
    return price
