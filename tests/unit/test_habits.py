"""Habits: `make help` and CONTRIBUTING.md list every target, all files have the same version, and intervals are not
measured by a clock that can go back, and browser tests press keys only on a page that has started."""

import os
import re
import subprocess
import tomllib

from tests.support.pipeline import ROOT

ROOMS = ("core", "pricing", "clients", "connectors", "sinks", "dataflows", "api", "tools", "stack")
SYSTEM_CLOCK = re.compile(r"\btime\.time\b|\bdatetime\.(?:now|utcnow)\b")
MAY_READ_THE_CLOCK = {
    "connectors/epochs.py": "Bytewax takes times to wake as times of the system's clock",
    "connectors/kafka.py": "the same",
    "connectors/postgres_cdc/source.py": "the same",
    "connectors/redis_watch.py": "the same",
    "dataflows/clock_watch.py": "compares the clocks",
    "sinks/base/writer.py": "latency since Kafka's time stamp",
    "sinks/kafka/sink.py": "the same",
    "sinks/lake/profits.py": "the moment of a row",
    "sinks/lake/upkeep.py": "the age of snapshots and files",
    "stack/folders.py": "the age of a file",
    "stack/history_limit.py": "the age of rows",
}
"""Files that read the system's clock other than for a time stamp (`time.time_ns()`), and the reason."""


def run_make(*arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False).stdout


def known(name: str, sign: str) -> list[str]:
    """Return the values that make has for a name."""
    database = run_make("--print-data-base", "--question", "help")
    (line,) = re.findall(rf"^\.{name} ?{sign} (.*)$", database, re.MULTILINE)
    return str(line).split()


def test_help_has_one_line_for_every_target() -> None:
    lines = [line.split(maxsplit=1) for line in run_make("help").splitlines()]
    names = [line[0] for line in lines]
    assert sorted(names) == sorted(known("PHONY", ":"))
    assert all(len(line) == 2 for line in lines)


def test_make_without_a_target_sets_up() -> None:
    assert known("DEFAULT_GOAL", ":=") == ["setup"]


def test_contributing_describes_every_target() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    first_cells = re.findall(r"^\| (`[a-z].*?) \|", text, re.MULTILINE)
    described = {name for cell in first_cells for name in cell.split("`")[1::2]}
    targets = {"bench-NAME" if name.startswith("bench-") else name for name in known("PHONY", ":")}
    assert targets - described == set()


def test_the_api_and_the_package_have_one_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "api").rglob("*.py")]
    found = [name for text in sources for name in re.findall(r'^VERSION = "(.*)"', text, re.MULTILINE)]
    assert found == [version]


def test_intervals_are_measured_by_the_monotonic_clock() -> None:
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    readers = {str(path.relative_to(ROOT)) for path in files if SYSTEM_CLOCK.search(path.read_text("utf-8"))}
    assert readers == MAY_READ_THE_CLOCK.keys()


def test_keys_are_pressed_on_a_page_that_has_started() -> None:
    """A page listens to keys only once its script runs, which `goto` does not wait for."""
    pages = list((ROOT / "tests/e2e").rglob("test_*.py"))
    texts = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in pages}
    hasty = [name for name, text in texts.items() if re.search(r"\.goto\(.*\n\s*page\.keyboard", text)]
    assert hasty == []
