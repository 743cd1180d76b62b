"""One shard with signals of stock, clicks and competitors, on a clock that the test sets."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from core.room import UNBOUNDED
from pricing.batches import ChangeBatch, SignalBatch
from pricing.catalogue import CatalogueChange, CatalogueEntry
from pricing.clicks import Click
from pricing.competitors import CompetitorQuote
from pricing.decision import PriceDecision
from pricing.inventory import StockMove
from pricing.policy import PricingPolicy, parse_policy
from pricing.signals import ShownSignals, Signal
from pricing.state.lane import Lane
from pricing.state.shard import Shard
from tests.support.signals import T0

T0_S = T0 // 1000
DEMO = """
[demand]
factor = 0
[stock]
low_factor = 1.2
high_factor = 0.9
[clicks]
factor = 1.02
[competitor]
factor = 0.99
"""


class Shop:
    """One shard on a clock that the test sets. documents: of the state to begin with. settles: false for a shard
    that reads again what was read before a crash."""

    def __init__(self, policy: PricingPolicy | None = None, *documents: bytes, settles: bool = True) -> None:
        self.now_ms = T0
        self.shard = Shard(policy or parse_policy(DEMO), *documents)
        if settles:
            self.shard.settle(was_resumed=False, execution=0)
        self._lane = Lane(self.shard.decider.policy, UNBOUNDED)
        self._lane.hold(0, self.shard)
        self._offset = 0

    def send(self, *signals: Signal) -> list[PriceDecision]:
        offsets = list(range(self._offset, self._offset + len(signals)))
        self._offset += len(signals)
        zeros = [0] * len(signals)
        batch = SignalBatch("signals", zeros, offsets, list(signals), zeros)
        # As it is sent to another process.
        batch = batch.__reduce__()[0](*batch.__reduce__()[1])
        decisions, letters = self._lane.apply_signals(batch, self.now_ms)
        assert letters == []
        return decisions

    def describe(self, product_id: str = "A", **fields: Any) -> list[PriceDecision]:
        lsn = fields.pop("lsn", None)
        entry = CatalogueEntry(product_id, "Mug", "kitchen", fields.pop("base_price", 10.0), **fields)
        return self.change(CatalogueChange(product_id, entry, T0, 0, lsn))

    def change(self, change: CatalogueChange) -> list[PriceDecision]:
        return self.shard.apply(ChangeBatch("catalogue", 0, [change]), self.now_ms)

    def pass_time(self, seconds: float) -> list[PriceDecision]:
        self.now_ms += int(seconds * 1000)
        return self._lane.pass_time(self.now_ms)

    @property
    def price(self) -> float | None:
        state = self.shard.get("A")
        return None if state is None else state.price

    def shown(self) -> ShownSignals:
        (found,) = [each for each in self._lane.take_shown(self.now_ms) if each.product_id == "A"]
        return found


def prices(decisions: Sequence[PriceDecision]) -> list[tuple[str, int, float | None]]:
    return [(each.cause, each.version, each.update.new_price if each.update else None) for each in decisions]


def click(at_s: int = T0_S, product_id: str = "A") -> Click:
    return Click(product_id, at_s)


def quote(price: float, at_s: int = T0_S, competitor: str = "c", product_id: str = "A") -> CompetitorQuote:
    return CompetitorQuote(product_id, at_s, competitor, price)


some_signals = st.lists(
    st.builds(Click, st.sampled_from("AB"), st.integers(T0_S - 2000, T0_S + 2000))
    | st.builds(StockMove, st.sampled_from("AB"), st.integers(T0_S - 2000, T0_S + 2000), st.integers(-9, 9))
    | st.builds(
        CompetitorQuote,
        st.sampled_from("AB"),
        st.integers(T0_S - 2000, T0_S + 2000),
        st.sampled_from("xyz"),
        st.integers(1, 20).map(float),
    ),
    max_size=40,
    # Of equal quotes of one moment, the one that is read later counts.
    unique_by=lambda each: (type(each), each.product_id, each.time_s, getattr(each, "competitor", None)),
)
