"""The simulated market: the same seed gives the same ticks, prices stay sensible, and detectors have work."""

import itertools
import math
from collections import Counter
from itertools import pairwise

import msgspec
import pytest

from connectors.decode.market import TickKind, decode_tick
from connectors.generators.market import (
    JUMP_CHANCE,
    SPREAD_MAX,
    SYMBOLS_MAX,
    TICKS_PER_S,
    _Walk,
    simulate_market,
    symbol_names,
)
from connectors.generators.rhythm import DAY_S, activity_at
from market.amounts import UNITS
from market.ticks import Tick, is_symbol

START_MS = 1_723_161_255_342


def messages(count: int, symbols: int = 50, seed: int = 1, start_ms: int = START_MS) -> list[bytes]:
    simulated = itertools.islice(simulate_market(symbols, seed, start_ms), count)
    return [msgspec.json.encode(event) for _, _, event in simulated]


def ticks(count: int, symbols: int = 50, seed: int = 1, start_ms: int = START_MS) -> list[Tick]:
    return [decode_tick(TickKind.PRICE_TICKS, value) for value in messages(count, symbols, seed, start_ms)]


@pytest.fixture(scope="module")
def day() -> list[Tick]:
    return ticks(60_000)


def by_symbol(simulated: list[Tick]) -> dict[str, list[Tick]]:
    found: dict[str, list[Tick]] = {}
    for tick in simulated:
        found.setdefault(tick.symbol, []).append(tick)
    return found


def test_the_same_seed_gives_the_same_ticks() -> None:
    assert messages(2000) == messages(2000)
    assert messages(100, seed=2) != messages(100)


def test_another_start_changes_the_times_only() -> None:
    later = ticks(2000, start_ms=START_MS + 6 * 3_600_000)
    assert [tick[:3] for tick in map(msgspec.structs.astuple, later)] == [
        tick[:3] for tick in map(msgspec.structs.astuple, ticks(2000))
    ]


def test_times_and_keys_are_those_of_the_ticks() -> None:
    simulated = list(itertools.islice(simulate_market(20, 1, START_MS), 1000))
    assert all(at_ms == event["ts"] and key == event["symbol"] for at_ms, key, event in simulated)
    times = [at_ms for at_ms, _, _ in simulated]
    assert times == sorted(times)
    assert times[0] >= START_MS


def test_names_are_short_symbols_and_all_different() -> None:
    names = symbol_names(SYMBOLS_MAX, 1)
    assert len(set(names)) == SYMBOLS_MAX
    assert all(is_symbol(name) and name.isupper() and len(name) in (3, 4) for name in names)
    assert symbol_names(10, 1) == names[:10]
    assert Counter(map(len, names[:100]))[3] > 20


@pytest.mark.parametrize("count", [0, SYMBOLS_MAX + 1])
def test_a_number_of_symbols_that_has_no_names_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="takes 1 to 100000 symbols"):
        symbol_names(count, 1)


def test_some_symbols_are_much_busier_than_others(day: list[Tick]) -> None:
    counts = Counter(tick.symbol for tick in day)
    assert [name for name, _ in counts.most_common(1)] == symbol_names(1, 1)
    assert len(counts) == 50
    assert max(counts.values()) > 20 * min(counts.values())


def test_rare_jumps_of_more_than_two_percent_and_nothing_near_them(day: list[Tick]) -> None:
    changes = [
        abs(later.price / earlier.price - 1) for own in by_symbol(day).values() for earlier, later in pairwise(own)
    ]
    jumps = sum(change > 0.02 for change in changes)
    assert 0.5 < jumps / (len(changes) * JUMP_CHANCE) < 2
    # A step that is no jump is far from the limit of the detector.
    assert all(change < 0.01 for change in changes if change <= 0.02)
    assert any(change > 0 for change in changes)


def test_volumes_have_bursts(day: list[Tick]) -> None:
    busiest = next(iter(sorted(by_symbol(day).values(), key=len, reverse=True)))
    volumes = sorted(tick.volume for tick in busiest)
    assert volumes[0] >= UNITS
    median = volumes[len(volumes) // 2]
    per_hundred = [
        sum(tick.volume for tick in busiest[at : at + 100]) / 100 for at in range(0, len(busiest) - 100, 100)
    ]
    bursts = sum(mean > 5 * median for mean in per_hundred)
    assert 0 < bursts < len(per_hundred) / 3


def test_the_rate_follows_the_hours() -> None:
    assert activity_at(3 * 3_600_000, 3 * 3600) == pytest.approx(0.2)
    assert activity_at(15 * 3_600_000, 3 * 3600) == pytest.approx(1.8)
    mean = sum(activity_at(second * 1000, 3 * 3600) for second in range(0, DAY_S, 60)) / (DAY_S / 60)
    assert mean == pytest.approx(1)
    midnight_ms = START_MS // 86_400_000 * 86_400_000
    quiet, busy = (
        1000 / (simulated[-1].time_us - simulated[0].time_us)
        for simulated in (ticks(1000, start_ms=midnight_ms + hour * 3_600_000) for hour in (3, 15))
    )
    assert 7 < busy / quiet < 11
    assert busy * 1_000_000 == pytest.approx(1.8 * TICKS_PER_S, rel=0.2)


class Rising:
    """Draws of a generator of which every tick is a jump upwards, or downwards."""

    def __init__(self, sign: int) -> None:
        self._sign = sign

    def random(self) -> float:
        return 0.0

    def gauss(self, mean: float, _deviation: float) -> float:
        return mean

    def uniform(self, _low: float, high: float) -> float:
        return high

    def randint(self, low: int, _high: int) -> int:
        return low

    def choice(self, options: tuple[int, ...]) -> int:
        return self._sign


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_price_stays_within_fifty_times_its_start(sign: int) -> None:
    draws: object = Rising(sign)
    walk = _Walk("X", draws)  # type: ignore[arg-type]
    prices = [float(walk.step(draws)[0]) for _ in range(200)]  # type: ignore[arg-type]
    assert prices[-1] == prices[-2] == pytest.approx(math.exp(4.0 + sign * SPREAD_MAX), rel=0.01)
    assert min(prices) > 0
