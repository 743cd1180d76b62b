"""`python -m tools.backtest FILE --policy FILE`: the prices and the revenue that recorded events would have had
under several policies, with the rules of the flow. The first one is the default policy. The recording is invoices
in the UCI Online Retail layout (CSV, also as .gz) or, with --topics, all that is on the topics of product events
and of the catalogue. The same input gives the same report."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from clients.kafka import client_options
from core.errors import PolicyError, SettingsError
from pricing.policy import PricingPolicy, default_policy, parse_policy
from settings import exit_bad_setting, load_settings
from tools.backtest.comparison import SAMPLES, compare
from tools.backtest.recording import Recording, record_files, record_topics
from tools.backtest.report import About, to_html, to_json, to_table
from tools.backtest.run import Outcome, run

ELASTICITY = 1.5
VIEWS = 10.0
SEED = 1
WATCHED = 3
"""Products whose prices are drawn: those that sell most often."""


def main(arguments: list[str] | None = None) -> int:
    """Run the backtest; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if bool(options.files) == options.topics:
        parser.error("takes files, or --topics")
    console = Console(stderr=True)
    try:
        policies = [("default", default_policy()), *[(path.stem, _policy_of(path)) for path in options.policy]]
        recording = _recording_of(options)
        if not recording.events:
            raise ValueError("the recording has no events")
    except (OSError, ValueError, PolicyError) as error:
        print(f"backtest: {error}", file=sys.stderr)
        return 1
    sales = Counter(each.event.product_id for each in recording.events if each.quantity)
    watched = frozenset(name for name, _ in sales.most_common(WATCHED))
    outcomes: list[Outcome] = []
    with Progress(console=console, disable=not console.is_terminal) as bar:
        for name, policy in policies:
            task = bar.add_task(name, total=len(recording.events))
            outcomes.append(
                run(
                    name,
                    policy,
                    recording,
                    elasticity=options.elasticity,
                    cost_share=options.cost_share,
                    watched=watched,
                    progress=lambda done, task=task: bar.update(task, completed=done),  # type: ignore[misc]
                )
            )
    figures = compare(outcomes, samples=options.samples, seed=options.seed)
    about = About(
        "the topics" if options.topics else ", ".join(path.name for path in options.files),
        len(recording.events),
        sum(each.quantity > 0 for each in recording.events),
        recording.refused,
        len({each.event.product_id for each in recording.events}),
        options.elasticity,
        options.cost_share,
        policies[-1][1].currency,
    )
    Console(width=None if sys.stdout.isatty() else 160).print(to_table(about, figures))
    try:
        if options.json:
            options.json.write_bytes(to_json(about, figures))
        if options.html:
            options.html.write_text(to_html(about, figures, outcomes), encoding="utf-8")
    except OSError as error:
        print(f"backtest: {error}", file=sys.stderr)
        return 1
    return 0


def _policy_of(path: Path) -> PricingPolicy:
    try:
        return parse_policy(path.read_text(encoding="utf-8"))
    except PolicyError as error:
        raise PolicyError(f"{path}: {error}") from None


def _recording_of(options: argparse.Namespace) -> Recording:
    if options.files:
        return record_files(options.files, options.views, options.seed)
    try:
        settings = load_settings()
    except SettingsError as error:
        exit_bad_setting(error)
    client = client_options(settings.kafka_brokers, settings.kafka_client_options)
    return record_topics(client, settings.product_events_topic, settings.product_catalogue_topic)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.backtest",
        description=(__doc__ or "").split("`: ", 1)[1],
        epilog="With --topics, the Kafka is that of the environment: KAFKA_BROKERS (default: localhost:9092) and"
        " KAFKA_OPTIONS.",
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="invoices")
    parser.add_argument("--topics", action="store_true", help="read the topics in place of files")
    parser.add_argument(
        "--policy",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="policies to compare with the default one",
    )
    parser.add_argument(
        "--elasticity", type=_number, default=ELASTICITY, metavar="E", help=f"of demand (default: {ELASTICITY})"
    )
    parser.add_argument(
        "--cost-share",
        type=_number,
        metavar="S",
        help="the unit cost of products without one, as a share of the recorded price (default: not known)",
    )
    parser.add_argument(
        "--views",
        type=_number,
        default=VIEWS,
        metavar="N",
        help=f"views before each sale of a file (default: {VIEWS:g})",
    )
    parser.add_argument("--samples", type=int, default=SAMPLES, help=f"of the bootstrap (default: {SAMPLES})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of views and samples (default: {SEED})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with figures and charts")
    return parser


def _number(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1e6:
        raise argparse.ArgumentTypeError("takes a number from 0 on")
    return value


if __name__ == "__main__":
    sys.exit(main())
