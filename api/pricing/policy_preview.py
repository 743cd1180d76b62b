"""The preview of a policy: the prices that today's products would have under it."""

from collections import Counter
from collections.abc import Collection
from statistics import median

import msgspec

from api.pricing.preview import to_entry
from pricing.catalogue import CatalogueEntry
from pricing.commands import EVERYTHING
from pricing.engine import FREEZE_RULE, OVERRIDE_RULE, Quote, quote_dynamic, quote_override
from pricing.explanation import bound_by
from pricing.policy import PricingPolicy
from pricing.rules import PricingInputs, SignalInputs
from sinks.redis.reader import StoredPrice, StoredProduct, StoredSignals

NO_COMPETITOR = "no_competitor"
"""The guardrail that holds a price after the last quote."""

Today = tuple[StoredPrice, StoredProduct | None, StoredSignals | None]
"""A product as Redis holds it."""


class PricedAnew(msgspec.Struct, frozen=True):
    """A product whose price would change. Prices in the currency of the policy. bound_by: the guardrail that ends
    the new price, None if none does."""

    product_id: str
    name: str
    category: str
    old_price: float
    new_price: float
    change_percent: float | None
    bound_by: str | None


class CategoryEffect(msgspec.Struct, frozen=True):
    """The products of a category. median_change_percent: of all of them, those without a change included."""

    category: str
    products: int
    changed: int
    median_change_percent: float


class PolicyEffect(msgspec.Struct, frozen=True):
    """The effect on all products that have a price.

    raised, lowered, unchanged: numbers of products; their sum is `products`. by_hand: of those, products under an
    override or a freeze, which only a floor or a ceiling changes. unusable: products whose bounds contradict each
    other, so that the price stays. bound_by: guardrail to the number of products that it ends. largest: the
    largest changes in percent, the largest first."""

    products: int
    raised: int
    lowered: int
    unchanged: int
    by_hand: int
    unusable: int
    median_change_percent: float
    bound_by: dict[str, int]
    categories: list[CategoryEffect]
    largest: list[PricedAnew]


class PolicyPreview:
    """Takes products one after the other (`add`), and has the effect on all of them.

    The new price is where the product ends with its inputs of now: the largest step, the smallest change, the
    cooldown and the time between reversals only delay it, and are left out. The demand is as it was counted, so
    other weights or another half-life show only with new events.

    frozen: the scopes of the freezes in force."""

    def __init__(self, policy: PricingPolicy, frozen: Collection[str] = ()) -> None:
        self._policy = policy
        self._frozen = frozenset(frozen)
        self._changes: dict[str, list[float]] = {}
        self._changed: Counter[str] = Counter()
        self._anew: list[PricedAnew] = []
        self._bound_by: Counter[str] = Counter()
        self._raised = self._lowered = self._by_hand = self._unusable = 0

    def add(self, today: Today) -> None:
        """Count a product."""
        stored, product, _ = today
        quote, is_by_hand = price_under(self._policy, today, self._frozen)
        self._by_hand += is_by_hand
        self._unusable += quote.alert is not None
        old, new = stored.price, stored.price if quote.price is None else quote.price
        binding = bound_by(quote.adjustments) if quote.alert is None else None
        if binding is not None:
            self._bound_by[binding] += 1
        change = (new - old) / old * 100 if old else 0.0
        category = product.category if product else ""
        self._changes.setdefault(category, []).append(change)
        if new == old:
            return
        self._raised += new > old
        self._lowered += new < old
        self._changed[category] += 1
        shown = round(change, 2) if old else None
        name = product.name if product else ""
        self._anew.append(PricedAnew(stored.product_id, name, category, old, new, shown, binding))

    def effect(self, limit: int) -> PolicyEffect:
        """The effect on all products so far. limit: the number of products in `largest`."""
        changes = [change for of_category in self._changes.values() for change in of_category]
        categories = [
            CategoryEffect(name, len(of_it), self._changed[name], round(median(of_it), 2))
            for name, of_it in sorted(self._changes.items())
        ]
        largest = sorted(self._anew, key=_size, reverse=True)[:limit]
        changed = self._raised + self._lowered
        return PolicyEffect(
            len(changes),
            self._raised,
            self._lowered,
            len(changes) - changed,
            self._by_hand,
            self._unusable,
            round(median(changes), 2) if changes else 0.0,
            dict(self._bound_by.most_common()),
            categories,
            largest,
        )


def _size(anew: PricedAnew) -> tuple[float, str]:
    # A price of zero that gets one is the largest change of all.
    return (float("inf") if anew.change_percent is None else abs(anew.change_percent), anew.product_id)


def price_under(policy: PricingPolicy, today: Today, frozen: Collection[str] = ()) -> tuple[Quote, bool]:
    """The price of a product under a policy, and if a person holds it. frozen: as in `PolicyPreview`."""
    stored, product, signals = today
    entry = None if product is None else to_entry(product)
    amounts = {each.rule: each.amount for each in stored.adjustments}
    scopes = (EVERYTHING, f"product:{stored.product_id}", f"category:{product.category if product else None}")
    if FREEZE_RULE in amounts or any(scope in frozen for scope in scopes):
        return Quote(stored.price, stored.adjustments), True
    if policy.competitor.no_competitor == "hold" and NO_COMPETITOR in amounts:
        # The last quote is stale, so the price stays under this policy too.
        return Quote(stored.price, stored.adjustments), False
    inputs = _inputs(stored, entry, signals)
    if inputs is None:
        return Quote(stored.price, stored.adjustments), stored.price_source == OVERRIDE_RULE
    if OVERRIDE_RULE in amounts:
        price = amounts["base"] + amounts[OVERRIDE_RULE]
        quote = quote_override(
            price, "", inputs=inputs, from_catalogue=False, policy=policy, last_good_price=stored.price
        )
        return quote, True
    quote = quote_dynamic(
        inputs,
        policy,
        stored.price,
        previous_price=None,
        changed_at_ms=None,
        event_time_ms=stored.event_time_ms,
    )
    return quote, False


def _inputs(
    stored: StoredPrice, entry: CatalogueEntry | None, signals: StoredSignals | None
) -> PricingInputs | None:
    """The inputs of now; None for a product that has no base price."""
    if not stored.adjustments:
        return None
    known = None
    if signals is not None:
        competitor = signals.min_competitor_price
        lost = competitor is None and signals.quoted_at_ms is not None
        known = SignalInputs(signals.stock, signals.clicks_15m, competitor, lost)
    return PricingInputs(stored.adjustments[0].amount, stored.demand, entry, known)
