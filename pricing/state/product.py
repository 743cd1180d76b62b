"""A product's state, and the function that writes a decision into it (`record`)."""

from collections import Counter

import msgspec

from core.positions import SourcePosition
from core.timestamps import DAY_MS
from pricing.catalogue import CatalogueEntry
from pricing.commands import Freeze, PriceOverride
from pricing.decision import (
    PUBLISHED,
    Adjustment,
    OverrideEnd,
    PriceDecision,
    PriceSource,
    PriceUpdate,
    PriceWithdrawn,
)
from pricing.demand import decayed
from pricing.engine import Quote, quote_dynamic, quote_frozen, quote_override
from pricing.external_events import ExternalEvents
from pricing.forecasts import surge_inputs
from pricing.policy import PricingPolicy
from pricing.rules import PricingInputs
from pricing.signals import ProductSignals, inputs_of
from pricing.surge import SurgeInputs


class ProductState(msgspec.Struct, array_like=True, gc=False):
    """State of one product. Belongs to the thread of its shard. Snapshots hold it as an array, because every
    product that changed is encoded every second, so bytes and time count.

    event_price: price of the last event, exact; None before the first. demand: weighted sum, valid at event time
    demand_time_ms. version: number of changes; 0 while only the catalogue knows the product. price, previous_price:
    the last two prices decided, None if there was none. changed_at_ms: event time of the last change of price.
    event_time_ms, updated_at_ms: event and processing time of the last decision. day, day_open: the latest day of
    event time (UTC, since the epoch) and the price in force when it began; if there was none, the day's first
    price. held: since the last decided price, a signal has come that a freeze kept from changing it. base_time_ms:
    event time of the event that set event_price. expired_ms: end of the last override that ended by time, 0 if
    there was none. signals: None before the first one. direction: of the last change, 1 up and -1 down. lsn: of the
    newest catalogue entry that has one. aged_demand: the demand of the last decision, if time alone had lowered it
    since demand_time_ms; None for `demand`. event_position: of the last event, with a half-life only.
    decayed_at_s: event time, UTC seconds, of the last price that decay alone has lowered; 0 for none."""

    product_id: str
    event_price: float | None = None
    demand: float = 0.0
    demand_time_ms: int = 0
    version: int = 0
    price: float | None = None
    previous_price: float | None = None
    price_source: str = PriceSource.BASE
    changed_at_ms: int | None = None
    event_time_ms: int = 0
    updated_at_ms: int = 0
    policy: str = ""
    adjustments: list[Adjustment] = []
    override: PriceOverride | None = None
    catalogue: CatalogueEntry | None = None
    day: int = -1
    day_open: float | None = None
    held: bool = False
    base_time_ms: int = 0
    expired_ms: int = 0
    signals: ProductSignals | None = None
    direction: int = 0
    lsn: int = -1
    aged_demand: float | None = None
    event_position: SourcePosition | None = None
    decayed_at_s: int = 0

    @property
    def base_price(self) -> float | None:
        """The price of the last event, else that of the catalogue; None if neither knows the product."""
        if self.event_price is not None:
            return self.event_price
        return None if self.catalogue is None else self.catalogue.base_price

    def demand_at(self, decider: "Decider") -> float:
        """The demand at the decider's time: with a half-life, it decays without events too."""
        if decider.half_life_ms is None:
            return self.demand
        return decayed(self.demand, decider.at_s * 1000 - self.demand_time_ms, decider.half_life_ms)

    def inputs_at(self, decider: "Decider", *, aged: bool = True) -> PricingInputs | None:
        """The inputs of rules at the decider's time; None if neither an event nor the catalogue knows the product.
        aged: with the demand at that time, and not with that at the last event."""
        base_price = self.base_price
        if base_price is None:
            return None
        signals = None
        if decider.uses_signals:
            surge = self._surge_at(decider) if decider.uses_surge else None
            signals = inputs_of(self.signals, self.catalogue, base_price, decider.at_s, decider.policy, surge=surge)
        demand = self.demand_at(decider) if aged else self.demand
        return PricingInputs(base_price, demand, self.catalogue, signals)

    def _surge_at(self, decider: "Decider") -> SurgeInputs:
        category = None if self.catalogue is None else self.catalogue.category
        score = decider.external.score(self.product_id, category, decider.at_s)
        known = None if self.signals is None else self.signals.surge
        return surge_inputs(known, decider.at_s, score, decider.policy.surge)

    def to_update(self) -> PriceUpdate | None:
        """The state as a message for readers; None for a product without a price."""
        if self.price is None:
            return None
        return PriceUpdate(
            self.product_id,
            self.price,
            self.event_time_ms // 1000,
            self.version,
            self.previous_price,
            self.demand if self.aged_demand is None else self.aged_demand,
            self.price_source,
            self.event_time_ms,
            self.policy,
            self.adjustments,
        )

    def to_decision(
        self,
        cause: str,
        position: SourcePosition,
        *,
        ended: OverrideEnd | None = None,
        with_catalogue: bool = False,
        is_over: bool = False,
    ) -> PriceDecision:
        """The state as a decision for the sinks. with_catalogue: the decision reports the catalogue entry, or that
        the product has none any more. is_over: as in `PriceDecision`."""
        return PriceDecision(
            product_id=self.product_id,
            version=self.version,
            update=self.to_update(),
            cause=cause,
            position=position,
            updated_at_ms=self.updated_at_ms,
            day_open=self.day_open,
            override=self.override,
            ended=ended,
            catalogue=self.catalogue if with_catalogue else None,
            forgotten=with_catalogue and self.catalogue is None,
            withdrawn=self._to_withdrawn() if self.price is None and cause in PUBLISHED else None,
            is_over=is_over,
        )

    def _to_withdrawn(self) -> PriceWithdrawn:
        seconds = self.event_time_ms // 1000
        return PriceWithdrawn(self.product_id, seconds, self.version, self.previous_price, self.event_time_ms)


