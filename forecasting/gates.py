"""Gates: values that a model must reach on days that were held out before it may set prices.

Seasonal naive alone would be no gate: the median of the last two weeks is a third below it."""

from collections.abc import Sequence

import msgspec

PINBALL_TO_BEST = "pinball, to the best simple method"
PINBALL_TO_NAIVE = "pinball, to seasonal naive"
WAPE_TO_BEST = "WAPE of the median, to the best simple method"
WAPE_TO_NAIVE = "WAPE of the median, to seasonal naive"
SHOP_TO_MEAN = "WAPE of the mean by shop and day, to the 28-day mean"
BAND_TO_MEAN = "WAPE of the mean by price band and day, to the 28-day mean"
BIAS = "bias of the mean"
COVERAGE = "coverage of p10 to p90"
ABOVE = "above p90"
BELOW = "below p10"
HOUR_TO_BEST = "next hour: pinball, to the best same-hour method"

LIMITS: dict[str, tuple[float | None, float]] = {
    PINBALL_TO_BEST: (None, 0.985),
    PINBALL_TO_NAIVE: (None, 0.55),
    WAPE_TO_BEST: (None, 0.995),
    WAPE_TO_NAIVE: (None, 0.72),
    SHOP_TO_MEAN: (None, 0.95),
    BAND_TO_MEAN: (None, 0.97),
    BIAS: (-0.12, 0.12),
    COVERAGE: (0.76, 0.90),
    ABOVE: (None, 0.13),
    BELOW: (None, 0.10),
    HOUR_TO_BEST: (None, 1.0),
}
"""Name to the least and the most that passes, both included."""


class Gate(msgspec.Struct, frozen=True):
    """A value that a model reached, and the limits to pass (both included)."""

    name: str
    value: float | None
    least: float | None
    most: float
    passed: bool


def gate(name: str, value: float) -> Gate:
    """The gate of a name for a value. A value that is no number does not pass."""
    least, most = LIMITS[name]
    passed = (least is None or value >= least) and value <= most
    return Gate(name, value, least, most, passed)


def failed_gates(gates: Sequence[Gate]) -> list[str]:
    """The gates that keep a model from setting prices, a text for each. All gates of this version must be among
    them; limits that a model brings along do not count."""
    values = {each.name: each.value for each in gates}
    if not values:
        return ["it was tried on no day that it did not know"]
    failed = []
    for name in LIMITS:
        value = values.get(name)
        if value is None:
            failed.append(f"{name} was not measured")
        elif not gate(name, value).passed:
            failed.append(f"{name} is {value:.3f}")
    return failed
