"""The part of a shard that signals of products and external events change, and the time that passes."""

from collections.abc import Iterable
from typing import Protocol

from core.event_clock import EventClock
from core.positions import SourcePosition
from pricing.catalogue import CatalogueEntry
from pricing.clicks import Click
from pricing.competitors import CompetitorQuote
from pricing.decision import Cause, PriceDecision
from pricing.external_events import ExternalEvent, ExternalEvents
from pricing.forecasts import Forecast, Supply
from pricing.signals import ShownSignals, Signal, show
from pricing.state.decay import decay, looks_back, step_s
from pricing.state.freezes import Freezes
from pricing.state.looks import Look, Looks, concerned
from pricing.state.product import Decider, ProductState
from pricing.state.replay import Replay
from pricing.state.signals import Dues, note_signal, price_again, ran_out


class SignalHolder(Protocol):
    """The part of a shard that signals change, as in `EventHolder`."""

    products: dict[str, ProductState]
    dirty: dict[str, None]
    freezes: Freezes
    replay: Replay | None
    clock: EventClock
    external: ExternalEvents
    decider: Decider


class ShardSignals:
    """The signals of a shard's products, and the times at which they run out. Belongs to the shard's thread."""

    def __init__(self, shard: SignalHolder) -> None:
        self._shard = shard
        self._dues = Dues()
        self._looks = Looks(shard.decider.policy, shard.external)
        # Products whose signals readers do not have yet; an ordered set.
        self._unshown: dict[str, None] = {}

    @property
    def is_timed(self) -> bool:
        """True if time alone may change something."""
        return self._next_s() is not None

    def watch_restored(self, state: ProductState) -> None:
        """Look at a product of a snapshot again when something of it runs out."""
        if self._shard.decider.uses_surge:
            self._shard.decider.at_s = self._shard.clock.newest_ms // 1000
        if state.event_position is not None:
            self._dues.watch_by(state.product_id, step_s(state, self._shard.decider))
        elif state.signals is not None:
            self._dues.watch(state, self._shard.decider)

    def begin(self) -> None:
        """Go on from the event time of a snapshot."""
        self._looks.begin_at(self._shard.clock.newest_ms // 1000)

    def note_event(self, product_id: str) -> None:
        """An event of a product was priced, and from now on its demand decays. The moment that matters is looked
        for once the first one at which that may be has passed, and not with each event."""
        if (state := self._shard.products.get(product_id)) is not None and state.event_position is not None:
            self._dues.watch_by(product_id, step_s(state, self._shard.decider))

    def apply(self, signal: Signal, position: SourcePosition, now_ms: int) -> list[PriceDecision]:
        """The decisions of a signal, after those of the time that it lets pass. now_ms: processing time."""
        shard, decider, product_id = self._shard, self._shard.decider, signal.product_id
        decider.at_s = shard.clock.note(signal.time_s * 1000, now_ms) // 1000
        next_s = self._next_s()
        decisions = self._pass_to(decider.at_s, now_ms) if next_s is not None and next_s <= decider.at_s else []
        state = shard.products.get(product_id)
        if shard.replay is not None:
            shard.replay.note_signal(product_id, state, position)
        if state is None:
            state = shard.products[product_id] = ProductState(product_id, version=decider.version_base)
        shard.dirty[product_id] = None
        if not isinstance(signal, Forecast | Supply):
            self._unshown[product_id] = None
        cause = note_signal(state, signal, decider, position, now_ms)
        if cause is not None and decider.uses_signals and self._may_change_price(state, signal):
            decisions += self._price_again(state, cause, position, now_ms)
        if _may_run_out_earlier(state, signal, decider):
            self._dues.watch(state, decider)
        return decisions

    def apply_external(self, event: ExternalEvent, now_ms: int) -> list[PriceDecision]:
        """The decisions of the newest message of an external event. now_ms: processing time."""
        shard, at_s = self._shard, self._shard.decider.at_s
        # First the time before it: it may be on by now, and was not then.
        decisions = self._pass_to(at_s, now_ms)
        replaced = shard.external.set(event, at_s)
        found = [each for each in (replaced, None if event.is_removal else event) if each is not None]
        states = {state.product_id: state for each in found for state in concerned(shard.products, each)}
        return decisions + self._look_at(Look(at_s, Cause.EXTERNAL, event.position, event), states.values(), now_ms)

    def pass_time(self, now_ms: int) -> list[PriceDecision]:
        """The decisions of all that has run out by now, in order of time. Sets the decider to the time of now."""
        return self._pass_to(self._shard.clock.at_ms(now_ms) // 1000, now_ms)

    def _next_s(self) -> int | None:
        due_s, look_s = self._dues.next_s(), self._looks.next_s()
        if due_s is None or look_s is None:
            return look_s if due_s is None else due_s
        return min(due_s, look_s)

    def _pass_to(self, now_s: int, now_ms: int) -> list[PriceDecision]:
        decisions: list[PriceDecision] = []
        while (look := self._looks.first(now_s)) is not None:
            decisions += self._pass_dues(look.at_s, now_ms)
            self._looks.reach(look)
            decisions += self._look_at(look, concerned(self._shard.products, look.event), now_ms)
        return decisions + self._pass_dues(now_s, now_ms)

    def _look_at(self, look: Look, states: Iterable[ProductState], now_ms: int) -> list[PriceDecision]:
        shard, decider, decisions = self._shard, self._shard.decider, list[PriceDecision]()
        if not decider.uses_surge:
            return []
        decider.at_s = look.at_s
        for state in states:
            if shard.replay is not None:
                shard.replay.note_signal(state.product_id, state, look.position)
            decided = self._price_again(state, look.cause, look.position, now_ms)
            if decided or state.held:
                shard.dirty[state.product_id] = None
            decisions += decided
        return decisions

    def _pass_dues(self, now_s: int, now_ms: int) -> list[PriceDecision]:
        shard, decider = self._shard, self._shard.decider
        decisions: list[PriceDecision] = []
        for at_s, product_id in self._dues.take(now_s):
            if (state := shard.products.get(product_id)) is None:
                continue
            # As it was a second before.
            decider.at_s = at_s - 1
            running_out = ran_out(state, decider)
            decider.at_s = at_s
            shard.dirty[product_id] = None
            if state.signals is not None and (state.signals.surge is None or state.signals.changes_by_time):
                self._unshown[product_id] = None
            if decider.uses_signals and running_out is not None:
                if shard.replay is not None:
                    shard.replay.note_signal(product_id, state, running_out[1])
                decisions += self._price_again(state, *running_out, now_ms)
            elif decider.decays and (decision := decay(state, decider, shard.freezes, now_ms)) is not None:
                if shard.replay is not None:
                    shard.replay.note_signal(product_id, state, decision.position)
                decisions.append(decision)
            self._dues.watch(state, decider, looked=True)
        decider.at_s = now_s
        return decisions

    def next_due_ms(self) -> int | None:
        """The processing time at which time alone may change something, if no signal comes before. None if nothing
        can run out."""
        due_s = self._next_s()
        return None if due_s is None else self._shard.clock.due_at_ms(due_s * 1000)

    def note_entry(self, state: ProductState, entry: CatalogueEntry | None) -> None:
        """The catalogue's entry of a product changes. Called before it does."""
        known = (state.catalogue, entry)
        if state.signals is not None or any(each and _has_stock(each) for each in known):
            self._unshown[state.product_id] = None

    def note_forgotten(self, state: ProductState) -> None:
        """A product is forgotten, and so are its signals."""
        if state.signals is not None:
            self._unshown[state.product_id] = None

    def show_again(self, state: ProductState) -> None:
        """Show the signals of a product again, for a store that lost them."""
        if state.signals is not None or (state.catalogue is not None and _has_stock(state.catalogue)):
            self._unshown[state.product_id] = None

    def take_shown(self, now_ms: int) -> list[ShownSignals]:
        """The signals of all products whose signals have changed since the last call. Those of a forgotten product
        are empty."""
        if not self._unshown:
            return []
        shard, (names, self._unshown) = self._shard, (self._unshown, {})
        at_s, policy = shard.clock.at_ms(now_ms) // 1000, shard.decider.policy
        products, shown = shard.products, []
        for name in names:
            state = products.get(name) or ProductState(name)
            shown.append(
                show(
                    name,
                    state.signals,
                    state.catalogue,
                    state.base_price,
                    at_s=at_s,
                    policy=policy,
                    now_ms=now_ms,
                )
            )
        return shown

    def _may_change_price(self, state: ProductState, signal: Signal) -> bool:
        """False for a click that leaves all as it is from which the price follows. Most do: only the one that makes
        a product hot counts. Without a look back, the price is a function of the inputs, which stay the same."""
        decider, policy = self._shard.decider, self._shard.decider.policy
        if not isinstance(signal, Click) or state.signals is None or decider.decays or self._shard.freezes.by_scope:
            return True
        if state.signals.clicks.total == policy.clicks.above + 1 or state.policy != policy.version:
            return True
        return looks_back(state, policy)

    def _price_again(
        self, state: ProductState, cause: str, position: SourcePosition, now_ms: int
    ) -> list[PriceDecision]:
        shard = self._shard
        decision = price_again(
            state, shard.decider, freezes=shard.freezes, cause=cause, position=position, now_ms=now_ms
        )
        return [] if decision is None else [decision]


def _may_run_out_earlier(state: ProductState, signal: Signal, decider: Decider) -> bool:
    """True if something may run out earlier than before a signal: a quote, the oldest click of the window, or the
    one that makes the product hot; a forecast, or what is known of supply."""
    if not isinstance(signal, Click) or state.signals is None:
        return isinstance(signal, CompetitorQuote | Forecast | Supply)
    clicks = state.signals.clicks
    is_oldest = bool(clicks.seconds) and clicks.seconds[0] == signal.time_s
    return is_oldest or clicks.total == decider.policy.clicks.above + 1


def _has_stock(entry: CatalogueEntry) -> bool:
    return entry.stock_level is not None or entry.reorder_threshold is not None
