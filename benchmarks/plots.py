"""Plots of the reports, as SVG. The same numbers give the same file."""

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

import matplotlib as mpl

mpl.use("svg")

import matplotlib.pyplot as plt

from benchmarks.bench import REPORT

mpl.rcParams.update(
    {
        "svg.hashsalt": "pricewax",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.3,
    }
)

TICKS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
PERCENTILES = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999)


def plot_latencies(
    name: str, title: str, latencies_ms: Mapping[str, Sequence[float]], targets: Mapping[float, float]
) -> None:
    """Plot milliseconds by percentile to `NAME.svg`, with a cross for each target. High percentiles get more room,
    as they matter most. `targets`: share (0.99 for p99) to milliseconds."""
    figure, axes = plt.subplots(figsize=(7.5, 4.2))
    for label, taken in latencies_ms.items():
        found = sorted(taken)
        # Few points for a small file, and more of them at high percentiles, where the line is steep.
        shares = [1 - 10 ** (-step / 50) for step in range(201)]
        shares = [share for share in shares if share * len(found) < len(found) - 1]
        values = [found[int(share * len(found))] for share in shares]
        axes.plot([_stretch(share) for share in shares], values, label=label)
    for share, target in targets.items():
        axes.plot([_stretch(share)], [target], "kx", label="target" if share == min(targets) else None)
    axes.set_xticks([_stretch(share) for share in PERCENTILES], [f"{share * 100:g} %" for share in PERCENTILES])
    axes.set_yscale("log")
    axes.set_yticks(TICKS_MS, [f"{tick:,}" for tick in TICKS_MS])
    axes.set_xlabel("of the updates")
    axes.set_ylabel("took at most, ms")
    axes.set_title(title)
    axes.legend()
    _save(figure, name)


def plot_costs(name: str, title: str, costs: Mapping[str, Mapping[str, float]], unit: str) -> None:
    """Plot a group of bars for each row to `NAME.svg`, with one bar for each series of the row."""
    figure, axes = plt.subplots(figsize=(7.5, 4.2))
    series = list(dict.fromkeys(label for row in costs.values() for label in row))
    height = 0.8 / len(series)
    for index, label in enumerate(series):
        places = [row + index * height for row, found in enumerate(costs.values()) if label in found]
        values = [found[label] for found in costs.values() if label in found]
        bars = axes.barh(places, values, height, label=label)
        axes.bar_label(bars, fmt="%.1f", padding=2, fontsize=8)
    axes.set_yticks([row + 0.4 - height / 2 for row in range(len(costs))], list(costs))
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.set_title(title)
    axes.legend()
    _save(figure, name)


def _stretch(share: float) -> float:
    """Map a share to a place on the axis, so that each further nine (0.9, 0.99, 0.999) takes the same width."""
    return -log10(1 - share)


def _save(figure: Any, name: str) -> None:
    figure.tight_layout()
    figure.savefig(REPORT / f"{name}.svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
