"""The schema of the history database: numbered files, applied by the process that starts first."""

import itertools
import re
import threading
from collections.abc import Callable
from importlib import resources

import telemetry
from core.errors import SchemaError, StoreError
from sinks.history.store import HistoryWriter
from sinks.history.tables import Kind, Table

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


_lock = threading.Lock()
_refusal: str | None = None


def note_refusal(error: SchemaError | None) -> None:
    """Raise the alert that the database cannot be used as it is, or clear it. Any thread may call it."""
    global _refusal
    new = None if error is None else str(error)
    with _lock:
        if new == _refusal:
            return
        old, _refusal = _refusal, new
    if old is not None:
        telemetry.set_alert("history_unusable", old, holds=False)
    if new is not None:
        telemetry.set_alert("history_unusable", new, holds=True)


def refusal() -> str | None:
    """The reason for which this process cannot use the tables of the database; None if there is none."""
    return _refusal


def foreign_table(names: list[str]) -> SchemaError:
    """The error for tables with the names of ours that were made by another program."""
    return SchemaError(
        f"the schema has a table {', '.join(names)} that another program made; give Pricewax a schema of its own"
        " (HISTORY_SCHEMA)"
    )


def check_columns(table: Table, found: dict[str, str], accepted: dict[Kind, tuple[str, ...]]) -> None:
    """Check the columns of a table. found: name to type, as the database names it. accepted: kind of a column to
    its types. Raises SchemaError for the first column that is missing or has another type."""
    if not found:
        raise SchemaError(f"the table {table.name} is missing")
    for column in table.columns:
        has = found.get(column.name)
        if has is None:
            raise SchemaError(f"the table {table.name} has no column {column.name}")
        if has not in accepted[column.kind]:
            wants = accepted[column.kind][0]
            raise SchemaError(f"the column {table.name}.{column.name} is of type {has}, not {wants}")


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
                if attempt == 0 and not isinstance(error, SchemaError):
                    log.warning("the history database does not answer yet", error=str(error))
                if stop.wait(BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)]):
                    return
            finally:
                writer.close()

    thread = threading.Thread(target=prepare, name="history-schema", daemon=True)
    thread.start()
    return thread
