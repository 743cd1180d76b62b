"""Recorded demand from files: invoices in the UCI Online Retail layout (`.csv`, `.csv.gz`), and messages of
`product-events` and `demand-events` (`.jsonl`, `.jsonl.gz`), a line each."""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from connectors.generators.invoices import read_invoices
from core.timestamps import DAY_MS, parse_timestamp
from forecasting.demand import Demand, SoldLine, demand_of, is_product

QUANTITY_MAX = 10**9


class _Event(msgspec.Struct):
    event_type: str
    product_id: str
    timestamp: float | str
    quantity: float | None = None
    price: float | None = None
    user_id: str | None = None
    event_id: str | None = None


PURCHASES = {"purchase": 1, "booking": 1, "cancel": -1}
"""Types of events that are demand, and their sign. Others are interest."""


def read_demand(paths: Sequence[Path], progress: Callable[[str], None] = lambda _: None) -> list[Demand]:
    """The demand of all files, in order of time. progress: called with the name of each file before it is read.
    Raises ValueError, with the file and the line at fault, if one is no recording or nothing in it is demand, and
    OSError if one cannot be read."""
    invoices: list[SoldLine] = []
    events: list[SoldLine] = []
    for path in paths:
        progress(path.name)
        name = path.name.lower()
        if name.endswith((".jsonl", ".jsonl.gz")):
            events += _events(path)
        elif name.endswith((".csv", ".csv.gz")):
            invoices += [
                SoldLine(line.stock_code, line.event_time_ms, line.quantity, line.price, line.customer)
                for line in read_invoices(path)
            ]
        else:
            raise ValueError(f"{path}: takes .csv, .csv.gz, .jsonl or .jsonl.gz")
    # Only invoices have charges among their codes.
    demand = demand_of(invoices, is_product) + demand_of(events, lambda _: True)
    if not demand:
        raise ValueError(f"{', '.join(map(str, paths))}: no line is a sale of a product")
    return sorted(demand, key=lambda each: each.at_ms)


def digest(path: Path) -> str:
    """The SHA-256 of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _events(path: Path) -> Iterator[SoldLine]:
    decoder = msgspec.json.Decoder(_Event)
    seen: dict[str, int] = {}
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            event = decoder.decode(line)
            at_ms = parse_timestamp(event.timestamp)
            sign = PURCHASES.get(event.event_type, 0)
            units = 1 if event.quantity is None else event.quantity
            if not (0 < units <= QUANTITY_MAX and units == int(units)):
                raise ValueError(f"quantity takes a whole number from 1 to {QUANTITY_MAX}")
        except (msgspec.DecodeError, ValueError, OverflowError) as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
        # A repeated event counts once within a day.
        if event.event_id is not None:
            before = seen.get(event.event_id)
            seen[event.event_id] = at_ms if before is None else before
            if before is not None and abs(at_ms - before) < DAY_MS:
                continue
        if sign:
            yield SoldLine(event.product_id, at_ms, sign * int(units), event.price, event.user_id)


def _lines(path: Path) -> list[bytes]:
    raw = path.read_bytes()
    if raw.startswith(b"\x1f\x8b"):
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: the file is damaged: {error}") from None
    return raw.splitlines()
