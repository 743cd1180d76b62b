"""The schema of the history database: numbered files, applied by the process that starts first."""

import itertools
import re
import threading
from collections.abc import Callable
from importlib import resources

import telemetry
from core.errors import StoreError
from sinks.history.store import HistoryWriter

BACK_OFF_S = (0.1, 0.25, 0.5, 1.0, 2.0)

log = telemetry.get_logger("history")


def migrations(dialect: str) -> list[tuple[int, list[str]]]:
    """Number and statements of each migration file of a dialect (`postgres`, `oracle`), in order."""
    found = []
    folder = resources.files("sinks.history") / "migrations" / dialect
    for file in folder.iterdir():
        if match := re.fullmatch(r"(\d{4})_\w+\.sql", file.name):
            statements = [part.strip() for part in file.read_text(encoding="utf-8").split(";\n")]
            found.append((int(match[1]), [statement for statement in statements if statement]))
    return sorted(found)


def prepare_schema(open_writer: Callable[[], HistoryWriter], stop: threading.Event) -> threading.Thread:
    """Start a thread that brings the schema up to date, and return it. The thread tries again until the database
    answers or `stop` is set.

    Without it, the schema would come with the first row, because Bytewax makes sink partitions only then. The API
    may be asked for history earlier."""

    def prepare() -> None:
        for attempt in itertools.count():
            writer = open_writer()
            try:
                writer.write([])
                return
            except StoreError as error:
                if attempt == 0:
                    log.warning("the history database does not answer yet", error=str(error))
                if stop.wait(BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)]):
                    return
            finally:
                writer.close()

    thread = threading.Thread(target=prepare, name="history-schema", daemon=True)
    thread.start()
    return thread
