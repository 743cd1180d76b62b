"""The effect of stock, clicks, competitors, forecasts and supply on a product, and of the time that passes on
them."""

from collections.abc import Iterator
from heapq import heappop, heappush

from core.positions import SourcePosition
from pricing.clicks import WINDOW_S, Click
from pricing.competitors import CompetitorQuote, add_quote, is_echo, is_in_band
from pricing.decision import Cause, PriceDecision
from pricing.forecasts import MINUTE_S, Forecast, Supply, SurgeSignals
from pricing.inventory import StockMove, add_sold, stock_of
from pricing.signals import ProductSignals, Signal
from pricing.state.decay import next_decay_s
from pricing.state.freezes import Freezes
from pricing.state.product import Decider, ProductState, quote_now, record, source_of

OVERSOLD, ECHO, OUTSIDE_BAND = "oversold", "echo", "outside_band"
"""What the decider counts besides causes of decisions."""

SHOWN_EVERY_S = 15
"""Shortest event time between two reports of clicks that only left their window."""


def note_signal(
    state: ProductState, signal: Signal, decider: Decider, position: SourcePosition, now_ms: int
) -> str | None:
    """Keep a signal in a product's state. Returns the cause of a price that follows from it; None if none does.
    now_ms: processing time."""
    signals = state.signals
    if signals is None:
        signals = state.signals = ProductSignals()
    signals.updated_at_ms = now_ms
    if signal.time_s * 1000 > signals.newest_ms:
        signals.newest_ms = signal.time_s * 1000
    if isinstance(signal, Click):
        signals.clicks.add(signal.time_s, decider.at_s, position)
        return Cause.CLICKS
    if isinstance(signal, StockMove):
        before = stock_of(state.catalogue, signals.moved)
        signals.moved += signal.quantity
        if before is not None and before >= 0 > before + signal.quantity:
            decider.causes[OVERSOLD] += 1
        add_sold(signals.sold, signal, decider.at_s)
        return Cause.STOCK
    if isinstance(signal, Forecast | Supply):
        return _note_surge(signals, signal, decider, position)
    _note_quote(state, signals, signal, decider, position)
    return Cause.COMPETITOR


def _note_surge(
    signals: ProductSignals, signal: Forecast | Supply, decider: Decider, position: SourcePosition
) -> str | None:
    surge = signals.surge
    if surge is None:
        surge = signals.surge = SurgeSignals()
    if isinstance(signal, Supply):
        return Cause.SUPPLY if surge.add_supply(signal, position) and decider.uses_surge else None
    if not surge.add_forecast(signal, position) or not decider.uses_surge:
        return None
    surge.waits = surge.must_wait(decider.at_s)
    return None if surge.waits else Cause.FORECAST


def _note_quote(
    state: ProductState,
    signals: ProductSignals,
    quote: CompetitorQuote,
    decider: Decider,
    position: SourcePosition,
) -> None:
    policy = decider.policy
    if is_echo(quote, state.price, state.changed_at_ms, policy.competitor, policy.scale):
        signals.echoes += 1
        decider.causes[ECHO] += 1
        return
    if not is_in_band(quote.price, state.base_price, policy.competitor):
        # Kept all the same: the base price may change.
        signals.outside_band += 1
        decider.causes[OUTSIDE_BAND] += 1
    add_quote(signals.quotes, quote, position)


def price_again(
    state: ProductState,
    decider: Decider,
    *,
    freezes: Freezes,
    cause: str,
    position: SourcePosition,
    now_ms: int,
) -> PriceDecision | None:
    """Decide the price of a product after a signal, or after time alone has passed. None if the price stays, or if
    something holds it. All guardrails apply, at the event time of the shard."""
    surge = None if state.signals is None else state.signals.surge
    if surge is not None and cause == Cause.FORECAST:
        surge.waits = False
    inputs = state.inputs_at(decider)
    if inputs is None or state.override is not None:
        return None
    if freezes.by_scope and freezes.of(state) is not None:
        state.held = True
        return None
    at_ms = decider.at_s * 1000
    quote = quote_now(state, inputs, decider, at_ms)
    source = source_of(quote)
    if quote.price == state.price:
        decider.note(quote)
        if quote.adjustments == state.adjustments or state.price is None:
            return None
    if surge is not None and cause == Cause.FORECAST:
        surge.priced_min = decider.at_s // MINUTE_S
    if quote.price == state.price:
        # The same price for other reasons.
        state.adjustments, state.price_source = quote.adjustments, source
        return state.to_decision(Cause.DESCRIBED, position)
    record(state, quote, decider, source=source, event_time_ms=at_ms, now_ms=now_ms)
    return state.to_decision(cause, position)


