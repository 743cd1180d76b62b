"""A symbol's state against a plain recomputation of the contract over the whole list of ticks."""

from collections.abc import Sequence
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from market.bars import INTERVALS_S, Bar
from market.moments import SECOND_US
from market.policy import MarketPolicy, parse_policy
from market.state.symbol import Enriched, Limits, SymbolState
from market.ticks import Tick

LATENESS_US = 60 * SECOND_US
START_US = 1_700_000_000 * SECOND_US

ticks_in_any_order = st.lists(
    st.builds(
        Tick,
        st.just("BTC/USD"),
        st.integers(1, 10**18 - 1) | st.integers(99, 101),
        st.integers(0, 10**18 - 1) | st.just(0),
        st.integers(0, 900).map(lambda s: START_US + s * SECOND_US) | st.integers(START_US, START_US + 10**9),
    ),
    max_size=60,
)


def run(
    ticks: Sequence[Tick], policy: MarketPolicy | None = None
) -> tuple[list[Enriched], dict[tuple[int, int], Bar]]:
    """All enriched ticks, and the last state of each bar."""
    state = SymbolState(Limits(LATENESS_US), policy or MarketPolicy())
    results, bars = [], {}
    versions: dict[tuple[int, int], int] = {}
    for tick in ticks:
        enriched, changed, final = state.apply(tick)
        results.append(enriched)
        for bar in (*changed, *final):
            key = bar.interval_s, bar.start_us
            bars[key] = bar
            # Every report has a newer version; a bar may be reported twice for a tick, as changed and as final.
            assert bar.version >= versions.get(key, 0)
            versions[key] = bar.version
    return results, bars


def late_flags(ticks: Sequence[Tick]) -> list[bool]:
    newest, flags = 0, []
    for tick in ticks:
        flags.append(tick.time_us < newest - LATENESS_US)
        newest = max(newest, tick.time_us)
    return flags


@given(ticks_in_any_order)
def test_averages_equal_a_recomputation(ticks: list[Tick]) -> None:
    results, _ = run(ticks)
    late = late_flags(ticks)
    assert [each.is_late for each in results] == late
    assert [each.seq for each in results] == list(range(1, len(ticks) + 1))
    for i, (tick, result) in enumerate(zip(ticks, results, strict=True)):
        if late[i]:
            assert (result.ma_1m, result.ma_5m, result.vol_1m, result.vwap_1m) == (None,) * 4
            continue
        for width_s, mean in ((60, result.ma_1m), (300, result.ma_5m)):
            window = [
                other
                for j, other in enumerate(ticks[: i + 1])
                if not late[j] and tick.time_us - width_s * SECOND_US < other.time_us <= tick.time_us
            ]
            assert mean == round(Fraction(sum(each.price for each in window), len(window)))
            if width_s == 60:
                volume = sum(each.volume for each in window)
                assert result.vol_1m == volume
                turnover = sum(each.price * each.volume for each in window)
                assert result.vwap_1m == (round(Fraction(turnover, volume)) if volume else None)


@given(ticks_in_any_order)
def test_bars_equal_a_recomputation(ticks: list[Tick]) -> None:
    _, bars = run(ticks)
    late = late_flags(ticks)
    newest = max((each.time_us for each in ticks), default=0)
    counted = [(tick.time_us, seq, tick) for seq, tick in enumerate(ticks, 1) if not late[seq - 1]]
    expected: dict[tuple[int, int], list[tuple[int, int, Tick]]] = {}
    for interval_s in INTERVALS_S:
        for at, seq, tick in counted:
            start = at - at % (interval_s * SECOND_US)
            expected.setdefault((interval_s, start), []).append((at, seq, tick))
    assert bars.keys() == expected.keys()
    for key, inside in expected.items():
        bar, inside = bars[key], sorted(inside, key=lambda each: each[:2])
        prices = [tick.price for _, _, tick in inside]
        assert (bar.open, bar.high, bar.low, bar.close) == (prices[0], max(prices), min(prices), prices[-1])
        assert (bar.volume, bar.trades) == (sum(tick.volume for _, _, tick in inside), len(inside))
        assert bar.low <= bar.close <= bar.high
        assert bar.is_final == (newest >= bar.start_us + bar.interval_s * SECOND_US + LATENESS_US)
        # One version for each tick, and one for the end.
        assert bar.version == bar.trades + bar.is_final


