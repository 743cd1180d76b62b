"""Products without a signal for a long time: what is forgotten, what is not, and how they come back."""

import pytest

from pricing.batches import Signal
from pricing.catalogue import CatalogueChange
from pricing.commands import Freeze, FreezeLift, OverrideRemoval
from pricing.decision import Cause
from pricing.policy import default_policy
from pricing.state.shard import Shard
from tests.support.shards import apply
from tests.support.signals import POSITION, T0, entry, event, override

DAY_MS = 86_400_000
LATER = T0 + DAY_MS
FREEZE = Freeze("product:A", "x", "ann", T0, POSITION, recorded=True)


def settled(*signals: Signal) -> Shard:
    """A shard that has read these signals at `T0`."""
    shard = Shard(default_policy())
    shard.settle(was_resumed=False, execution=0)
    apply(shard, *signals, now_ms=T0)
    return shard


def test_a_product_is_forgotten_in_two_steps_with_a_snapshot_between() -> None:
    shard = settled(event(10), event(20))
    assert shard.announce(LATER)
    assert shard.forget(LATER) == []
    assert "A" in shard
    shard.snapshot()
    (decision,) = shard.forget(LATER)
    assert decision.cause == Cause.FORGOTTEN
    assert decision.withdrawn is not None
    assert (decision.version, decision.withdrawn.version, decision.withdrawn.previous_price) == (3, 3, 27.07)
    assert decision.update is None
    assert decision.forgotten
    assert "A" not in shard
    assert len(Shard(default_policy(), shard.snapshot())) == 0
    assert shard.forget(LATER) == []


@pytest.mark.parametrize("restored", [False, True])
def test_a_product_that_comes_back_counts_from_above_all_that_were_forgotten(restored: bool) -> None:
    shard = settled(*[event(10)] * 7, event(10, product="B"))
    shard.announce(LATER)
    first = shard.snapshot()
    assert [decision.version for decision in shard.forget(LATER)] == [8, 2]
    if restored:
        shard = Shard(default_policy(), first, shard.changes() or b"")
    assert [decision.version for decision in apply(shard, event(10, product="B"))] == [9]
    assert [decision.version for decision in apply(shard, event(10), event(10))] == [9, 10]


@pytest.mark.parametrize(
    ("holder", "release"),
    [
        (entry(4.0), CatalogueChange("A", None, LATER, 9)),
        (override(5.0), OverrideRemoval("A", LATER, 9)),
        (FREEZE, None),
    ],
)
def test_a_product_that_something_holds_is_kept(holder: Signal, release: Signal | None) -> None:
    shard = settled(event(10), holder)
    shard.announce(LATER)
    shard.snapshot()
    assert shard.forget(LATER) == []
    assert "A" in shard
    if release is not None:
        apply(shard, release, now_ms=LATER)
        shard.announce(LATER + DAY_MS)
        shard.snapshot()
        assert [decision.product_id for decision in shard.forget(LATER)] == ["A"]


@pytest.mark.parametrize(
    "signal", [event(30, at_ms=T0 + 2), event(30, at_ms=T0 - DAY_MS), entry(4.0), override(5.0), FREEZE]
)
def test_a_signal_after_the_announcement_keeps_the_product(signal: Signal) -> None:
    shard = settled(event(10))
    shard.announce(LATER)
    shard.snapshot()
    apply(shard, signal, now_ms=LATER)
    assert shard.forget(LATER) == []
    assert "A" in shard


def test_a_clock_that_was_wrong_forgets_nothing() -> None:
    shard = settled()
    apply(shard, event(10, at_ms=LATER), now_ms=1000)
    apply(shard, event(10, at_ms=1000, product="B"), now_ms=LATER)
    shard.announce(LATER)
    shard.snapshot()
    assert shard.forget(LATER) == []
    assert len(shard) == 2


def test_nothing_is_announced_before_the_shard_has_settled() -> None:
    shard = Shard(default_policy(), settled(event(10)).snapshot())
    assert not shard.announce(LATER)
    shard.settle(was_resumed=True, execution=1)
    assert shard.announce(LATER)


def test_an_announcement_of_nothing_is_not_written() -> None:
    shard = settled(event(10))
    shard.snapshot()
    assert shard.announce(T0 - DAY_MS)
    assert shard.changes() is None


def test_a_crash_after_the_price_was_withdrawn_publishes_the_product_above_it() -> None:
    shard = settled(event(10), event(10, product="B"))
    shard.announce(LATER)
    committed = shard.snapshot()
    lost = {decision.product_id: decision.version for decision in shard.forget(LATER)}
    again = Shard(default_policy(), committed)
    # B's next event is among the messages that are read again; A has none.
    apply(again, event(20, product="B"), now_ms=LATER)
    settling = {decision.product_id: decision for decision in again.settle(was_resumed=True, execution=1)}
    assert {name: decision.cause for name, decision in settling.items()} == {"A": Cause.REPEAT, "B": Cause.RESTORED}
    assert all(decision.version > lost[name] for name, decision in settling.items())
    assert again.announce(LATER)
    again.snapshot()
    (decision,) = again.forget(LATER)
    assert decision.product_id == "A"
    assert decision.version > settling["A"].version


