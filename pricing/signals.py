"""Signals besides product events: stock, clicks, competitors, forecasts and supply, as a product's state keeps
them."""

import msgspec

from pricing.catalogue import CatalogueEntry
from pricing.clicks import Click, ClickWindow
from pricing.competitors import Cheapest, CompetitorQuote, Quotes, cheapest
from pricing.forecasts import Forecast, Supply, SurgeSignals
from pricing.inventory import (
    SoldByHour,
    StockMove,
    category_of,
    days_of_cover,
    needs_reorder,
    sold_of_day,
    stock_of,
)
from pricing.policy import PricingPolicy
from pricing.rules import SignalInputs
from pricing.surge import SurgeInputs

Signal = Click | StockMove | CompetitorQuote | Forecast | Supply


class ProductSignals(msgspec.Struct, array_like=True, gc=False):
    """The signals of one product. moved: pieces that came in, less those that went out. echoes, outside_band:
    quotes that were ignored, because they were our own price or too far from the base price. sold: of the last day.
    newest_ms, updated_at_ms: event time of the newest signal, and processing time of the last one. recorded_min:
    the last minute of event time (since the epoch) of which they are recorded. surge: forecast and supply; None
    before the first."""

    moved: int = 0
    clicks: ClickWindow = msgspec.field(default_factory=ClickWindow)
    quotes: Quotes = {}
    echoes: int = 0
    outside_band: int = 0
    newest_ms: int = 0
    updated_at_ms: int = 0
    sold: SoldByHour = {}
    recorded_min: int = 0
    surge: SurgeSignals | None = None

    @property
    def changes_by_time(self) -> bool:
        """True if time alone may change what readers see of them."""
        return bool(self.clicks.seconds or self.quotes)

    def cheapest(self, at_s: int, base_price: float | None, policy: PricingPolicy) -> Cheapest | None:
        """The cheapest quote that counts at a time; None if none does."""
        return cheapest(self.quotes, at_s, base_price, policy.competitor) if self.quotes else None


def inputs_of(
    signals: ProductSignals | None,
    entry: CatalogueEntry | None,
    base_price: float,
    at_s: int,
    policy: PricingPolicy,
    *,
    surge: SurgeInputs | None = None,
) -> SignalInputs | None:
    """The inputs of rules at a time; None for a product without signals, stock and surge. surge: its own inputs;
    None under a policy without one."""
    if signals is None:
        stock = stock_of(entry, 0)
        return None if stock is None and surge is None else SignalInputs(stock, surge=surge)
    signals.clicks.forget(at_s)
    found = signals.cheapest(at_s, base_price, policy)
    return SignalInputs(
        stock_of(entry, signals.moved),
        signals.clicks.total,
        None if found is None else found.price,
        bool(signals.quotes) and found is None,
        surge,
    )


class ShownSignals(msgspec.Struct, frozen=True, gc=False):
    """The stock, clicks and competitors of a product, as readers see them. stock: not below 0; `oversold` is the
    amount below. What is not known is None. updated_at_ms: processing time. quoted_at_ms: event time of the
    cheapest quote. at_ms: event time of these values. is_recorded: they are the first ones of their minute, which
    history keeps."""

    product_id: str
    stock: float | None
    oversold: float
    stock_category: str | None
    reorder_threshold: float | None
    needs_reorder: bool
    clicks_15m: int
    min_competitor_price: float | None
    competitor: str | None
    echoes: int
    outside_band: int
    updated_at_ms: int
    quoted_at_ms: int | None
    days_of_cover: float | None
    at_ms: int
    is_recorded: bool

    @property
    def is_empty(self) -> bool:
        """True if nothing is known."""
        unknown = self.stock is None and self.reorder_threshold is None and self.min_competitor_price is None
        return unknown and not (self.clicks_15m or self.echoes or self.outside_band)


def show(
    product_id: str,
    signals: ProductSignals | None,
    entry: CatalogueEntry | None,
    base_price: float | None,
    *,
    at_s: int,
    policy: PricingPolicy,
    now_ms: int,
) -> ShownSignals:
    """The signals of a product at a time, which are then recorded for its minute."""
    signals = signals or ProductSignals()
    is_recorded, signals.recorded_min = signals.recorded_min != at_s // 60, at_s // 60
    signals.clicks.forget(at_s)
    stock = stock_of(entry, signals.moved)
    found = signals.cheapest(at_s, base_price, policy)
    known = stock is not None
    return ShownSignals(
        product_id,
        (stock if stock > 0 else 0) if stock is not None else None,
        -stock if stock is not None and stock < 0 else 0,
        category_of(stock, policy.stock) if stock is not None else None,
        None if entry is None else entry.reorder_threshold,
        known and needs_reorder(entry, stock),
        signals.clicks.total,
        None if found is None else found.price,
        None if found is None else found.competitor,
        signals.echoes,
        signals.outside_band,
        now_ms,
        None if found is None else found.time_s * 1000,
        days_of_cover(stock, sold_of_day(signals.sold, at_s)) if known else None,
        at_s * 1000,
        is_recorded,
    )
