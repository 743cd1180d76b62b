"""The small interface behind which Postgres and Oracle stand, and the choice between them by URL."""

import re
from importlib import resources
from typing import Protocol

import msgspec

from core.positions import SourcePosition


class StoreError(Exception):
    """The database could not be reached or refused; trying again later may work. Carries no secrets."""


class HistoryPoint(msgspec.Struct, frozen=True):
    """One decided price, as `/history` shows it, and from `policy` on what it shows with `detail`.

    `event_time` is RFC 3339, UTC; `adjustments` JSON."""

    price: float
    event_time: str
    price_source: str
    demand: float
    version: int
    policy: str
    adjustments: msgspec.Raw
    cause: str
    position: SourcePosition


class ChartPoint(msgspec.Struct, frozen=True, array_like=True):
    """The last price of a span of time, as a JSON array."""

    event_time_ms: int
    price: float
    demand: float
    price_source: str
    version: int


class Chart(msgspec.Struct, frozen=True):
    """Points in order of time; `prices` says how many they stand for."""

    points: list[ChartPoint]
    prices: int


class Place(msgspec.Struct, frozen=True):
    """A row's place in an audit trail: newest first, so the next page is before the last row's."""

    at_ms: int
    partition: int
    offset: int


class PastOverride(msgspec.Struct, frozen=True):
    """An override that was set at some time, with its end where it has one. Times are RFC 3339, UTC."""

    product_id: str
    override_price: float
    reason: str
    set_by: str
    set_at: str
    expires_at: str | None
    removed_at: str | None
    place: Place


class PastFreeze(msgspec.Struct, frozen=True):
    scope: str
    reason: str
    set_by: str
    set_at: str
    lifted_at: str | None
    place: Place


class HistoryWriter(Protocol):
    """Writes rows (sinks/history_rows.py) from one thread."""

    def write(self, rows: list[bytes]) -> None:
        """All of them in one transaction; rows already there are left as they are. Connects, and brings the
        schema up to date, where needed. Raises StoreError."""

    def close(self) -> None: ...


class HistoryReader(Protocol):
    """Reads for the API."""

    async def read(self, product_id: str, limit: int, from_ms: int | None, to_ms: int | None) -> list[HistoryPoint]:
        """The newest `limit` prices with `from_ms <= event time < to_ms`, newest first. Raises StoreError."""

    async def chart(self, product_id: str, points: int, from_ms: int | None, to_ms: int | None) -> Chart:
        """The same prices, thinned to at most `points` (2 or more): the last of each span. Raises StoreError."""

    async def overrides(self, product_id: str | None, limit: int, before: Place) -> list[PastOverride]:
        """Overrides of a product, or of all, set before a place, newest first. Raises StoreError."""

    async def freezes(self, limit: int, before: Place) -> list[PastFreeze]:
        """Freezes set before a place, newest first. Raises StoreError."""

    async def ping(self) -> bool:
        """Whether the database answers."""

    async def close(self) -> None: ...


def open_writer(url: str) -> HistoryWriter:
    if url.startswith("oracle://"):
        from sinks.oracle import OracleWriter

        return OracleWriter(url)
    from sinks.postgres import PostgresWriter

    return PostgresWriter(url)


def open_reader(url: str) -> HistoryReader:
    if url.startswith("oracle://"):
        from sinks.oracle import OracleReader

        return OracleReader(url)
    from sinks.postgres import PostgresReader

    return PostgresReader(url)


def migrations(dialect: str) -> list[tuple[int, list[str]]]:
    """Number and statements of every migration file of a dialect (`postgres`, `oracle`), in order."""
    found = []
    folder = resources.files("sinks") / "migrations" / dialect
    for file in folder.iterdir():
        if match := re.fullmatch(r"(\d{4})_\w+\.sql", file.name):
            statements = [part.strip() for part in file.read_text(encoding="utf-8").split(";\n")]
            found.append((int(match[1]), [statement for statement in statements if statement]))
    return sorted(found)


def describe_error(error: BaseException) -> str:
    """The first line of a driver's error, which names the host at most, never the password."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]
