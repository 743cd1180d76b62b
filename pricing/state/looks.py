"""Looks at many products at once: when an external event starts or ends, and when the hour of the day changes."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from core.positions import SourcePosition
from pricing.decision import Cause
from pricing.external_events import ExternalEvent, ExternalEvents
from pricing.policy import PricingPolicy
from pricing.state.product import ProductState
from pricing.surge import time_factor
from pricing.surge_policy import HOURS

HOUR_S = 3_600
HOURS_TOPIC = "hours-of-the-day"
"""The topic in positions of prices that a new hour has changed. There is no such topic; the offset is the hour
since the epoch, so that each hour has one row of history."""


class Look(NamedTuple):
    """A time at which prices are looked at, UTC seconds of event time; the cause of prices that change, and their
    position. event: the external event that starts or ends; None for a look at all products."""

    at_s: int
    cause: str
    position: SourcePosition
    event: ExternalEvent | None


class Looks:
    """The looks of a shard, in order of time. Belongs to the shard's thread."""

    def __init__(self, policy: PricingPolicy, external: ExternalEvents) -> None:
        self._external = external
        surge = policy.surge
        self._hours = [float(time_factor(hour, surge)) if surge.enabled else 0.0 for hour in range(HOURS)]
        self._reach_hour(0)

    def begin_at(self, at_s: int) -> None:
        """Prices are those of this event time; 0 before any is known."""
        self._external.begin_at(at_s)
        self._reach_hour(at_s)

    def _reach_hour(self, at_s: int) -> None:
        self._from_s = at_s
        self._hour_s = self._next_hour_s()

    def next_s(self) -> int | None:
        """The time of the next look; None if there is none. It may be early, never late."""
        event_s = self._external.next_s()
        if event_s is None or self._hour_s is None:
            return self._hour_s if event_s is None else event_s
        return min(event_s, self._hour_s)

    def first(self, now_s: int) -> Look | None:
        """The first look that is due at a time; None if there is none. Of several hours that have begun, only the
        last one counts."""
        event_s, hour_s = self._external.next_s(), self._due_hour_s(now_s)
        if event_s is None or event_s > now_s or (hour_s is not None and hour_s < event_s):
            if hour_s is None:
                return None
            return Look(hour_s, Cause.HOUR, SourcePosition(HOURS_TOPIC, 0, hour_s // HOUR_S), None)
        event = self._external.first()
        cause = Cause.EXTERNAL_ENDED if event.ends_s == event_s else Cause.EXTERNAL_STARTED
        return Look(event_s, cause, event.position, event)

    def reach(self, look: Look) -> None:
        """The event time is that of the first look, from now on."""
        if look.event is None:
            self._reach_hour(look.at_s)
        else:
            self._external.pass_first()

    def _due_hour_s(self, now_s: int) -> int | None:
        if self._hour_s is None or self._hour_s > now_s:
            return None
        if self._from_s:
            # Also where the hour's number is that of before: after a restart, prices may be of an hour between.
            return now_s // HOUR_S * HOUR_S
        if not self._hours[now_s // HOUR_S % HOURS]:
            self._reach_hour(now_s)
            return None
        return now_s

    def _next_hour_s(self) -> int | None:
        if not any(self._hours):
            return None
        if not self._from_s:
            # As soon as the time is known.
            return 1
        hour = self._from_s // HOUR_S
        later = range(hour + 1, hour + HOURS)
        return next(
            (each * HOUR_S for each in later if self._hours[each % HOURS] != self._hours[hour % HOURS]), None
        )


def concerned(products: Mapping[str, ProductState], event: ExternalEvent | None) -> Iterator[ProductState]:
    """The products of an external event; without one, all."""
    if event is not None and event.product_id is not None:
        if (state := products.get(event.product_id)) is not None:
            yield state
        return
    for state in products.values():
        category = None if state.catalogue is None else state.catalogue.category
        if event is None or event.concerns(state.product_id, category):
            yield state