class Dues:
    """The times at which time alone may change something about a product, event time in UTC seconds. They may be
    early, never late. Belongs to the thread of its shard."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []
        self._earliest: dict[str, int] = {}

    def watch(self, state: ProductState, decider: Decider, *, looked: bool = False) -> None:
        """Look at a product again when time may change it. looked: as in `next_decay_s`."""
        at_s = _next_due_s(state, decider, looked)
        assert at_s is None or at_s > decider.at_s
        if at_s is not None:
            self.watch_by(state.product_id, at_s)

    def watch_by(self, product_id: str, at_s: int) -> None:
        """Look at a product again at a time, or earlier."""
        if at_s < self._earliest.get(product_id, at_s + 1):
            self._earliest[product_id] = at_s
            heappush(self._heap, (at_s, product_id))

    def is_due(self, at_s: int) -> bool:
        """True if something is due at a time."""
        return bool(self._heap) and self._heap[0][0] <= at_s

    def next_s(self) -> int | None:
        """The next time; None if there is none."""
        return self._heap[0][0] if self._heap else None

    def take(self, at_s: int) -> Iterator[tuple[int, str]]:
        """Time and id of the products that are due by a time, in order; they are not watched any more. One that is
        watched again while the others are taken may come again."""
        while self._heap and self._heap[0][0] <= at_s:
            due_s, product_id = heappop(self._heap)
            if self._earliest.get(product_id) == due_s:
                del self._earliest[product_id]
                yield due_s, product_id


def _next_due_s(state: ProductState, decider: Decider, looked: bool) -> int | None:
    """The next time at which time alone changes a price, or the clicks that are shown."""
    signals, policy = state.signals, decider.policy
    decays_s = next_decay_s(state, decider, looked=looked)
    dues = [] if decays_s is None else [decays_s]
    if signals is None:
        return decays_s
    signals.clicks.forget(decider.at_s)
    if signals.clicks.total:
        dues.append(max(signals.clicks.seconds[0] + WINDOW_S, decider.at_s + SHOWN_EVERY_S))
        if decider.uses_signals and (cools := signals.clicks.cools(policy.clicks.above)):
            dues.append(cools[0])
    found = signals.cheapest(decider.at_s, state.base_price, policy)
    if found is not None and found.stale_at_s is not None:
        dues.append(found.stale_at_s)
    if signals.surge is not None and decider.uses_surge:
        dues += [due_s for due_s, _, _ in signals.surge.dues_s(decider.at_s, policy.surge)]
    return min(dues, default=None)


def ran_out(state: ProductState, decider: Decider) -> tuple[str, SourcePosition] | None:
    """The cause of a price that the next second changes, and the position of the signal that counts no more then.
    None if all count as before. decider: at the time before."""
    signals, policy, next_s = state.signals, decider.policy, decider.at_s + 1
    if signals is None:
        return None
    cools = signals.clicks.cools(policy.clicks.above)
    if cools is not None and cools[0] == next_s:
        return Cause.COOLED, cools[1]
    found = signals.cheapest(decider.at_s, state.base_price, policy)
    if found is not None and found.stale_at_s == next_s:
        return Cause.STALE, found.position
    if signals.surge is None or not decider.uses_surge:
        return None
    for due_s, waits, position in signals.surge.dues_s(decider.at_s, policy.surge):
        if due_s == next_s:
            return (Cause.FORECAST if waits else Cause.STALE), position
    return None