@given(ticks_in_any_order)
def test_the_volumes_of_short_bars_add_up_to_that_of_the_long_one(ticks: list[Tick]) -> None:
    _, bars = run(ticks)
    for (interval_s, start_us), bar in bars.items():
        if interval_s == 3_600:
            minutes = [
                each
                for (width_s, at), each in bars.items()
                if width_s == 60 and start_us <= at < start_us + 3_600 * SECOND_US
            ]
            assert sum(each.volume for each in minutes) == bar.volume
            assert sum(each.turnover for each in minutes) == bar.turnover


@given(st.data())
def test_any_order_within_the_lateness_gives_the_same_bars(data: st.DataObject) -> None:
    times = data.draw(st.lists(st.integers(0, 60), min_size=1, max_size=30, unique=True))
    ticks = [Tick("X", 100 + index, index, START_US + at * SECOND_US) for index, at in enumerate(times)]
    shuffled = data.draw(st.permutations(ticks))
    shapes = [
        {
            key: (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trades, bar.version)
            for key, bar in bars.items()
        }
        for _, bars in (run(ticks), run(shuffled))
    ]
    assert shapes[0] == shapes[1]


@given(ticks_in_any_order)
def test_the_latest_tick_has_the_greatest_time_and_number(ticks: list[Tick]) -> None:
    results, _ = run(ticks)
    late = late_flags(ticks)
    latest = [each.seq for each in results if each.is_latest]
    for i, _ in enumerate(ticks):
        counted = [(tick.time_us, j + 1) for j, tick in enumerate(ticks[: i + 1]) if not late[j]]
        assert max(seq for seq in latest if seq <= i + 1) == max(counted)[1]


@settings(max_examples=5)
@given(st.integers(1, 20))
def test_memory_is_bounded_by_rate_times_windows_and_lateness(rate: int) -> None:
    state = SymbolState(Limits(LATENESS_US, history=1), MarketPolicy())
    most = 0
    for index in range(1_200 * rate):
        state.apply(Tick("X", 1, 1, START_US + index * SECOND_US // rate))
        most = max(most, state.kept_ticks)
    assert most <= 2 * 360 * rate + 3
    # After a gap, nothing of before is kept.
    state.apply(Tick("X", 1, 1, START_US + 10_000 * SECOND_US))
    assert state.kept_ticks == 2


def test_a_jump_is_measured_against_the_tick_before_it_in_decimals() -> None:
    prices = [100_00000000, 102_00000000, 104_04000000, 106_12080001, 103_99838400, 1, 1]
    results, _ = run([Tick("X", price, 0, START_US + index) for index, price in enumerate(prices)])
    assert [[each.kind for each in result.anomalies] for result in results] == [
        [],
        [],
        [],
        ["jump"],
        ["jump"],
        ["jump"],
        [],
    ]
    assert [each.severity for each in results[5].anomalies] == ["critical"]


def test_a_late_tick_is_no_anomaly_and_no_comparison() -> None:
    ticks = [
        Tick("X", 100, 0, START_US + 100 * SECOND_US),
        Tick("X", 500, 0, START_US),
        Tick("X", 101, 0, START_US + 40 * SECOND_US),
    ]
    results, _ = run(ticks)
    assert [each.is_late for each in results] == [False, True, False]
    assert not any(each.is_anomaly for each in results)


def test_detectors_that_are_off_by_default_find_what_they_look_for() -> None:
    policy = parse_policy(
        "[jump]\n[volume_spike]\nratio = 10\nticks_min = 5\n[outlier]\nscore = 3.5\nreturns = 10\n"
    )
    usual = [Tick("X", 10_000 + index * index % 7, 100, START_US + index * SECOND_US) for index in range(20)]
    spike = Tick("X", 10_001, 1_001, START_US + 20 * SECOND_US)
    far = Tick("X", 10_100, 1_000, START_US + 21 * SECOND_US)
    results, _ = run([*usual, spike, far], policy)
    assert [[each.kind for each in result.anomalies] for result in results[-3:]] == [
        [],
        ["volume_spike"],
        ["outlier"],
    ]
