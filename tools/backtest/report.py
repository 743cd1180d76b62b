"""The reports of a backtest: a table for a terminal, JSON, and an HTML page that needs no other file."""

from collections.abc import Sequence
from html import escape
from math import log
from typing import Any

import msgspec
from rich.table import Table

from tools.backtest.comparison import Figures, Interval
from tools.backtest.run import Outcome

WIDTH, HEIGHT, LEFT, BOTTOM = 720, 180, 52, 20
COLOURS = ("#9a5b00", "#0b5f86", "#8b2fa0", "#08713a", "#b3261e", "#5b34a8")

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1a17; background: #f7f5f1 }
body { margin: 2rem auto; max-width: 60rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; background: #fff }
th, td { padding: .35rem .6rem; border-bottom: 1px solid #e3ddd2; text-align: right }
th:first-child { text-align: left }
figure { margin: 1.5rem 0 } svg { background: #fff; width: 100%; height: auto } figcaption { color: #655f56 }
"""


class About(msgspec.Struct, frozen=True):
    """The input of a backtest, for people. elasticity, cost_share: as in `run`."""

    source: str
    events: int
    purchases: int
    refused: int
    products: int
    elasticity: float
    cost_share: float | None
    currency: str


def rows_of(figures: Sequence[Figures]) -> list[tuple[str, list[str]]]:
    """The lines of the table: a label, and a text for each policy."""

    def line(label: str, texts: Sequence[str]) -> tuple[str, list[str]]:
        return label, list(texts)

    return [
        line("policy", [each.version for each in figures]),
        line("prices decided", [f"{each.decisions:,}" for each in figures]),
        line("changes", [f"{each.changes:,}" for each in figures]),
        line("mean change", [f"{each.mean_change_percent:.2f} %" for each in figures]),
        line("guardrails", [_hits(each.hits) for each in figures]),
        line("without a price", [f"{each.unusable:,}" for each in figures]),
        line("revenue, recorded prices", [f"{each.base_revenue:,.2f}" for each in figures]),
        line("revenue, constant demand", [f"{each.revenue:,.2f}" for each in figures]),
        line("uplift", [_percent(each.uplift) for each in figures]),
        line("revenue, with elasticity", [f"{each.revenue_elastic:,.2f}" for each in figures]),
        line("uplift", [_percent(each.uplift_elastic) for each in figures]),
        line("margin", [_known(each.margin_percent) for each in figures]),
        line("uplift against the first", [_against(each.against_first) for each in figures]),
    ]


def to_table(about: About, figures: Sequence[Figures]) -> Table:
    """The report for a terminal."""
    table = Table(title=_title(about), caption="uplift: with the interval of 95 % over products")
    table.add_column("")
    for each in figures:
        table.add_column(each.name, justify="right")
    for label, texts in rows_of(figures):
        table.add_row(label, *texts)
    return table


def to_json(about: About, figures: Sequence[Figures]) -> bytes:
    """The report as JSON: `about`, and `policies` in the order in which they were given."""
    document: dict[str, Any] = {"about": about, "policies": figures}
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def to_html(about: About, figures: Sequence[Figures], outcomes: Sequence[Outcome]) -> str:
    """The report as a page, with a bar of each uplift and the prices of some products."""
    heads = "".join(f"<th>{escape(each.name)}</th>" for each in figures)
    lines = "".join(
        f"<tr><th>{escape(label)}</th>{''.join(f'<td>{escape(text)}</td>' for text in texts)}</tr>"
        for label, texts in rows_of(figures)
    )
    watched = sorted({product for outcome in outcomes for product in outcome.path})
    charts = "".join(_price_chart(product, outcomes) for product in watched)
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(_title(about))}</title>'
        f"<style>{_STYLE}</style><h1>{escape(_title(about))}</h1><p>{escape(_description(about))}</p>"
        f"<table><tr><th></th>{heads}</tr>{lines}</table>{_uplift_chart(figures)}{charts}</html>\n"
    )


def _title(about: About) -> str:
    return f"Backtest of {about.source}"


def _description(about: About) -> str:
    cost = (
        ""
        if about.cost_share is None
        else f" Products without a unit cost have {about.cost_share:.0%} of the price."
    )
    return (
        f"{about.events:,} events, {about.purchases:,} of them purchases, of {about.products:,} products;"
        f" {about.refused:,} messages were refused. With elasticity: quantities times (price / recorded price) to"
        f" the power of {-about.elasticity:g}.{cost} Amounts in {about.currency}."
    )


def _uplift_chart(figures: Sequence[Figures]) -> str:
    """A bar and an interval for each policy, at the elasticity."""
    ends = [end for each in figures for end in (each.uplift_elastic.low, each.uplift_elastic.high, 0.0)]
    low, high = min(ends), max(ends)
    scale = (WIDTH - 2 * LEFT - 180) / ((high - low) or 1.0)

    def x(value: float) -> float:
        return LEFT + 120 + (value - low) * scale

    parts = []
    for index, each in enumerate(figures):
        y, uplift, colour = 24 + index * 34, each.uplift_elastic, COLOURS[index % len(COLOURS)]
        left, right = sorted((x(0.0), x(uplift.value)))
        parts.append(
            f'<text x="8" y="{y + 5}" font-size="13">{escape(each.name)}</text>'
            f'<rect x="{left:.1f}" y="{y - 9}" width="{right - left:.1f}" height="18" fill="{colour}"'
            ' opacity=".6"/>'
            f'<path d="M{x(uplift.low):.1f} {y}H{x(uplift.high):.1f}" stroke="{colour}" stroke-width="3"/>'
            f'<text x="{WIDTH - 8}" y="{y + 5}" font-size="13" text-anchor="end">{uplift.value:+.2f} %</text>'
        )
    height = 24 + len(figures) * 34
    axis = f'<path d="M{x(0.0):.1f} 8V{height - 8}" stroke="#655f56" stroke-dasharray="3"/>'
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Uplift of each policy">{axis}'
        f"{''.join(parts)}</svg><figcaption>Uplift with elasticity, and its interval of 95 %.</figcaption></figure>"
    )


def _price_chart(product: str, outcomes: Sequence[Outcome]) -> str:
    """The prices of a product under each policy."""
    paths = [(outcome.name, outcome.path.get(product, [])) for outcome in outcomes]
    times = [at_ms for _, path in paths for at_ms, _ in path]
    prices = [price for _, path in paths for _, price in path]
    first, last, low, high = min(times), max(times), min(prices), max(prices)

    def x(at_ms: int) -> float:
        return LEFT + (at_ms - first) / ((last - first) or 1) * (WIDTH - LEFT - 10)

    def y(price: float) -> float:
        return 10 + log(high / price) / (log(high / low) or 1.0) * (HEIGHT - BOTTOM - 10)

    lines = []
    legend = []
    for index, (name, path) in enumerate(paths):
        colour = COLOURS[index % len(COLOURS)]
        legend.append(f'<tspan fill="{colour}" dx="12">{escape(name)}</tspan>')
        if path:
            # Steps: a price holds until the next one.
            steps = "".join(f"H{x(at_ms):.1f}V{y(price):.1f}" for at_ms, price in path[1:])
            start = f"M{x(path[0][0]):.1f} {y(path[0][1]):.1f}"
            lines.append(
                f'<path d="{start}{steps}H{x(last):.1f}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
            )
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Prices of {escape(product)}">'
        f'<text x="4" y="16" font-size="12">{high:.2f}</text>'
        f'<text x="4" y="{HEIGHT - BOTTOM}" font-size="12">{low:.2f}</text>'
        f'{"".join(lines)}<text x="{LEFT}" y="{HEIGHT - 4}" font-size="12">{"".join(legend)}</text></svg>'
        f"<figcaption>Prices of {escape(product)}, on a logarithmic axis.</figcaption></figure>"
    )


def _hits(hits: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in hits.items()) or "none"


def _percent(interval: Interval) -> str:
    return f"{interval.value:+.2f} % ({interval.low:+.2f} to {interval.high:+.2f})"


def _known(percent: float | None) -> str:
    return "not known" if percent is None else f"{percent:.2f} %"


def _against(interval: Interval | None) -> str:
    if interval is None:
        return "—"
    return f"{interval.value:+.2f} points ({interval.low:+.2f} to {interval.high:+.2f})"
