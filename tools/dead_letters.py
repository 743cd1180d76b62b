"""`python -m tools.dead_letters list|show|replay`: list messages that could not be used, and send them again."""

import argparse
import sys
from datetime import UTC, datetime
from unicodedata import category

import msgspec
from confluent_kafka import KafkaException
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from clients.kafka import client_options
from core.dead_letter import format_position, parse_position
from core.errors import LetterError, NotAnsweredError, NotConfirmedError
from core.positions import SourcePosition
from sinks.dead_letters.reader import DeadLetterTopic, Letter, LetterList
from tools.interrupts import run_interruptibly
from tools.pacing import KAFKA_HELP, start_tool

LIST_DEFAULT = 20
SHOWN_BYTES = 2_000
OTHER_COLUMNS = 110
"""Characters of the list beside the source."""
WITHIN_S = 15.0
"""The longest time that a command may take."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command of the tool; returns the exit code."""
    options = _parser().parse_args(arguments)
    settings, stop = start_tool()
    client = client_options(settings.kafka_brokers, settings.kafka_client_options)
    topic = DeadLetterTopic(client, settings.dead_letters_topic)
    return run_interruptibly(
        "dead_letters", lambda: _run(options, topic, settings.kafka_brokers), stop, grace_s=0.0
    )


def _run(options: argparse.Namespace, topic: DeadLetterTopic, brokers: str) -> int:
    console = Console()
    try:
        if options.command == "list":
            _print_list(console, topic.newest(options.limit, options.code, within_s=WITHIN_S))
        elif options.command == "show":
            _print_letter(console, topic.find(options.source, within_s=WITHIN_S))
        else:
            value = options.value.encode() if options.value is not None else None
            topic.replay(options.source, value, again=options.again, within_s=WITHIN_S)
            console.print(f"sent again to {options.source.topic}")
    except NotAnsweredError as error:
        print(f"dead_letters: {error} (KAFKA_BROKERS={brokers})", file=sys.stderr)
        return 1
    except (LetterError, NotConfirmedError, KafkaException) as error:
        print(f"dead_letters: {error}", file=sys.stderr)
        return 1
    return 0


def _print_list(console: Console, found: LetterList) -> None:
    letters = found.letters
    if not found.complete:
        print(
            f"dead_letters: not all could be read within {WITHIN_S:.0f} s; older ones may be missing",
            file=sys.stderr,
        )
    if not letters:
        console.print("no dead letters")
        return
    table = Table(
        Column("at", no_wrap=True),
        Column("source", no_wrap=True),
        "code",
        Column("detail", overflow="fold"),
        "bytes",
        "sent again",
    )
    # `show` and `replay` need the whole source, so it is never cut off; a narrow terminal breaks the lines itself.
    longest = max(len(format_position(letter.source)) for letter in letters)
    console = Console(width=max(console.width, longest + OTHER_COLUMNS))
    for letter in letters:
        moment = datetime.fromtimestamp(letter.at / 1000, UTC).isoformat(timespec="seconds")
        again = "yes" if letter.replayed else ""
        table.add_row(
            moment,
            _on_terminal(format_position(letter.source)),
            _on_terminal(letter.error_code),
            _on_terminal(letter.detail),
            str(letter.raw_size),
            again,
        )
    console.print(table)


def _print_letter(console: Console, letter: Letter) -> None:
    shown = {**msgspec.structs.asdict(letter), "source": format_position(letter.source)}
    raw = letter.raw_bytes
    del shown["raw"]
    for name, value in shown.items():
        console.print(f"{name:>12}  {_on_terminal(str(value))}", markup=False, highlight=False)
    text = raw[:SHOWN_BYTES].decode(errors="backslashreplace")
    console.print(f"{'raw':>12}  {_on_terminal(text)}", markup=False, highlight=False)


def _on_terminal(text: str) -> Text:
    """Text from outside, as it may go to a terminal: control characters, of which a terminal obeys some, as
    escapes, except line breaks and tabs."""
    return Text("".join(each if each in "\n\t" or category(each) != "Cc" else repr(each)[1:-1] for each in text))


def _position(text: str) -> SourcePosition:
    try:
        return parse_position(text)
    except ValueError:
        raise argparse.ArgumentTypeError("takes topic:partition:offset, as the list shows it") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.dead_letters", description=__doc__.split(": ")[1], epilog=KAFKA_HELP
    )
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="the newest dead letters")
    listing.add_argument("--limit", type=int, default=LIST_DEFAULT, help=f"how many (default: {LIST_DEFAULT})")
    listing.add_argument("--code", help="only those with this error code")
    show = commands.add_parser("show", help="one letter, with what is in it")
    replay = commands.add_parser("replay", help="send the message to its topic again, for after a fix")
    for command in (show, replay):
        command.add_argument("source", type=_position, help="topic:partition:offset, as the list shows it")
    replay.add_argument("--value", help="send this instead of the message as it was")
    replay.add_argument("--again", action="store_true", help="even if it has been sent again before")
    return parser


if __name__ == "__main__":
    sys.exit(main())
