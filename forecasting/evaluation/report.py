"""The report of an evaluation: `report.json`, text for a terminal, and a page that needs no other file."""

import io
from html import escape
from typing import Any

import matplotlib as mpl
import msgspec
import numpy as np

from forecasting.commands import day_text
from forecasting.evaluation.bands import Noise, by_intermittency, by_volume, noise_of_hours
from forecasting.evaluation.gates import all_scores, gates_of
from forecasting.evaluation.rolling import MODEL, Period, Rolled
from forecasting.evaluation.scores import Scores
from forecasting.evaluation.simple_methods import MEAN_28
from forecasting.gates import Gate

mpl.use("svg")

import matplotlib.pyplot as plt

_LOOK: Any = {
    "svg.hashsalt": "pricewax",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1a17; background: #f7f5f1 }
body { margin: 2rem auto; max-width: 64rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; background: #fff }
th, td { padding: .35rem .6rem; border-bottom: 1px solid #e3ddd2; text-align: right }
th:first-child, td:first-child { text-align: left }
.wide { overflow-x: auto } .model { font-weight: 600 } .failed { color: #b3261e }
figure { margin: 1.5rem 0 } svg { background: #fff; width: 100%; height: auto } figcaption { color: #655f56 }
"""

_HEADS = ("method", "pinball", "WAPE", "WAPE of the mean", "bias", "p10 to p90", "above", "below")


class Evaluation(msgspec.Struct, frozen=True):
    """The results of a model in a period. days, hours: scores by method. volume, intermittency: of the days, the
    model and the best simple method, by group of products. first, last: days."""

    model: str
    first: str
    last: str
    gates: list[Gate]
    days: dict[str, Scores]
    hours: dict[str, Scores]
    volume: dict[str, dict[str, Scores]]
    intermittency: dict[str, dict[str, Scores]]
    noise: Noise

    @property
    def passed(self) -> bool:
        """True if all gates are."""
        return all(gate.passed for gate in self.gates)


def evaluation_of(version: str, period: Period, days: Rolled, hours: Rolled) -> Evaluation:
    """The scores of a period."""
    return Evaluation(
        version,
        day_text(period.first),
        day_text(period.last),
        gates_of(days, hours),
        all_scores(days),
        all_scores(hours),
        by_volume(days),
        by_intermittency(days, period.before),
        noise_of_hours(hours, period.orders),
    )


def to_json(evaluation: Evaluation) -> bytes:
    """`report.json`. What has no value is null."""
    return msgspec.json.format(msgspec.json.encode(evaluation), indent=2) + b"\n"


def to_text(evaluation: Evaluation) -> str:
    """Lines for a terminal."""
    lines = [f"model {evaluation.model}, {evaluation.first} to {evaluation.last}", ""]
    for title, rows in _tables(evaluation):
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines += [title, *("  ".join(_padded(row, widths)) for row in rows), ""]
    lines.append(_noise_text(evaluation.noise))
    return "\n".join(lines) + "\n"


def to_html(evaluation: Evaluation, days: Rolled, hours: Rolled) -> str:
    """The report as a page, with plots."""
    title = f"Forecasts of model {evaluation.model}, {evaluation.first} to {evaluation.last}"
    tables = "".join(f"<h2>{escape(head)}</h2>{_html_table(rows)}" for head, rows in _tables(evaluation))
    with mpl.rc_context(_LOOK):
        plots = "".join(
            f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"
            for svg, caption in (
                (_shop_plot(days), "Units of the whole shop by day: sold, forecast, and the mean of 28 days."),
                (_calibration_plot(days), "How often a day stays at or below a quantile, by units a day."),
                (_hour_plot(hours), "Units of the whole shop by hour of the day, mean over the period."),
            )
        )
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style><h1>{escape(title)}</h1>'
        f"<p>{escape(_WINSORISED)}</p>{tables}<p>{escape(_noise_text(evaluation.noise))}</p>{plots}</html>\n"
    )


_WINSORISED = (
    "Daily units are winsorised: cut down to the 99th percentile of the product's days before the period. Products"
    " are those that sold something in the 28 days before a forecast. Losses are in units, for each product and"
    " day. A method of a single number, such as exponential smoothing, says it for all three quantiles."
)


def _noise_text(noise: Noise) -> str:
    return (
        f"Next hour, whole shop: WAPE {noise.wape:.1%}, MAPE {noise.mape:.1%} over hours with at least"
        f" {noise.least:.0f} units. The floor: with {noise.orders:.1f} orders an hour of differing size, a forecast"
        f" that knew the true mean of each hour would still be wrong by about {noise.floor:.1%}."
    )


def _tables(evaluation: Evaluation) -> list[tuple[str, list[list[str]]]]:
    groups = {"Days, by units a day": evaluation.volume, "Days, by kind of demand": evaluation.intermittency}
    return [
        ("Gates", [["gate", "reached", "limit", ""], *map(_gate_row, evaluation.gates)]),
        ("Days", _score_rows(evaluation.days)),
        ("Next hour", _score_rows(evaluation.hours)),
        *((title, _group_rows(group)) for title, group in groups.items()),
    ]


def _gate_row(gate: Gate) -> list[str]:
    limit = f"at most {gate.most:g}" if gate.least is None else f"{gate.least:g} to {gate.most:g}"
    return [gate.name, f"{gate.value:.3f}", limit, "passed" if gate.passed else "FAILED"]


def _score_rows(scores: dict[str, Scores]) -> list[list[str]]:
    ordered = sorted(scores.items(), key=lambda each: each[1].pinball)
    return [list(_HEADS), *([name, *_figures(each)] for name, each in ordered)]


def _group_rows(groups: dict[str, dict[str, Scores]]) -> list[list[str]]:
    rows = [["products", "rows", *_HEADS]]
    for group, methods in groups.items():
        rows += [[group, f"{each.rows:,}", name, *_figures(each)] for name, each in methods.items()]
    return rows


def _figures(each: Scores) -> list[str]:
    return [
        f"{each.pinball:.3f}",
        f"{each.wape:.3f}",
        f"{each.wape_mean:.3f}",
        f"{each.bias:+.1%}",
        f"{each.coverage:.3f}",
        f"{each.above:.3f}",
        f"{each.below:.3f}",
    ]


def _padded(row: list[str], widths: list[int]) -> list[str]:
    first, *others = zip(row, widths, strict=True)
    return [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]


def _html_table(rows: list[list[str]]) -> str:
    heads, *body = rows
    lines = "".join(
        f'<tr class="{"model" if MODEL in row else ""} {"failed" if "FAILED" in row else ""}">'
        f"{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>"
        for row in body
    )
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    return f'<div class="wide"><table><tr>{head}</tr>{lines}</table></div>'


def _shop_plot(days: Rolled) -> str:
    moments, groups = np.unique(days.moment, return_inverse=True)
    figure, axes = plt.subplots(figsize=(9, 3.6))
    dates = [day_text(int(day))[5:] for day in moments]
    for label, values, look in (
        ("sold", days.actual, "k-"),
        ("forecast", days.methods[MODEL].mean, "C1-"),
        (MEAN_28, days.methods[MEAN_28].mean, "C0:"),
    ):
        axes.plot(dates, np.bincount(groups, values), look, label=label)
    axes.tick_params(axis="x", rotation=60)
    axes.set_ylabel("units")
    axes.legend()
    return _svg(figure)


def _calibration_plot(days: Rolled) -> str:
    figure, axes = plt.subplots(figsize=(9, 3.6))
    edges = np.quantile(days.rate, np.linspace(0, 1, 11))
    groups = np.clip(np.searchsorted(edges, days.rate, side="right") - 1, 0, 9)
    for name, share in (("p10", 0.1), ("p50", 0.5), ("p90", 0.9)):
        under = days.actual <= getattr(days.methods[MODEL], name)
        axes.plot([under[groups == group].mean() for group in range(10)], "o-", label=name)
        axes.axhline(share, color="k", linestyle=":", linewidth=1)
    means = [days.rate[groups == group].mean() for group in range(10)]
    axes.set_xticks(range(10), [f"{mean:.2g}" for mean in means])
    axes.set_xlabel("units a day, tenths of the rows")
    axes.set_ylabel("share of the days")
    axes.legend()
    return _svg(figure)


def _hour_plot(hours: Rolled) -> str:
    figure, axes = plt.subplots(figsize=(9, 3.6))
    moments, groups = np.unique(hours.moment, return_inverse=True)
    of_day = moments % 24
    for label, values, look in (("sold", hours.actual, "k-"), ("forecast", hours.methods[MODEL].mean, "C1-")):
        sums = np.bincount(groups, values)
        shown = sorted(set(of_day.tolist()))
        axes.plot(shown, [sums[of_day == hour].mean() for hour in shown], look, label=label)
    axes.set_xlabel("hour of the day, UTC")
    axes.set_ylabel("units")
    axes.legend()
    return _svg(figure)


def _svg(figure: Any) -> str:
    text = io.StringIO()
    figure.tight_layout()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    drawn = text.getvalue()
    return drawn[drawn.index("<svg") :]
