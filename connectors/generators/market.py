"""A simulated market, seeded, without any data: random walks with jumps, bursts of volume, a daily rhythm."""

import bisect
import itertools
import math
import random
from collections.abc import Iterator

from connectors.generators.rhythm import activity_at
from connectors.generators.ticks import tick_of
from connectors.generators.timed import Timed

SYMBOLS_MAX = 100_000
TICKS_PER_S = 100.0
ZIPF_EXPONENT = 1.0
QUIETEST_S = 3 * 3600

JUMP_CHANCE = 1 / 2000
"""Of a tick."""
JUMP_MIN, JUMP_MAX = 0.03, 0.1
"""Sizes of a jump, as the logarithm of the ratio of two prices: a fall of 2.96 % to a rise of 10.5 %."""
PULL = 1e-5
"""The part of its distance from the start price that a price goes back with each tick, in logarithms. It is weak
beside the steps, and keeps prices in sight of their start for as long as the market runs."""
SPREAD_MAX = math.log(50)
"""The largest distance from the start price, as a logarithm."""

BURST_CHANCE = 1 / 1000
"""Of a tick. A jump begins a burst, too."""
BURST_TICKS_MIN, BURST_TICKS_MAX = 20, 200
BURST_RATIO_MIN, BURST_RATIO_MAX = 5.0, 25.0
"""The usual volume of a tick in a burst, as a multiple of that outside."""

TRADE_VALUE = 5000.0
"""The usual price times volume of a tick."""

_FIRST = "BCDFGHJKLMNPRSTVW"
_LAST = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def simulate_market(symbols: int, seed: int, start_ms: int, ticks_per_s: float = TICKS_PER_S) -> Iterator[Timed]:
    """Endless ticks of a market, in order of event time from `start_ms` on. The same seed gives the same symbols,
    prices and volumes; with the same `start_ms`, also the same times.

    symbols: at most `SYMBOLS_MAX`; the first ones are the busiest, by Zipf's law. ticks_per_s: of all symbols,
    average in event time. The gaps between ticks are exponential, scaled by the daily rhythm."""
    generator = random.Random(seed)  # noqa: S311
    walks = [_Walk(name, generator) for name in symbol_names(symbols, seed)]
    popularity = list(itertools.accumulate(1 / (rank + 1) ** ZIPF_EXPONENT for rank in range(symbols)))
    at_ms = float(start_ms)
    while True:
        at_ms += generator.expovariate(1.0) * 1000 / (ticks_per_s * activity_at(at_ms, QUIETEST_S))
        walk = walks[bisect.bisect_left(popularity, generator.random() * popularity[-1])]
        price, volume = walk.step(generator)
        yield tick_of(walk.symbol, price, volume, int(at_ms))


def symbol_names(count: int, seed: int) -> list[str]:
    """Names of symbols, such as KTR and MSLA: three or four capital letters, all different. With the same seed, a
    larger count only adds names. count: at most `SYMBOLS_MAX`."""
    if not 0 < count <= SYMBOLS_MAX:
        raise ValueError(f"takes 1 to {SYMBOLS_MAX} symbols")
    generator = random.Random(seed)  # noqa: S311
    names: dict[str, None] = {}
    while len(names) < count:
        length = 3 if generator.random() < 0.4 else 4
        # Consonants before the last letter: few names are words.
        names["".join(generator.choices(_FIRST, k=length - 1)) + generator.choice(_LAST)] = None
    return list(names)


class _Walk:
    """The price and volume of a symbol from tick to tick.

    The logarithm of the price, measured from the start price, is a random walk that is pulled back to 0. The
    decimals of a price are fixed: five significant digits at the start, so that rounding makes no jump."""

    __slots__ = ("_burst_ratio", "_burst_ticks", "_decimals", "_distance", "_start", "_step_size", "symbol")

    def __init__(self, symbol: str, generator: random.Random) -> None:
        self.symbol = symbol
        self._start = min(max(math.exp(generator.gauss(4.0, 1.2)), 0.5), 5000.0)
        self._decimals = max(2, 4 - math.floor(math.log10(self._start)))
        self._step_size = math.exp(generator.uniform(math.log(0.0001), math.log(0.001)))
        self._distance = 0.0
        self._burst_ticks = 0
        self._burst_ratio = 1.0

    def step(self, generator: random.Random) -> tuple[str, str]:
        """The next price and volume, as decimal texts."""
        jumps = generator.random() < JUMP_CHANCE
        if jumps:
            change = generator.choice((-1, 1)) * generator.uniform(JUMP_MIN, JUMP_MAX)
        else:
            change = generator.gauss(0.0, self._step_size) - PULL * self._distance
        self._distance = min(max(self._distance + change, -SPREAD_MAX), SPREAD_MAX)
        price = self._start * math.exp(self._distance)
        return f"{price:.{self._decimals}f}", str(self._volume(price, generator, jumps))

    def _volume(self, price: float, generator: random.Random, jumps: bool) -> int:
        """A whole number of pieces, 1 or more."""
        if jumps or generator.random() < BURST_CHANCE:
            self._burst_ticks = generator.randint(BURST_TICKS_MIN, BURST_TICKS_MAX)
            self._burst_ratio = generator.uniform(BURST_RATIO_MIN, BURST_RATIO_MAX)
        ratio = self._burst_ratio if self._burst_ticks else 1.0
        self._burst_ticks = max(0, self._burst_ticks - 1)
        return max(1, round(TRADE_VALUE / price * ratio * math.exp(generator.gauss(0.0, 0.8))))