def test_versions_of_older_products_count_at_a_lift_as_before() -> None:
    shard = settled(*[event(10, product="B")] * 7)
    shard.announce(LATER)
    shard.snapshot()
    shard.forget(LATER)
    before = Shard(default_policy(), settled(event(10)).snapshot(), shard.snapshot())
    before.settle(was_resumed=True, execution=1)
    assert [product for product in ("A", "B") if product in before] == ["A"]
    everything = Freeze("all", "x", "ann", T0, POSITION, recorded=True)
    # In either order of topics.
    orders: list[list[Signal]] = [
        [everything, event(20), FreezeLift("all", LATER, 9, True)],
        [everything, FreezeLift("all", LATER, 9, True), event(20)],
    ]
    documents = before.snapshot()
    versions = set()
    for order in orders:
        again = Shard(default_policy(), documents)
        apply(again, *order, now_ms=LATER)
        state = again.get("A")
        assert state is not None
        versions.add(state.version)
    assert versions == {3}


@pytest.mark.parametrize("release", ["catalogue", "product:A", "all"])
def test_a_product_that_was_held_at_the_announcement_is_left_to_the_next(release: str) -> None:
    everything = Freeze("all", "x", "ann", T0, POSITION, recorded=True)
    holders: dict[str, Signal] = {"catalogue": entry(4.0), "product:A": FREEZE, "all": everything}
    releases: dict[str, Signal] = {
        "catalogue": CatalogueChange("A", None, LATER, 9),
        "product:A": FreezeLift("product:A", LATER, 9, True),
        "all": FreezeLift("all", LATER, 9, True),
    }
    shard = settled(*[event(10)] * 7, event(10, product="B"))
    if release != "all":
        apply(shard, holders[release], now_ms=T0)
    shard.announce(LATER)
    shard.snapshot()
    if release == "all":
        apply(shard, holders[release], now_ms=LATER)
    apply(shard, releases[release], now_ms=LATER)
    withdrawn = {decision.product_id: decision.version for decision in shard.forget(LATER)}
    shard.announce(LATER)
    shard.snapshot()
    withdrawn |= {decision.product_id: decision.version for decision in shard.forget(LATER)}
    assert set(withdrawn) == {"A", "B"}
    for product, version in withdrawn.items():
        (back,) = apply(shard, event(10, product=product), now_ms=LATER)
        assert back.version > version


def test_a_product_that_came_back_before_a_crash_settles_above_what_was_published() -> None:
    shard = settled(event(10), event(10, product="B"))
    high = shard.get("B")
    assert high is not None
    high.version = 3_000_000
    shard.announce(LATER)
    committed = shard.snapshot()
    shard.forget(LATER)
    (lost,) = apply(shard, event(20), now_ms=LATER)
    again = Shard(default_policy(), committed)
    apply(again, event(20), now_ms=LATER)
    versions = {each.product_id: each.version for each in again.settle(was_resumed=True, execution=1)}
    assert versions["A"] > lost.version


@pytest.mark.parametrize("documents", ["none", "whole", "changes"])
def test_a_refill_withdraws_the_prices_of_forgotten_products_again(documents: str) -> None:
    shard = settled(*[event(10)] * 7, event(10, product="B"))
    shard.announce(LATER)
    first = shard.snapshot()
    withdrawn = {decision.product_id: decision.version for decision in shard.forget(LATER)}
    changes = shard.changes() or b""
    if documents != "none":
        shard = Shard(default_policy(), *([shard.snapshot()] if documents == "whole" else [first, changes]))
        shard.settle(was_resumed=True, execution=1)
    for refilled in (shard.refill(), shard.refill(("A", "B", "C"))):
        decisions = {decision.product_id: decision for decision in refilled}
        assert {name: decision.version for name, decision in decisions.items()} == withdrawn
        for decision in decisions.values():
            assert (decision.update, decision.forgotten, decision.cause) == (None, True, Cause.REFILL)
    # One that has come back has its price.
    (back,) = apply(shard, event(10), now_ms=LATER)
    for again in (shard, Shard(default_policy(), shard.snapshot()), Shard(default_policy(), first, changes)):
        apply(again, *([] if "A" in again else [event(10)]), now_ms=LATER)
        found = {decision.product_id: decision for decision in again.refill()}
        assert found["A"].update is not None
        assert found["A"].version == back.version
        assert found["B"].update is None


def test_forgotten_products_are_kept_for_a_month() -> None:
    shard = settled(event(10))
    shard.announce(LATER)
    shard.snapshot()
    shard.forget(LATER)
    shard.snapshot()
    shard.forget(LATER + 30 * DAY_MS)
    assert [decision.product_id for decision in shard.refill()] == ["A"]
    shard.forget(LATER + 30 * DAY_MS + 1)
    assert list(shard.refill()) == []
