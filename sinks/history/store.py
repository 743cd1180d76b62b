"""The interfaces of the history database, implemented for Postgres and for Oracle."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

import msgspec

from core.errors import StoreError
from core.timestamps import to_rfc3339

Answer = TypeVar("Answer")

_abandoned: set[asyncio.Task[Any]] = set()


async def end_within(call: Coroutine[Any, Any, Answer], within_s: float) -> Answer:
    """The result of a call to a database. Raises StoreError after `within_s`, and does not wait for the end of the
    call: a driver that is cancelled may wait for the server, and a server that hangs answers nothing."""
    task = asyncio.ensure_future(call)
    try:
        await asyncio.wait({task}, timeout=within_s)
        if task.done():
            return task.result()
        raise StoreError(f"no answer within {within_s:g} s")
    finally:
        if not task.done():
            # The set keeps the task alive until it has ended.
            _abandoned.add(task)
            task.add_done_callback(_end)
            task.cancel()


def _end(task: asyncio.Task[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        # Marks the error as seen; otherwise asyncio logs it.
        task.exception()


def bind_time(ms: int) -> str:
    """UTC milliseconds as text that both databases read as a time, such as `2011-12-05T08:38:00.000+00:00`."""
    return to_rfc3339(ms).replace("Z", "+00:00")


class HistoryWriter(Protocol):
    """A writer of rows (`sinks/history/tables.py`). Belongs to one thread. Made by `open_writer`."""

    def write(self, rows: list[bytes]) -> int:
        """Write all rows in one transaction. Connects and applies migrations if needed. Returns the number of rows
        whose key was stored before, of tables without an `end`. Raises StoreError."""

    def close(self) -> None: ...


class Dialect(msgspec.Struct, frozen=True):
    """The parts of SQL in which databases differ, as templates with one `{}`.

    moment: a bind with RFC 3339 text, as a time. text: a time as RFC 3339 text, UTC. micros, text_us: the same to
    the microsecond. seconds: a time as seconds since the epoch. json: a JSON column as text. true: a boolean that
    is true."""

    name: str
    moment: str
    text: str
    micros: str
    text_us: str
    seconds: str
    json: str
    true: str


class Database(Protocol):
    """The read side, for the API. Belongs to one event loop. Binds in statements have the form `:name`. Made by
    `open_database`."""

    @property
    def dialect(self) -> Dialect: ...

    async def fetch(self, statement: str, binds: dict[str, Any]) -> list[Any]:
        """The rows of a statement, none if its table does not exist yet. Raises StoreError, at the latest after
        some seconds."""

    async def close(self) -> None: ...
