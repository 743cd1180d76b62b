"""Executions that are killed at any moment: all readers end at what the last one decided."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from core.positions import SourcePosition
from pricing.batches import ChangeBatch, EventBatch
from pricing.catalogue import CatalogueChange
from pricing.decision import Cause, PriceDecision
from pricing.events import ProductEvent
from pricing.policy import default_policy
from pricing.state.shard import Shard
from tests.support.signals import T0, entry, event

REMOVAL = CatalogueChange("A", None, T0, 0)
SIGNALS: list[CatalogueChange | ProductEvent] = [
    *(entry(4.0), entry(5.0), REMOVAL, event(10), event(20)),
    *(event(10, product="B"), event(20, product="B")),
]
TOPICS = ("product-events", "product-catalogue")

Reader = dict[tuple[str, SourcePosition, str, int], PriceDecision]


class Flow:
    """A model of a flow with one shard: executions, epochs, commits, and the readers of its outputs.

    prices: product to the decision of the newest version that a reader has; of equal versions, the first. rows: the
    history, which keeps the first row of each key and reads the newest version. Products that no signal has changed
    for an epoch may be forgotten."""

    def __init__(self, draw: Callable[[st.SearchStrategy[int]], int]) -> None:
        self._draw = draw
        self._version_base = 10**15 * draw(st.integers(0, 1))
        self.topics: dict[str, list[CatalogueChange | ProductEvent]] = {topic: [] for topic in TOPICS}
        self._offsets = dict.fromkeys(TOPICS, 0)
        self._documents: list[bytes] = []
        self._execution = 0
        self._now_ms = T0
        self.prices: dict[str, PriceDecision] = {}
        self.rows: Reader = {}
        self.was_due: set[str] = set()

    def send(self, signal: CatalogueChange | ProductEvent) -> None:
        self.topics[TOPICS[isinstance(signal, CatalogueChange)]].append(signal)

    def run(self, *, to_the_end: bool) -> Shard:
        """One execution: epochs until it is killed, or until all is read and settled."""
        shard = Shard(default_policy(), *self._documents, version_base=self._version_base)
        was_resumed = bool(self._documents)
        offsets, ends = dict(self._offsets), {topic: len(found) for topic, found in self.topics.items()}
        has_read = settled = False
        rows: list[PriceDecision] = []
        while to_the_end or self._draw(st.integers(0, 5)):
            decided = []
            if has_read and not settled:
                decided += shard.settle(was_resumed=was_resumed, execution=self._execution)
                settled = True
            if self._draw(st.integers(0, 1)):
                shard.announce(self._now_ms)
            if self._draw(st.integers(0, 1)):
                decided += shard.forget(self._now_ms)
            most = len(SIGNALS) if to_the_end else self._draw(st.integers(0, 3))
            decided += [each for _ in range(most) for each in self._apply_next(shard, offsets)]
            for decision in decided:
                if decision.cause in (Cause.REPEAT, Cause.FORGOTTEN):
                    self.was_due.add(decision.product_id)
                known = self.prices.get(decision.product_id)
                if known is None or decision.version > known.version:
                    self.prices[decision.product_id] = decision
            rows += decided
            if not to_the_end and not self._draw(st.integers(0, 2)):
                # Killed in the epoch. Its rows of history may have been written or not.
                break
            # The epoch is committed: rows that are not written yet are part of the snapshot.
            self._write(rows)
            rows = []
            self._now_ms += 1000
            if (document := shard.changes()) is not None:
                self._documents.append(document)
            self._offsets = dict(offsets)
            has_read = all(offsets[topic] >= end for topic, end in ends.items())
            if to_the_end and settled:
                break
        self._write(rows[: self._draw(st.integers(0, len(rows)))])
        self._execution += 1
        return shard

    def _apply_next(self, shard: Shard, offsets: dict[str, int]) -> list[PriceDecision]:
        """Apply the next message of any topic."""
        open_topics = [topic for topic in TOPICS if offsets[topic] < len(self.topics[topic])]
        if not open_topics:
            return []
        topic = open_topics[self._draw(st.integers(0, len(open_topics) - 1))]
        offset, signal = offsets[topic], self.topics[topic][offsets[topic]]
        offsets[topic] += 1
        if isinstance(signal, ProductEvent):
            batch = EventBatch(topic, [0], [offset], [signal.product_id.encode()], [signal])
            _, decisions = shard.apply_events(batch, self._now_ms)
            state = shard.get(signal.product_id)
            assert state is not None
            return decisions or [state.to_decision(Cause.EVENT, SourcePosition(topic, 0, offset))]
        at = CatalogueChange(signal.product_id, signal.entry, signal.event_time_ms, offset)
        return shard.apply(ChangeBatch(topic, 0, [at]), self._now_ms)

    def _write(self, rows: list[PriceDecision]) -> None:
        for row in rows:
            if row.update is not None:
                again = row.version if row.cause == Cause.RESTORED else 0
                self.rows.setdefault((row.product_id, row.position, row.cause, again), row)


@given(st.data())
def test_all_readers_end_alike_after_executions_that_were_killed_at_any_moment(data: st.DataObject) -> None:
    flow = Flow(data.draw)
    for _ in range(data.draw(st.integers(1, 5))):
        for signal in data.draw(st.lists(st.sampled_from(SIGNALS), max_size=4)):
            flow.send(signal)
        flow.run(to_the_end=False)
    shard = flow.run(to_the_end=True)
    for product in ("A", "B"):
        state, seen = shard.get(product), flow.prices.get(product)
        if state is None:
            assert seen is None or seen.update is None
        else:
            assert seen is not None
            price = seen.update and seen.update.new_price
            assert (seen.version, price) == (state.version, state.price)
        if state is not None and state.price is not None:
            rows = [row for row in flow.rows.values() if row.product_id == product]
            newest = max(rows, key=lambda row: row.version)
            assert newest.update is not None
            assert newest.update.new_price == state.price
            # A product that was due to be forgotten gets versions without a row.
            assert newest.version == state.version or product in flow.was_due
        # No reader drops what comes next.
        shard.apply_events(EventBatch("product-events", [0], [99], [b""], [event(30, product=product)]), T0)
        after = shard.get(product)
        assert after is not None
        assert seen is None or after.version > seen.version


def test_a_settling_that_was_not_committed_is_made_again_above_it() -> None:
    first = Shard(default_policy())
    first.apply(ChangeBatch("product-catalogue", 0, [entry(4.0)]), T0)
    second = Shard(default_policy(), first.snapshot())
    second.apply(ChangeBatch("product-catalogue", 0, [entry(5.0)]), T0)
    # The epoch of the message is committed, the epoch of the settling is not.
    committed = second.snapshot()
    (lost,) = second.settle(was_resumed=True, execution=1)
    third = Shard(default_policy(), committed)
    (made,) = third.settle(was_resumed=True, execution=2)
    assert (made.cause, made.position, made.update) == (Cause.RESTORED, lost.position, made.update)
    assert made.version > lost.version
    assert Shard(default_policy(), third.snapshot()).settle(was_resumed=True, execution=3) == []
