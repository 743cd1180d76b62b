"""Shared by the commands: dates, errors on one line, and a progress bar."""

import argparse
import re
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from core.timestamps import parse_rfc3339
from forecasting.model import ModelError

BAD_INPUT = 2
_EPOCH = date(1970, 1, 1)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(:\d\d)?)?", re.ASCII)


def day_of(text: str) -> int:
    """Days since 1970 of a date such as 2011-10-31. Raises ValueError."""
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            raise ValueError
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        raise ValueError(f"takes a date such as 2011-10-31, not {text!r}") from None


def moment_of(text: str) -> int:
    """UTC milliseconds of a time: RFC 3339, or a date with or without hours and minutes, in UTC. Raises
    ValueError."""
    try:
        if found := _MOMENT.fullmatch(text):
            return parse_rfc3339(f"{found[1]}T{found[2] or '00:00'}{found[3] or ':00'}Z")
        return parse_rfc3339(text)
    except ValueError:
        raise ValueError(f"takes a time such as 2011-10-31T09:00:00Z or 2011-10-31 09:00, not {text!r}") from None


def day_text(day: int) -> str:
    """The date of days since 1970."""
    return date.fromordinal(_EPOCH.toordinal() + day).isoformat()


def moment_text(at_ms: int) -> str:
    """The time of UTC milliseconds, such as 2011-10-31T09:00:00Z."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, and ends with code 2."""

    def error(self, message: str) -> NoReturn:
        """End with the message."""
        self.exit(BAD_INPUT, f"{self.prog.removeprefix('python -m forecasting.')}: {message}\n")


def argument(parse: Callable[[str], int]) -> Callable[[str], int]:
    """A type of argparse that says what is wrong."""

    def parsed(text: str) -> int:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed


def run(name: str, work: Callable[[], None]) -> int:
    """Run a command; returns its exit code: 2, and one line, if a file or a date cannot be used."""
    try:
        work()
    except (OSError, ValueError, ModelError) as error:
        text = (
            f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
        )
        print(f"{name}: {' '.join(text.split())}", file=sys.stderr)
        return BAD_INPUT
    return 0


def progress_bar() -> Progress:
    """A progress bar on standard error, if that is a terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write files into a folder, made if need be. Each replaces an older one at once. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        part = folder / f".{name}.part"
        part.write_bytes(content)
        part.replace(folder / name)