class Decider(msgspec.Struct):
    """The policy of all decisions of a shard, and counts of them. alerts: guardrail alerts by their text. causes:
    the decisions of a cause that are not all reported to the sinks, and counts of signals. version_base: the
    version of a product before its first change; 0, unless the flow has started over or has forgotten a product.
    uses_signals, uses_surge, half_life_ms: of the policy. decays: time alone lowers prices. at_s, external: the
    event time of the shard, UTC seconds, and its external events."""

    policy: PricingPolicy
    version_base: int = 0
    alerts: Counter[str] = msgspec.field(default_factory=Counter)
    causes: Counter[str] = msgspec.field(default_factory=Counter)
    uses_signals: bool = False
    at_s: int = 0
    half_life_ms: int | None = None
    decays: bool = False
    uses_surge: bool = False
    external: ExternalEvents = msgspec.field(default_factory=ExternalEvents)

    def __post_init__(self) -> None:
        self.uses_signals = self.policy.uses_signals
        self.uses_surge = self.policy.surge.enabled
        self.half_life_ms = self.policy.demand.half_life_ms
        self.decays = self.half_life_ms is not None and self.policy.demand.factor > 0

    def note(self, quote: Quote) -> None:
        """Count the alert of a quote, if it has one."""
        if quote.alert is not None:
            self.alerts[quote.alert] += 1


def record(
    state: ProductState,
    quote: Quote,
    decider: Decider,
    *,
    source: str,
    event_time_ms: int,
    now_ms: int,
    moves_time: bool = True,
    aged: bool = True,
) -> None:
    """Write a decision into the state. The loop of `pricing/state/event_loop.py` does the same inline for events; a
    property test shows that both give equal results.

    event_time_ms: of the signal. now_ms: processing time. moves_time: the signal has an event time, which cooldown
    and day are measured by; a catalogue message has none. aged: as in `ProductState.inputs_at`."""
    decider.note(quote)
    demand = state.demand_at(decider) if aged else state.demand
    state.aged_demand = None if demand == state.demand else demand
    if moves_time:
        if quote.price != state.price:
            state.changed_at_ms = event_time_ms
        day = event_time_ms // DAY_MS
        if day > state.day and quote.price is not None:
            state.day, state.day_open = day, quote.price if state.price is None else state.price
    if quote.price is not None and state.price is not None and quote.price != state.price:
        state.direction = 1 if quote.price > state.price else -1
    state.version += 1
    state.previous_price, state.price = state.price, quote.price
    state.price_source = source
    state.adjustments = quote.adjustments
    state.policy = decider.policy.version
    state.event_time_ms = event_time_ms
    state.updated_at_ms = now_ms


def source_of(quote: Quote) -> str:
    """The source of a price that no person set: `dynamic` where something has moved it from its base."""
    return PriceSource.DYNAMIC if len(quote.adjustments) > 1 else PriceSource.BASE


def quote_now(state: ProductState, inputs: PricingInputs, decider: Decider, at_ms: int) -> Quote:
    """The price that follows from inputs of a product at an event time, with all guardrails."""
    return quote_dynamic(
        inputs,
        decider.policy,
        state.price,
        previous_price=state.price,
        changed_at_ms=state.changed_at_ms,
        event_time_ms=at_ms,
        direction=state.direction,
        from_catalogue=state.event_price is None,
    )


def quote_state(
    state: ProductState,
    decider: Decider,
    freeze: Freeze | None,
    at_ms: int,
    *,
    previous_price: float | None,
    aged: bool = True,
) -> tuple[Quote, str]:
    """The price that follows from a product's state, and its source. All guardrails apply except the cooldown.

    freeze: the one that holds the product, if any. at_ms: UTC milliseconds. previous_price: for the largest step;
    None for no limit of the step. aged: as in `ProductState.inputs_at`."""
    inputs, policy = state.inputs_at(decider, aged=aged), decider.policy
    from_catalogue = state.event_price is None
    if state.override is not None:
        quote = quote_override(
            state.override.override_price,
            state.override.reason,
            inputs=inputs,
            from_catalogue=from_catalogue,
            policy=policy,
            last_good_price=state.price,
        )
        return quote, PriceSource.OVERRIDE
    if inputs is None:
        return Quote(None, []), state.price_source
    if freeze is not None and state.price is not None:
        quote = quote_frozen(state.price, inputs, from_catalogue, freeze.reason, decider.policy.scale)
        return quote, source_of(quote)
    quote = quote_dynamic(
        inputs,
        policy,
        state.price,
        previous_price=previous_price,
        changed_at_ms=None,
        event_time_ms=at_ms,
        from_catalogue=from_catalogue,
    )
    return quote, source_of(quote)
