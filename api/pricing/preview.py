"""The preview of an override: the price after the guardrails, the difference, and warnings."""

import msgspec

from core.errors import BoundsUnusableError
from core.money import money_text
from pricing.catalogue import CatalogueEntry
from pricing.engine import quote_override
from pricing.guardrails import GuardrailContext, limit_step, resolve_bounds, snap_to_ending
from pricing.policy import PricingPolicy
from pricing.rules import PricingInputs
from sinks.redis.reader import StoredPrice, StoredProduct


class Preview(msgspec.Struct, frozen=True):
    """The effect that an override would have. Prices in the policy's currency.

    old_price: the price now; None for a product without one. new_price: the price that the flow would decide."""

    old_price: float | None
    new_price: float | None
    change_percent: float | None
    warnings: list[str]


def preview_override(
    price: float, stored: StoredPrice | None, product: StoredProduct | None, policy: PricingPolicy
) -> Preview:
    """The preview of an override at `price` (whole minor units). stored: the product's price in Redis, if it has
    one. product: its entry in the catalogue, if it has one."""
    catalogue = None if product is None else to_entry(product)
    old = stored.price if stored else None
    quote = quote_override(
        price,
        "",
        inputs=_inputs(stored, catalogue),
        from_catalogue=False,
        policy=policy,
        last_good_price=old,
    )
    if quote.alert is not None:
        warnings = [f"the price will not change: {quote.alert}"]
    elif quote.price is not None and quote.price != price:
        bound = "floor" if quote.price > price else "ceiling"
        applies, asked = money_text(quote.price, policy.scale), money_text(price, policy.scale)
        warnings = [f"the {bound} of {applies} will apply instead of {asked}"]
    else:
        warnings = _beyond_usual(price, old, catalogue, policy)
    change = None
    if old and quote.price is not None:
        change = round((quote.price - old) / old * 100, 2)
    return Preview(old, quote.price, change, warnings)


def to_entry(product: StoredProduct) -> CatalogueEntry:
    """The catalogue's entry of a product, as far as prices depend on it."""
    return CatalogueEntry(
        product.product_id,
        product.name,
        product.category,
        product.base_price,
        product.unit_cost,
        list_price=product.list_price,
        map_price=product.map_price,
    )


def _inputs(stored: StoredPrice | None, catalogue: CatalogueEntry | None) -> PricingInputs:
    if stored and stored.adjustments:
        return PricingInputs(stored.adjustments[0].amount, stored.demand, catalogue)
    return PricingInputs(catalogue.base_price if catalogue else 0.0, 0.0, catalogue)


def _beyond_usual(
    price: float, old: float | None, catalogue: CatalogueEntry | None, policy: PricingPolicy
) -> list[str]:
    """Warnings for guardrails that do not bind an override, and that this price is outside of."""
    try:
        bounds = resolve_bounds(policy, catalogue)
    except BoundsUnusableError:
        return []
    warnings = []
    stepping = GuardrailContext(policy.guardrails, policy.scale, bounds, old, None, 0)
    if limit_step(price, stepping) != price:
        warnings.append(f"more than the largest step of {policy.guardrails.max_step_percent:g} %")
    ending = snap_to_ending(price, GuardrailContext(policy.guardrails, policy.scale, bounds, None, None, 0))
    if ending != price:
        nearest = money_text(ending, policy.scale)
        warnings.append(f"not one of the usual price endings; the nearest is {nearest}")
    return warnings
