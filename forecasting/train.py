"""`python -m forecasting.train --data FILE… --until DATE --out DIR [--seed N]`: learns to forecast the units of
each product, by day and hour. The last 28 days are held out first, to see what a model reaches that does not know
them; the model that is written knows them too. DIR holds model.onnx, model.json, report.html and report.json."""

import argparse
import hashlib
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from rich.progress import Progress

from core.timestamps import DAY_MS
from forecasting.commands import Parser, argument, day_of, day_text, progress_bar, run, write_files
from forecasting.demand import Demand
from forecasting.evaluate import evaluate_period
from forecasting.evaluation.report import Evaluation, to_html, to_json, to_text
from forecasting.evaluation.rolling import MODEL, Rolled
from forecasting.model import KINDS, Blend
from forecasting.names import DAY_FEATURES, HOUR_FEATURES
from forecasting.replay import Actual, Replay, known_before
from forecasting.serving.session import ABOUT_FILE, MODEL_FILE, NAMES, AboutModel, DataFile, Model
from forecasting.training.examples import examples_of
from forecasting.training.export import to_onnx, worst_difference
from forecasting.training.fit import DAY_LEARNING, HOUR_LEARNING, fit
from forecasting.training.recordings import digest, read_demand

HELD_OUT_DAYS = 28
LEARNED_DAYS = 84
"""With fewer days before those, nothing is held out, and the model passes no gate."""

BLEND = {"day": Blend(seen=0.3, steady=0.5), "hour": Blend(seen=0.2, steady=0.5)}
"""Found on the months July to October 2011 of the invoices in `data/`, each held out in its turn."""

CHECKED_ROWS = 5000
VERSION_DIGITS = 12
_TOO_SHORT = (
    f"Nothing was held out: that takes {LEARNED_DAYS + HELD_OUT_DAYS} days of data. The model cannot go live."
)
_NO_REPORT = (
    f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>No report</title><p>{_TOO_SHORT}</html>\n'
)
LIBRARIES = ("lightgbm", "numpy", "onnx", "onnxmltools")


def main(arguments: list[str] | None = None) -> int:
    """Write the model and its report; returns the exit code."""
    options = _parser().parse_args(arguments)
    return run("train", lambda: _train(options))


def train(demand: list[Demand], end: int, seed: int, progress: Callable[[str, int], Callable[[], None]]) -> bytes:
    """The ONNX file of models that know the days before `end` (days since 1970). progress: takes the name of a step
    and its length, and returns what is called after each part. Raises ValueError if there are too few days."""
    known = known_before(demand, end * DAY_MS)
    if not known:
        raise ValueError(f"there is no sale before {day_text(end)}")
    replay = Replay(known)
    steps = progress("reading the days", end - replay.first_day)
    examples = dict(zip(KINDS, examples_of(replay, Actual(known), end, seed, steps), strict=True))
    models = {}
    for kind, names, learning in (("day", DAY_FEATURES, DAY_LEARNING), ("hour", HOUR_FEATURES, HOUR_LEARNING)):
        rounds = 6 * int(learning["quantile_rounds"]) + int(learning["mean_rounds"])
        models[kind] = fit(examples[kind], names, learning, seed, progress(f"learning {kind}s", rounds))
    raw = to_onnx(models)
    worst_difference(raw, models, {kind: examples[kind].vectors[-CHECKED_ROWS:] for kind in KINDS}, NAMES)
    return raw


def _train(options: argparse.Namespace) -> None:
    """Raises OSError, ValueError, ModelError."""
    end = options.until + 1
    files = [DataFile(path.name, digest(path)) for path in options.data]
    demand = known_before(read_demand(options.data), end * DAY_MS)
    if not demand:
        raise ValueError(f"there is no sale until {day_text(options.until)}")
    with progress_bar() as bar:
        held_out = _held_out(demand, end, options.seed, bar)
        raw = train(demand, end, options.seed, _steps(bar))
    evaluation = held_out[0] if held_out else None
    about = _about(raw, demand, files, options.seed, evaluation)
    report, page = (to_json(evaluation), to_html(*held_out)) if held_out and evaluation else (b"null\n", _NO_REPORT)
    write_files(
        options.out,
        {
            MODEL_FILE: raw,
            ABOUT_FILE: msgspec.json.format(msgspec.json.encode(about), indent=2) + b"\n",
            "report.json": report,
            "report.html": page.encode(),
        },
    )
    if evaluation:
        verdict = "All gates are passed." if evaluation.passed else "Not all gates are passed: it cannot go live."
        print(f"{to_text(evaluation)}The figures are of a model that did not know these days. {verdict}")
    else:
        print(_TOO_SHORT)
    print(f"model {about.version} is in {options.out}")


def _held_out(demand: list[Demand], end: int, seed: int, bar: Progress) -> tuple[Evaluation, Rolled, Rolled] | None:
    """The results, on the last days, of a model that does not know them; None if there are too few days."""
    start, last = end - HELD_OUT_DAYS, demand[-1].at_ms // DAY_MS
    if start - demand[0].at_ms // DAY_MS < LEARNED_DAYS or last < start:
        return None
    raw = train(demand, start, seed, _steps(bar, ", 28 days held out"))
    model = Model(_about(raw, demand, [], seed, None), raw)
    steps = _steps(bar)("forecasting the days held out", last - start + 1)
    return evaluate_period(model, demand, start, last, steps)


def _about(
    raw: bytes, demand: list[Demand], files: list[DataFile], seed: int, evaluation: Evaluation | None
) -> AboutModel:
    sha256 = hashlib.sha256(raw).hexdigest()
    return AboutModel(
        version=sha256[:VERSION_DIGITS],
        sha256=sha256,
        seed=seed,
        data=files,
        data_from=day_text(demand[0].at_ms // DAY_MS),
        data_until=day_text(demand[-1].at_ms // DAY_MS),
        features={kind: list(names) for kind, names in NAMES.items()},
        blend=BLEND,
        metrics=_metrics(evaluation) if evaluation else {},
        gates=evaluation.gates if evaluation else [],
        libraries={name: version(name) for name in LIBRARIES},
    )


def _metrics(evaluation: Evaluation) -> dict[str, Any]:
    """Of the days that were held out: the scores of the model."""
    return {
        "from": evaluation.first,
        "until": evaluation.last,
        "day": msgspec.to_builtins(evaluation.days[MODEL]),
        "hour": msgspec.to_builtins(evaluation.hours[MODEL]),
    }


def _steps(bar: Progress, note: str = "") -> Callable[[str, int], Callable[[], None]]:
    def started(name: str, total: int) -> Callable[[], None]:
        task = bar.add_task(f"{name}{note}", total=total)
        return lambda: bar.advance(task)

    return started


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m forecasting.train", description=__doc__)
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
        "--until", type=argument(day_of), required=True, metavar="DATE", help="the last day to learn from, included"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="made if it is not there")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="the same seed gives the same model; 1")
    return parser


if __name__ == "__main__":
    sys.exit(main())
