"""The figures of runs, with bootstrap intervals over products."""

import random
from collections.abc import Callable, Sequence

import msgspec

from tools.backtest.run import Outcome, Sold

SAMPLES = 1_000
SEED = 1
LOW, HIGH = 0.025, 0.975


class Interval(msgspec.Struct, frozen=True):
    """A figure and its interval of 95 %: percentiles of samples of products, drawn with replacement (Efron
    and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13)."""

    value: float
    low: float
    high: float


class Figures(msgspec.Struct, frozen=True):
    """The figures of one policy. Uplifts are per cent of the revenue at recorded prices: at constant demand, and
    with the elasticity. margin_percent: of revenue, at the elasticity; None without unit costs. against_first: the
    elastic uplift less that of the first policy, in percentage points, of the same samples; None for the first."""

    name: str
    version: str
    decisions: int
    changes: int
    mean_change_percent: float
    hits: dict[str, int]
    unusable: int
    units: float
    base_revenue: float
    revenue: float
    uplift: Interval
    revenue_elastic: float
    uplift_elastic: Interval
    margin_percent: float | None
    against_first: Interval | None


def compare(outcomes: Sequence[Outcome], *, samples: int = SAMPLES, seed: int = SEED) -> list[Figures]:
    """The figures of runs over one recording. Deterministic: the samples follow from the seed."""
    products = sorted(outcomes[0].sold)
    chance = random.Random(seed)  # noqa: S311
    drawn = [chance.choices(range(len(products)), k=len(products)) for _ in range(samples)] if products else []
    first = [outcomes[0].sold[name] for name in products]
    return [
        _figures(outcome, [outcome.sold[name] for name in products], first if number else None, drawn)
        for number, outcome in enumerate(outcomes)
    ]


def _figures(outcome: Outcome, sold: list[Sold], first: list[Sold] | None, drawn: list[list[int]]) -> Figures:
    base = [each.base for each in sold]
    revenue = [each.revenue for each in sold]
    elastic = [each.revenue_elastic for each in sold]

    def uplift(numbers: list[float]) -> Callable[[Sequence[int]], float]:
        def of(chosen: Sequence[int]) -> float:
            whole = sum(base[index] for index in chosen)
            return (sum(numbers[index] for index in chosen) / whole - 1) * 100 if whole else 0.0

        return of

    ours = uplift(elastic)
    against = None
    if first is not None:
        theirs = uplift([each.revenue_elastic for each in first])
        against = _interval(lambda chosen: ours(chosen) - theirs(chosen), len(sold), drawn)
    return Figures(
        outcome.name,
        outcome.policy.version,
        outcome.decisions,
        outcome.changes,
        outcome.moved / outcome.changes if outcome.changes else 0.0,
        dict(sorted(outcome.hits.items())),
        outcome.unusable,
        sum(each.units for each in sold),
        sum(base),
        sum(revenue),
        _interval(uplift(revenue), len(sold), drawn),
        sum(elastic),
        _interval(ours, len(sold), drawn),
        _margin(sold),
        against,
    )


def _interval(figure: Callable[[Sequence[int]], float], products: int, drawn: list[list[int]]) -> Interval:
    found = sorted(figure(chosen) for chosen in drawn)
    if not found:
        return Interval(0.0, 0.0, 0.0)
    return Interval(figure(range(products)), found[int(LOW * len(found))], found[int(HIGH * len(found)) - 1])


def _margin(sold: list[Sold]) -> float | None:
    known = [each for each in sold if each.unit_cost is not None]
    revenue = sum(each.revenue_elastic for each in known)
    if not revenue:
        return None
    cost = sum(each.units_elastic * (each.unit_cost or 0.0) for each in known)
    return (revenue - cost) / revenue * 100
