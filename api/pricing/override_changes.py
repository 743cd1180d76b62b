"""Changes of overrides: validated here and published to price-overrides; only the flow applies them."""

import time
from collections.abc import Awaitable, Callable

import msgspec

from api.commands.publishing import publish, wait_until_applied
from api.services import Services
from api.web.errors import ApiError
from core.money import money_text, round_money
from core.text import close_directions
from core.timestamps import parse_rfc3339, parse_timestamp, to_rfc3339
from pricing.commands import REASON_TAKES, clean_reason

SET_BY = "admin"

_encode = msgspec.json.Encoder().encode


def check_price(override_price: float, scale: int) -> float:
    """The price in whole minor units. scale: of the currency. Raises ApiError (400) if it is below one of them."""
    price = round_money(override_price, scale)
    if price <= 0:
        raise ApiError(400, f"override_price takes a price of at least {money_text(1 / scale, scale)}")
    return price


def check_reason(text: str) -> str:
    """The reason in NFC. Raises ApiError (400) if it is none: see `clean_reason`."""
    reason = clean_reason(text)
    if reason is None:
        raise ApiError(400, f"reason takes {REASON_TAKES}")
    return reason


def check_expiry(expires_at: str | float | None, now_ms: int) -> int | None:
    """The end of an override in UTC milliseconds, None if it has no end. expires_at: RFC 3339, or seconds or
    milliseconds since the epoch. Raises ApiError (400) if it is malformed or not after `now_ms`."""
    if expires_at is None:
        return None
    try:
        expires_ms = parse_timestamp(expires_at)
    except ValueError as error:
        raise ApiError(400, f"expires_at {error}") from None
    if expires_ms <= now_ms:
        raise ApiError(400, "expires_at takes a time in the future")
    return expires_ms


async def check_unchanged(services: Services, product_id: str, expected_set_at: str | None) -> None:
    """Raises ApiError (409) unless the active override was set at `expected_set_at` (RFC 3339; None: no
    override)."""
    recent = services.recent.get(product_id)
    stored = await services.prices.override(product_id)
    set_at = stored.set_at if stored else None
    if recent is not None and (stored is None or parse_rfc3339(stored.set_at) <= recent.at_ms):
        set_at = to_rfc3339(recent.at_ms) if recent.active else None
    if set_at == expected_set_at:
        return
    if set_at is None:
        raise ApiError(409, "the override was removed or has ended meanwhile")
    whose = (
        f" at {money_text(stored.override_price, services.policy.scale)} ({close_directions(stored.reason)})"
        if stored and stored.set_at == set_at
        else ""
    )
    raise ApiError(409, f"somebody else has set an override meanwhile{whose}")


async def set_price(
    services: Services, product_id: str, *, price: float, reason: str, now_ms: int, expires_ms: int | None
) -> bool:
    """Publish an override that was checked. True once the flow has applied it, False if not within a second.

    price: in whole minor units. now_ms: the time of setting, UTC. expires_ms: its end. Raises ApiError (503) if
    Kafka does not confirm it."""
    message = {
        "product_id": product_id,
        "override_price": price,
        "reason": reason,
        "set_by": SET_BY,
        "set_at": to_rfc3339(now_ms),
        "expires_at": None if expires_ms is None else to_rfc3339(expires_ms),
    }
    where = "GET /overrides shows it as set_at, and GET /overrides/audit keeps it"
    await publish(services, services.overrides_topic, product_id, _encode(message), at_ms=now_ms, where=where)
    services.recent.note(product_id, now_ms, active=True, expires_ms=expires_ms)

    async def is_set() -> bool:
        stored = await services.prices.override(product_id)
        return stored is not None and parse_rfc3339(stored.set_at) >= now_ms

    return await _applied(services, product_id, is_set)


async def remove(services: Services, product_id: str) -> bool:
    """Publish the removal of an override. True once the flow has applied it, False if it has not within a second.
    Raises ApiError: 404 if no override is active, 503 if Kafka does not confirm the removal."""

    async def read_set_at() -> str | None:
        stored = await services.prices.override(product_id)
        return stored.set_at if stored else None

    if not await services.recent.is_active(product_id, read_set_at):
        raise ApiError(404, "no active override for this product")
    recent = services.recent.get(product_id)
    since_ms = recent.at_ms if recent else 0

    async def is_shown() -> bool:
        set_at = await read_set_at()
        return set_at is not None and parse_rfc3339(set_at) >= since_ms

    # An override that Redis does not show yet would look like a removed one.
    shown = recent is None or await services.applied_overrides.wait(product_id, is_shown)
    now_ms = time.time_ns() // 1_000_000
    where = "GET /overrides/audit shows it as removed_at"
    await publish(services, services.overrides_topic, product_id, None, at_ms=now_ms, where=where)
    services.recent.note(product_id, now_ms, active=False)

    async def is_gone() -> bool:
        set_at = await read_set_at()
        return shown and (set_at is None or parse_rfc3339(set_at) > now_ms)

    return await _applied(services, product_id, is_gone)


async def _applied(services: Services, product_id: str, is_applied: Callable[[], Awaitable[bool]]) -> bool:
    done = await wait_until_applied(services.applied_overrides, product_id, is_applied)
    # Redis may have reported the change of the price a moment before it is read here.
    services.price_cache.change([product_id])
    return done
