"""`python -m forecasting.models list | promote DIR --stage shadow|canary|live --by WHO --why TEXT | rollback`: the
models in the history database, and which of them forecasts. A change takes effect in the flow within a minute."""

import argparse
import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

import telemetry
from core.errors import PricewaxError, SettingsError
from forecasting.commands import BAD_INPUT, Parser, moment_text, run
from forecasting.gates import failed_gates
from forecasting.registry.registry import Registry
from forecasting.registry.stages import CANARY_SHARE, PROMOTIONS, StageChange, rollout_of
from forecasting.serving.session import read_files
from settings import exit_bad_setting, load_settings

REFUSED = 1


def main(arguments: list[str] | None = None) -> int:
    """Show or change the stages of models; returns the exit code: 1 if a change is refused, 2 for bad input."""
    options = _parser().parse_args(arguments)
    try:
        settings = load_settings()
    except SettingsError as error:
        exit_bad_setting(error)
    if settings.history_dsn is None:
        print("models: takes a history database (HISTORY_URL)", file=sys.stderr)
        return BAD_INPUT
    telemetry.configure_logging("WARNING", settings.log_format)
    registry = Registry(settings.history_dsn, settings.history_schema)
    try:
        return run("models", lambda: options.work(registry, options))
    except PricewaxError as error:
        print(f"models: {error}", file=sys.stderr)
        return REFUSED


def _list(registry: Registry, options: argparse.Namespace) -> None:
    changes = registry.changes()
    rollout = rollout_of(changes)
    last = {change.version: change for change in changes}
    rows = []
    for model, about in registry.models():
        change = last.get(model.version)
        failed = failed_gates(about.gates) if about else ["its files cannot be read"]
        rows.append(
            {
                "version": model.version,
                "stage": rollout.stage_of(model.version),
                "share": rollout.share if rollout.canary == model.version else None,
                "data_until": about.data_until if about else None,
                "failed": failed,
                "changed": moment_text(change.at_ms) if change else None,
                "who": change.who if change else None,
                "why": change.why if change else None,
            }
        )
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
        return
    if not rows:
        print("No model is registered. `python -m forecasting.models promote DIR` registers one.")
        return
    table = Table("version", "stage", "data until", "gates", "changed", "who", "why")
    for row in rows:
        share, gates = row["share"], row["failed"]
        stage = f"{row['stage']} ({share:.0%})" if isinstance(share, float) else str(row["stage"])
        passed = "; ".join(gates) if isinstance(gates, list) and gates else "passed"
        texts = (row["version"], stage, row["data_until"], passed, row["changed"], row["who"], row["why"])
        table.add_row(*(str(text or "") for text in texts))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _promote(registry: Registry, options: argparse.Namespace) -> None:
    about, raw = read_files(options.folder)
    change = registry.promote(about, raw, options.stage, who=options.by, why=options.why, share=options.share)
    _say(change)


def _rollback(registry: Registry, options: argparse.Namespace) -> None:
    _say(registry.rollback(who=options.by, why=options.why, to=options.to))


def _say(change: StageChange) -> None:
    share = f" for {change.share:.0%} of the products" if change.stage == "canary" else ""
    print(f"model {change.version} is {change.stage}{share} (change {change.number})")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m forecasting.models", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="list | promote | rollback")
    listing = commands.add_parser("list", help="all models, the newest first")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(work=_list)
    promote = commands.add_parser("promote", help="bring a model to a stage; canary and live take passed gates")
    promote.add_argument("folder", type=Path, metavar="DIR", help="written by forecasting.train")
    promote.add_argument(
        "--stage", choices=PROMOTIONS, required=True, help="shadow: watched, but used for no price"
    )
    promote.add_argument(
        "--share",
        type=float,
        default=CANARY_SHARE,
        metavar="S",
        help=f"of the products, for a canary; {CANARY_SHARE}",
    )
    promote.set_defaults(work=_promote)
    rollback = commands.add_parser(
        "rollback", help="take back the last promotion: a canary ends, or the model before is live again"
    )
    rollback.add_argument("--to", metavar="VERSION", help="go back to this earlier model")
    rollback.set_defaults(work=_rollback)
    for each in (promote, rollback):
        each.add_argument("--by", required=True, metavar="WHO", help="who does it")
        each.add_argument("--why", required=True, metavar="TEXT", help="the reason, a line")
    return parser


if __name__ == "__main__":
    sys.exit(main())
