"""Competitors: the latest quote of each for a product, and the cheapest of those that count."""

import msgspec

from core.money import round_money
from core.positions import SourcePosition
from pricing.policy import CompetitorPolicy

COMPETITORS_MAX = 100
"""Quotes that are kept for a product. Of more, the oldest is forgotten."""

ECHO_WITHIN_S = 60
"""A scraped quote of our own price is an echo if it is at most this far from the last change of that price."""


class CompetitorQuote(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """A competitor's price of a product. time_s: UTC seconds. price: in the currency, not rounded."""

    product_id: str
    time_s: int
    competitor: str
    price: float


class KeptQuote(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The latest quote of a competitor."""

    time_s: int
    price: float
    position: SourcePosition


Quotes = dict[str, KeptQuote]
"""Competitor to its latest quote."""


class Cheapest(msgspec.Struct, frozen=True, gc=False):
    """The cheapest quote that counts. stale_at_s: the second from which on it does not; None if it never ages."""

    price: float
    competitor: str
    time_s: int
    position: SourcePosition
    stale_at_s: int | None


def add_quote(quotes: Quotes, quote: CompetitorQuote, position: SourcePosition) -> None:
    """Keep a quote if it is the latest of its competitor. Of equal times, the one that is added later stays."""
    known = quotes.get(quote.competitor)
    if known is not None and known.time_s > quote.time_s:
        return
    quotes[quote.competitor] = KeptQuote(quote.time_s, quote.price, position)
    if len(quotes) > COMPETITORS_MAX:
        # Of equally old ones by name, so that the order of arrival makes no difference.
        del quotes[min(quotes, key=lambda name: (quotes[name].time_s, name))]


def cheapest(quotes: Quotes, at_s: int, base_price: float | None, policy: CompetitorPolicy) -> Cheapest | None:
    """The cheapest quote that counts at a time. None if none does. base_price: for the band; None if there is
    none."""
    ttl_s = policy.quote_ttl_s
    found: Cheapest | None = None
    for competitor, quote in quotes.items():
        if ttl_s is not None and at_s - quote.time_s > ttl_s:
            continue
        if not is_in_band(quote.price, base_price, policy):
            continue
        if found is None or (quote.price, competitor) < (found.price, found.competitor):
            stale_at_s = None if ttl_s is None else quote.time_s + int(ttl_s) + 1
            found = Cheapest(quote.price, competitor, quote.time_s, quote.position, stale_at_s)
    return found


def is_in_band(price: float, base_price: float | None, policy: CompetitorPolicy) -> bool:
    """True if a price is near enough to the base price to be of the same product."""
    if policy.quote_band is None or base_price is None:
        return True
    lowest, highest = policy.quote_band
    return lowest * base_price <= price <= highest * base_price


def is_echo(
    quote: CompetitorQuote,
    our_price: float | None,
    changed_at_ms: int | None,
    policy: CompetitorPolicy,
    scale: int,
) -> bool:
    """True if a scraped quote is our own price: the same amount, within a minute of its last change. A shop that
    follows it would follow itself. our_price, changed_at_ms: in force, and the event time since which it is."""
    if quote.competitor not in policy.scraped or our_price is None or changed_at_ms is None:
        return False
    is_near = abs(quote.time_s - changed_at_ms // 1000) <= ECHO_WITHIN_S
    return is_near and round_money(quote.price, scale) == our_price
