"""The schema of the history database: versioned files, applied by whichever process starts first."""

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
    """Number and statements of every migration file of a dialect (`postgres`, `oracle`), in order."""
    found = []
    folder = resources.files("sinks.history") / "migrations" / dialect
    for file in folder.iterdir():
        if match := re.fullmatch(r"(\d{4})_\w+\.sql", file.name):
            statements = [part.strip() for part in file.read_text(encoding="utf-8").split(";\n")]
            found.append((int(match[1]), [statement for statement in statements if statement]))
    return sorted(found)


def prepare_schema(open_writer: Callable[[], HistoryWriter], stop: threading.Event) -> threading.Thread:
    """Bring the schema up to date in the background, however long the database takes to answer. Bytewax makes sink
    partitions only with the first row, and the API may be asked for history before that."""

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
