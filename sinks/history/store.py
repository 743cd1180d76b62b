"""The interfaces behind which Postgres and Oracle stand."""

from typing import Any, Protocol

import msgspec


class HistoryWriter(Protocol):
    """Writes rows (`sinks/history/tables.py`). Belongs to one thread."""

    def write(self, rows: list[bytes]) -> None:
        """Write all rows in one transaction. Connects, and applies migrations, if needed. Raises StoreError."""

    def close(self) -> None: ...


class Dialect(msgspec.Struct, frozen=True):
    """Differences of SQL that statements need, as templates with one `{}`.

    moment: a bind of RFC 3339 text as a time. text: a time as RFC 3339 text, UTC. seconds: a time as a number of
    seconds. json: a JSON column as text."""

    name: str
    moment: str
    text: str
    seconds: str
    json: str


class Database(Protocol):
    """Reads for the API. Belongs to one event loop. Binds stand in statements as `:name`."""

    @property
    def dialect(self) -> Dialect: ...

    async def fetch(self, statement: str, binds: dict[str, Any]) -> list[Any]:
        """Rows of a statement; none if its table does not exist yet. Raises StoreError."""

    async def ping(self) -> bool:
        """Whether the database answers."""

    async def close(self) -> None: ...
