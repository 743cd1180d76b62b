"""Recorded demand from files: invoices in the UCI Online Retail layout (`.csv`, `.csv.gz`), and messages of
`product-events` and `demand-events` (`.jsonl`, `.jsonl.gz`), a line each."""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from connectors.decode.forecasting import DemandKind, decode_demand
from connectors.decode.wire import RawMessage
from connectors.generators.invoices import read_invoices
from core.dead_letter import DeadLetter
from core.timestamps import DAY_MS, LATEST_MS
from forecasting.demand import AMOUNT_SCALE, Demand, SoldLine, demand_of
from forecasting.state.product import OpenSale, Product
from forecasting.state.signals import Cancel, Entry, Sale, Signal


def read_demand(paths: Sequence[Path], progress: Callable[[str], None] = lambda _: None) -> list[Demand]:
    """The demand of all files, in order of time. progress: called with the name of each file before it is read.
    Raises ValueError, with the file and the line at fault, if one is no recording or nothing in it is demand, and
    OSError if one cannot be read."""
    invoices: list[SoldLine] = []
    signals: list[Signal] = []
    for path in paths:
        progress(path.name)
        name = path.name.lower()
        if name.endswith((".jsonl", ".jsonl.gz")):
            signals += _signals(path)
        elif name.endswith((".csv", ".csv.gz")):
            invoices += [
                SoldLine(line.stock_code, line.event_time_ms, line.quantity, line.price, line.customer)
                for line in read_invoices(path)
            ]
        else:
            raise ValueError(f"{path}: takes .csv, .csv.gz, .jsonl or .jsonl.gz")
    demand = demand_of(invoices) + demand_of_signals(signals)
    if not demand:
        raise ValueError(f"{', '.join(map(str, paths))}: no line is a sale of a product")
    return sorted(demand, key=lambda each: each.at_ms)


def digest(path: Path) -> str:
    """The SHA-256 of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def demand_of_signals(signals: Iterable[Signal]) -> list[Demand]:
    """The demand of recorded signals, by the rules of the flow: an `event_id` counts once within a day, and a
    cancellation takes back the latest sale of its user in the day before."""
    found: list[Demand] = []
    products: dict[str, Product] = {}
    # By product and sale: the places of the demand that it is.
    places: dict[tuple[str, OpenSale], list[int]] = {}
    seen: dict[str, int] = {}
    for signal in sorted(signals, key=_moment):
        if not isinstance(signal, Sale | Cancel) or not _is_new(seen, signal.event_id, signal.at_ms):
            continue
        name, product = signal.product_id, products.setdefault(signal.product_id, Product())
        if isinstance(signal, Sale):
            price = signal.amount / signal.units / AMOUNT_SCALE if signal.amount else None
            found.append(Demand(name, signal.at_ms, signal.units, price))
            if signal.user is not None:
                sale = OpenSale(signal.at_ms, signal.units, signal.amount, signal.user)
                product.open_sale(sale)
                places.setdefault((name, sale), []).append(len(found) - 1)
        elif (taken := product.take_back(signal.at_ms, signal.user, signal.units)) is not None:
            place = places[name, taken].pop()
            found[place] = msgspec.structs.replace(found[place], cancelled_at_ms=signal.at_ms)
    return found


def _moment(signal: Signal) -> int:
    return 0 if isinstance(signal, Entry) else signal.at_ms


def _is_new(seen: dict[str, int], event_id: str | None, at_ms: int) -> bool:
    if event_id is None:
        return True
    before = seen.get(event_id)
    if before is not None and abs(at_ms - before) < DAY_MS:
        return False
    seen[event_id] = at_ms
    return True


def _signals(path: Path) -> Iterator[Signal]:
    """Raises ValueError for the first line that the flow would refuse."""
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        raw = RawMessage(number, None, line, LATEST_MS - 1)
        found = decode_demand(DemandKind.DEMAND_EVENTS, raw, path.name, 0)
        if isinstance(found, DeadLetter):
            raise ValueError(f"{path}, line {number}: {found.detail}")
        yield found


def _lines(path: Path) -> list[bytes]:
    raw = path.read_bytes()
    if raw.startswith(b"\x1f\x8b"):
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: the file is damaged: {error}") from None
    return raw.splitlines()
