"""A shard that is restored from its documents goes on as if nothing had happened."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.alerts import AlertRule, RuleRemoval
from market.applied import Applied
from market.bars import VERSIONS_APART, Bar
from market.batches import TickBatch
from market.moments import SECOND_US
from market.policy import MarketPolicy, parse_policy
from market.state.lane import Lane
from market.state.shard import FORMAT, Shard
from market.state.symbol import Limits
from market.ticks import Tick

LATENESS_US = 60 * SECOND_US
START_US = 1_700_000_000 * SECOND_US
LIMITS = Limits(LATENESS_US, history=3)
ALL_ON = parse_policy(
    "[volume_spike]\nratio = 3\nticks_min = 2\n[outlier]\nscore = 3\nreturns = 3\n[silence]\nsilence_s = 5\n"
)
SYMBOLS = ["BTC/USD", "^GSPC"]

some_ticks = st.lists(
    st.builds(
        Tick,
        st.sampled_from(SYMBOLS),
        st.integers(90, 110) | st.integers(1, 10**18 - 1),
        st.integers(0, 10**18 - 1),
        st.integers(0, 700).map(lambda s: START_US + s * SECOND_US),
    ),
    max_size=12,
)
some_rules = st.lists(
    st.builds(
        AlertRule,
        st.sampled_from(["a", "b"]),
        st.just(SYMBOLS[0]),
        st.sampled_from(["above", "below"]),
        st.just(Decimal("0.000001")),
    )
    | st.builds(
        AlertRule, st.just("c"), st.just(SYMBOLS[1]), st.just("move_percent"), st.just(Decimal(2)), st.just(60)
    )
    | st.builds(RuleRemoval, st.sampled_from(["a", "c"])),
    max_size=3,
)


def lane_of(shard: Shard) -> Lane:
    lane = Lane(watches_silence=True)
    lane.hold(0, shard)
    return lane


def apply(lane: Lane, ticks: list[Tick], now_ms: int = 0) -> Applied:
    count = len(ticks)
    return lane.apply(TickBatch("t", [0] * count, list(range(count)), ticks, [0] * count), now_ms)


def without_version(bar: Bar) -> Bar:
    return msgspec.structs.replace(bar, version=0)


@given(
    st.lists(st.tuples(some_ticks, some_rules, st.sampled_from(["changes", "whole", "nothing"])), max_size=5),
    some_ticks,
)
def test_a_restored_shard_goes_on(
    batches: list[tuple[list[Tick], list[AlertRule | RuleRemoval], str]], after: list[Tick]
) -> None:
    shard = Shard(ALL_ON, LIMITS)
    lane = lane_of(shard)
    documents: list[bytes] = []
    for ticks, rules, saves in batches:
        shard.change_rules(rules)
        apply(lane, ticks)
        if saves == "whole":
            documents = [shard.snapshot()]
        elif saves == "changes" and (document := shard.changes()) is not None:
            documents.append(document)
    if (document := shard.changes()) is not None:
        documents.append(document)
    restored = Shard(ALL_ON, LIMITS, documents)
    assert restored.latest() == shard.latest()
    of_before = {(bar.symbol, bar.interval_s, bar.start_us) for bar in restored.unwritten}
    lane.take_bars()
    other = lane_of(restored)
    expected, found = apply(lane, after), apply(other, after)
    for one, two in zip(expected.bars + lane.take_bars(), found.bars + other.take_bars(), strict=True):
        assert without_version(one) == without_version(two)
        is_of_before = (two.symbol, two.interval_s, two.start_us) in of_before
        assert two.version >= one.version + VERSIONS_APART * is_of_before
    expected.bars = found.bars = []
    assert expected == found


def test_bars_are_reported_once_as_they_are_when_they_are_taken() -> None:
    lane = lane_of(Shard(MarketPolicy(), LIMITS))
    applied = apply(lane, [Tick("X", price, 1, START_US + price) for price in (5, 7, 6)])
    assert [each.seq for each in applied.ticks] == [1, 2, 3]
    assert applied.bars == []
    assert [(bar.interval_s, bar.high, bar.close, bar.trades) for bar in lane.take_bars()] == [
        (interval_s, 7, 7, 3) for interval_s in (60, 300, 900, 3_600, 86_400)
    ]
    assert not lane.has_bars


def test_a_bar_that_becomes_final_is_reported_at_once() -> None:
    lane = lane_of(Shard(MarketPolicy(), LIMITS))
    apply(lane, [Tick("X", 5, 1, START_US)])
    applied = apply(lane, [Tick("X", 6, 1, START_US + 121 * SECOND_US)])
    assert [(bar.interval_s, bar.close, bar.is_final) for bar in applied.bars] == [(60, 5, True)]
    assert all(not bar.is_final for bar in lane.take_bars())


def test_the_latest_state_has_the_open_of_the_day_and_the_last_ticks() -> None:
    lane = lane_of(shard := Shard(MarketPolicy(), LIMITS))
    at_us = [0, 3, 2, -50, 4]
    (latest,) = apply(lane, [Tick("X", 10 + n, 1, START_US + s * SECOND_US) for n, s in enumerate(at_us)]).latest
    assert (latest.latest.seq, latest.latest.tick.price, latest.day_open) == (5, 14, 13)
    assert [each.seq for each in latest.last] == [5, 4, 3, 2, 1]
    (kept,) = shard.latest()
    assert ([each.seq for each in kept.last], kept.is_whole, kept.latest) == ([5, 4, 3], True, latest.latest)
    assert shard.latest(["Y"]) == []


def test_a_late_tick_has_no_latest_state_and_changes_no_bar() -> None:
    lane = lane_of(Shard(MarketPolicy(), LIMITS))
    apply(lane, [Tick("X", 5, 1, START_US)])
    lane.take_bars()
    applied = apply(lane, [Tick("X", 6, 1, START_US - 61 * SECOND_US)])
    assert ([each.is_late for each in applied.ticks], applied.latest, lane.has_bars) == ([True], [], False)


def test_silence_is_reported_once_after_each_tick_and_to_the_rules() -> None:
    shard = Shard(ALL_ON, LIMITS)
    lane = lane_of(shard)
    shard.change_rules(
        [AlertRule("a", "X", "anomaly", webhook="https://x"), AlertRule("b", "X", "above", Decimal(9))]
    )
    apply(lane, [Tick("X", 5, 1, START_US)], now_ms=1_000)
    assert shard.report_silence(5_999) == []
    found = shard.report_silence(6_000)
    assert [(each.id, each.kind, each.webhook) for each in found] == [
        ("X-silence-1", "silence", None),
        ("a-silence-1", "anomaly", "https://x"),
    ]
    assert shard.report_silence(60_000) == []
    apply(lane, [Tick("X", 5, 1, START_US)], now_ms=61_000)
    assert [each.id for each in shard.report_silence(66_000)] == ["X-silence-2", "a-silence-2"]


def test_a_silence_that_was_reported_is_not_reported_again_after_a_start() -> None:
    shard = Shard(ALL_ON, LIMITS)
    lane = lane_of(shard)
    documents = []
    for at_ms in (1_000, 61_000):
        apply(lane, [Tick("X", 5, 1, START_US)], now_ms=at_ms)
        assert shard.report_silence(at_ms + 5_000)
        documents.append(shard.changes() or b"")
        restored = Shard(ALL_ON, LIMITS, documents)
        restored.note_arrivals(0)
        assert restored.report_silence(1_000_000) == []
    apply(lane_of(restored), [Tick("X", 5, 1, START_US)], now_ms=2_000_000)
    assert restored.report_silence(2_005_000)


def test_there_is_nothing_to_save_without_ticks() -> None:
    shard = Shard(MarketPolicy(), LIMITS)
    assert shard.changes() is None
    shard.apply(Tick("X", 1, 1, START_US))
    assert shard.changes() is not None
    assert shard.changes() is None


@given(st.integers(1, 50))
def test_the_estimate_of_a_shard_is_near_its_length(count: int) -> None:
    shard = Shard(MarketPolicy(), Limits(LATENESS_US))
    for each in range(6 * count):
        shard.apply(Tick("BTC/USD", 10**12, 10**8, START_US + each * SECOND_US))
    assert shard.estimate_bytes() == pytest.approx(len(shard.snapshot()), rel=0.7)


def test_a_document_of_a_newer_version_is_refused() -> None:
    with pytest.raises(ValueError, match=f"format {FORMAT + 1}"):
        Shard(MarketPolicy(), LIMITS, [msgspec.json.encode([FORMAT + 1, "anything"])])
