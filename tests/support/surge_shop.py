"""Signals of a surge: forecasts, supply, external events, and a policy that uses them."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from core.positions import SourcePosition
from pricing.batches import ChangeBatch, EventBatch
from pricing.decision import PriceDecision
from pricing.events import ProductEvent
from pricing.external_events import ExternalEvent, removal
from pricing.forecasts import Forecast, Supply
from pricing.policy import PricingPolicy, parse_policy
from tests.support.signal_shop import T0_S, Shop
from tests.support.signals import T0

SURGE = "[demand]\nfactor = 0\n[surge]\nenabled = true\n"
WEIGHTS_OF_ONE = "demand_weight = 1\nsupply_weight = 1\ntime_weight = 1\nevent_weight = 1\n"


HOUR = T0_S // 3600 % 24
"""The hour of the day of T0."""


def hours_of(**entries: float) -> str:
    """The setting of hours: `h3` is the entry of the third hour after that of T0."""
    table = [1.0] * 24
    for name, entry in entries.items():
        table[(HOUR + int(name[1:])) % 24] = entry
    return f"hours = {table}\n"


def policy_of(more: str = "") -> PricingPolicy:
    """A policy with a surge and no demand factor; `more` is of the section `surge`."""
    return parse_policy(SURGE + more)


def forecast(
    score: float = 0.75, at_s: int = T0_S, *, version: int = 1, product_id: str = "A", **more: Any
) -> Forecast:
    """A forecast of the source `model`, which expects 10 units in the next hour."""
    fields = {"source": "model", "mean_60": 10.0, "mean_1440": None, **more}
    return Forecast(
        product_id, at_s * 1000, version, fields["source"], score, fields["mean_60"], fields["mean_1440"]
    )


def supply(available: float, at_s: int = T0_S, product_id: str = "A") -> Supply:
    """Units that can be sold."""
    return Supply(product_id, at_s, available)


def external(
    starts_s: int, ends_s: int, score: float = 1.0, *, event_id: str = "e", offset: int = 0, **scope: str
) -> ExternalEvent:
    """An external event of product A, or of `product_id` or `category`. Times are seconds after T0."""
    position = SourcePosition("external", 0, offset)
    product_id = scope.get("product_id", None if "category" in scope else "A")
    times = T0_S + starts_s, T0_S + ends_s
    return ExternalEvent(event_id, product_id, scope.get("category"), score, *times, "Concert", position)


class SurgeShop(Shop):
    """A shop that external events happen to."""

    def happen(self, *events: ExternalEvent) -> list[PriceDecision]:
        """The decisions of external events."""
        return self.shard.apply(ChangeBatch("external", 0, list(events)), self.now_ms)

    def next_due_ms(self) -> int | None:
        """The time at which the lane is to be woken."""
        return self._lane.next_due_ms()

    def sell(self, *events: ProductEvent) -> list[PriceDecision]:
        """The decisions of product events."""
        zeros, offsets = [0] * len(events), list(range(len(events)))
        keys = [each.product_id.encode() for each in events]
        batch = EventBatch("events", zeros, offsets, keys, list(events), shards=zeros)
        _, decisions, _ = self._lane.apply_events(batch, self.now_ms)
        return decisions

    def end(self, event_id: str = "e", offset: int = 9) -> list[PriceDecision]:
        """The decisions of the removal of an external event."""
        return self.happen(removal(event_id, SourcePosition("external", 0, offset)))


def _event(event_id: str, starts_s: int, lasts_s: int, score: int, category: str | None) -> ExternalEvent:
    event = external(starts_s, starts_s + lasts_s, score / 10, event_id=event_id)
    return event if category is None else msgspec.structs.replace(event, product_id=None, category=category)


some_surge_signals = st.lists(
    st.builds(
        forecast,
        st.integers(0, 10).map(lambda tenths: tenths / 10),
        st.integers(T0_S - 2000, T0_S + 2000),
        version=st.integers(0, 3),
        product_id=st.sampled_from("AB"),
        source=st.sampled_from(["model", "category", "base"]),
        mean_60=st.none() | st.integers(0, 20).map(float),
        mean_1440=st.none() | st.integers(0, 200).map(float),
    )
    | st.builds(
        supply,
        st.integers(0, 10).map(float),
        st.integers(T0_S - 2000, T0_S + 2000),
        st.sampled_from("AB"),
    ),
    max_size=30,
    # Of equal ones, the one that is read later counts.
    unique_by=lambda each: (type(each), each.product_id, each.time_s, getattr(each, "version", None)),
)

some_external_events = st.lists(
    st.builds(
        _event,
        st.sampled_from("abcdefgh"),
        st.integers(-3000, 3000),
        st.integers(1, 3000),
        st.integers(0, 10),
        st.sampled_from([None, "kitchen", "toys"]),
    ),
    max_size=6,
    # Of one event, the message that is read last counts.
    unique_by=lambda each: each.event_id,
)

LATER_S = 2_100
"""Seconds after T0 at which all of these signals have been sent."""


def later() -> Supply:
    """A signal of product B that brings the shard's time to `LATER_S`."""
    return supply(5.0, T0 // 1000 + LATER_S, "B")
