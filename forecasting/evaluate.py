"""`python -m forecasting.evaluate --model DIR --data FILE… --from DATE --to DATE`: how well a model forecasts each
day and hour of a period from what was known before, beside the simple methods."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from forecasting.commands import Parser, argument, day_of, day_text, progress_bar, run, write_files
from forecasting.demand import Demand
from forecasting.evaluation.report import Evaluation, evaluation_of, to_html, to_json, to_text
from forecasting.evaluation.rolling import Period, Rolled
from forecasting.replay import Actual, Replay
from forecasting.serving.session import Model, load_model
from forecasting.training.recordings import read_demand

LEAST_DAYS = 28
"""Days of history before the first day that is forecast."""


def main(arguments: list[str] | None = None) -> int:
    """Print the scores; returns the exit code."""
    options = _parser().parse_args(arguments)
    return run("evaluate", lambda: _evaluate(options))


def evaluate_period(
    model: Model, demand: list[Demand], first: int, last: int, progress: Callable[[], None] = lambda: None
) -> tuple[Evaluation, Rolled, Rolled]:
    """The evaluation of a period, and its forecasts of days and of hours. first, last: days since 1970, both
    included. progress: called before each day. Raises ValueError if the demand does not cover it, and
    ModelError."""
    replay = Replay(demand)
    if first > last:
        raise ValueError(f"the period begins after its end, {day_text(last)}")
    if first < replay.first_day + LEAST_DAYS:
        earliest = day_text(replay.first_day + LEAST_DAYS)
        raise ValueError(f"the period begins before {earliest}, {LEAST_DAYS} days after the first sale")
    if last > replay.last_day:
        raise ValueError(f"the period ends after the last sale, {day_text(replay.last_day)}")
    period = Period(replay, Actual(demand), first, last)
    days, hours = period.roll(model, progress)
    return evaluation_of(model.about.version, period, days, hours), days, hours


def _evaluate(options: argparse.Namespace) -> None:
    """Raises OSError, ValueError, ModelError."""
    model = load_model(options.model)
    with progress_bar() as bar:
        reading = bar.add_task("reading", total=len(options.data))
        demand = read_demand(
            options.data, lambda name: bar.update(reading, advance=1, description=f"reading {name}")
        )
        rolling = bar.add_task("forecasting", total=options.to - options.first + 1)
        evaluation, days, hours = evaluate_period(
            model, demand, options.first, options.to, lambda: bar.advance(rolling)
        )
    print(to_text(evaluation), end="")
    if options.out:
        page = to_html(evaluation, days, hours).encode()
        write_files(options.out, {"report.json": to_json(evaluation), "report.html": page})


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m forecasting.evaluate", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="written by forecasting.train")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        nargs="+",
        action="extend",
        metavar="FILE",
        help="invoices or recorded messages",
    )
    parser.add_argument(
        "--from", dest="first", type=argument(day_of), required=True, metavar="DATE", help="the first day"
    )
    parser.add_argument("--to", type=argument(day_of), required=True, metavar="DATE", help="the last day, included")
    parser.add_argument("--out", type=Path, metavar="DIR", help="also write report.html and report.json")
    return parser


if __name__ == "__main__":
    sys.exit(main())
