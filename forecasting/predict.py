"""`python -m forecasting.predict --model DIR --history FILE… --at TIME… --horizon day|hour --out CSV`: forecasts of
all products that sold something in the 28 days before. Nothing from the moment of a forecast on is used."""

import argparse
import csv
import io
import sys
from pathlib import Path

from core.timestamps import DAY_MS
from forecasting.calendar import is_closed, is_shut
from forecasting.commands import Parser, argument, moment_of, moment_text, progress_bar, run
from forecasting.features import day_features, hour_features, recent_rows
from forecasting.history import MINUTE_MS, History
from forecasting.model import KINDS, Units, nothing
from forecasting.replay import Replay
from forecasting.serving.session import Model, load_model
from forecasting.training.recordings import read_demand

COLUMNS = ("product_id", "made_at", "horizon", "start", "p10", "p50", "p90", "mean")
DIGITS = 6


def main(arguments: list[str] | None = None) -> int:
    """Write the forecasts; returns the exit code."""
    options = _parser().parse_args(arguments)
    return run("predict", lambda: _predict(options))


def forecasts_at(model: Model, history: History, horizon: str) -> tuple[list[str], int, Units]:
    """Forecasts at the history's moment: the products, the start of what is forecast (UTC milliseconds), and the
    units. Raises ModelError."""
    rows = recent_rows(history)
    products = [history.names[row] for row in rows.tolist()]
    if horizon == "day":
        today, target = history.at_ms // DAY_MS, -(-history.at_ms // DAY_MS)
        if is_closed(history, target):
            return products, target * DAY_MS, nothing(len(rows))
        return products, target * DAY_MS, model.forecast("day", day_features(history, rows, today, target))
    if is_shut(history):
        return products, history.at_ms, nothing(len(rows))
    return products, history.at_ms, model.forecast("hour", hour_features(history, rows))


def _predict(options: argparse.Namespace) -> None:
    """Raises OSError, ValueError, ModelError."""
    model = load_model(options.model)
    moments = sorted(set(options.at))
    if odd := next((at_ms for at_ms in moments if at_ms % MINUTE_MS), None):
        raise ValueError(f"--at takes whole minutes, not {moment_text(odd)} and some")
    with progress_bar() as bar:
        reading = bar.add_task("reading", total=len(options.history))
        demand = read_demand(
            options.history, lambda name: bar.update(reading, advance=1, description=f"reading {name}")
        )
        if demand[0].at_ms >= moments[0]:
            raise ValueError(f"the history has no sale before {moment_text(moments[0])}")
        replay = Replay(demand)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for at_ms in bar.track(moments, description="forecasting"):
            products, start_ms, units = forecasts_at(model, replay.until(at_ms), options.horizon)
            fixed = moment_text(at_ms), options.horizon, moment_text(start_ms)
            for product, *values in zip(products, units.p10, units.p50, units.p90, units.mean, strict=True):
                writer.writerow((product, *fixed, *(round(float(value), DIGITS) for value in values)))
    options.out.write_text(text.getvalue(), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m forecasting.predict", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="written by forecasting.train")
    parser.add_argument(
        "--history",
        type=Path,
        required=True,
        nargs="+",
        action="extend",
        metavar="FILE",
        help="invoices or recorded messages",
    )
    parser.add_argument(
        "--at",
        type=argument(moment_of),
        required=True,
        nargs="+",
        action="extend",
        metavar="TIME",
        help="moments, in UTC",
    )
    parser.add_argument(
        "--horizon",
        choices=KINDS,
        required=True,
        help="day: the next calendar day (UTC); hour: the next 60 minutes",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="CSV", help="the file to write")
    return parser


if __name__ == "__main__":
    sys.exit(main())
