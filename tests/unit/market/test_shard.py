"""A shard that is restored from its documents goes on as if nothing had happened."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.moments import SECOND_US
from market.policy import MarketPolicy, parse_policy
from market.state.shard import FORMAT, Shard
from market.ticks import Tick

LATENESS_US = 60 * SECOND_US
START_US = 1_700_000_000 * SECOND_US
ALL_ON = parse_policy("[volume_spike]\nratio = 3\nticks_min = 2\n[outlier]\nscore = 3\nreturns = 3\n")

some_ticks = st.lists(
    st.builds(
        Tick,
        st.sampled_from(["BTC/USD", "^GSPC"]),
        st.integers(90, 110) | st.integers(1, 10**18 - 1),
        st.integers(0, 10**18 - 1),
        st.integers(0, 700).map(lambda s: START_US + s * SECOND_US),
    ),
    max_size=12,
)


@given(st.lists(st.tuples(some_ticks, st.sampled_from(["changes", "whole", "nothing"])), max_size=5), some_ticks)
def test_a_restored_shard_goes_on(batches: list[tuple[list[Tick], str]], after: list[Tick]) -> None:
    shard = Shard(ALL_ON, LATENESS_US)
    documents: list[bytes] = []
    for ticks, saves in batches:
        shard.apply(ticks)
        if saves == "whole":
            documents = [shard.snapshot()]
        elif saves == "changes" and (document := shard.changes()) is not None:
            documents.append(document)
    if (document := shard.changes()) is not None:
        documents.append(document)
    restored = Shard(ALL_ON, LATENESS_US, documents)
    assert shard.apply(after) == restored.apply(after)
    assert shard.snapshot() == restored.snapshot()


def test_a_batch_reports_each_bar_once_as_it_is_at_the_end() -> None:
    shard = Shard(MarketPolicy(), LATENESS_US)
    enriched, bars = shard.apply([Tick("X", price, 1, START_US + price) for price in (5, 7, 6)])
    assert [each.seq for each in enriched] == [1, 2, 3]
    assert [(bar.interval_s, bar.high, bar.close, bar.trades) for bar in bars] == [
        (interval_s, 7, 7, 3) for interval_s in (60, 300, 900, 3_600, 86_400)
    ]


def test_there_is_nothing_to_save_without_ticks() -> None:
    shard = Shard(MarketPolicy(), LATENESS_US)
    assert shard.changes() is None
    shard.apply([Tick("X", 1, 1, START_US)])
    assert shard.changes() is not None
    assert shard.changes() is None


@given(st.integers(1, 50))
def test_the_estimate_of_a_shard_is_near_its_length(count: int) -> None:
    shard = Shard(MarketPolicy(), LATENESS_US)
    shard.apply([Tick("BTC/USD", 10**12, 10**8, START_US + each * SECOND_US) for each in range(6 * count)])
    assert shard.estimate_bytes() == pytest.approx(len(shard.snapshot()), rel=0.7)


def test_a_document_of_a_newer_version_is_refused() -> None:
    with pytest.raises(ValueError, match=f"format {FORMAT + 1}"):
        Shard(MarketPolicy(), LATENESS_US, [msgspec.json.encode([FORMAT + 1, "anything"])])
