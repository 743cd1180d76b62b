"""The life of a recovery store: a flow without state that finds traces of an earlier life does not start by itself.

The problem. If a recovery folder is lost or empty, a flow begins again: versions count from 1. Messages that have
left their topics are missing, so versions stay below those that readers have. Every reader drops them as not newer,
and prices stand still for weeks, although every service answers.

The idea. Before the first execution of a store, look for traces: offsets that the flow's group has committed, and
versions in Redis. If there are any, the flow does not start, unless `START_OVER=yes`. It then counts versions from
a base above all that were ever given: the time in microseconds. A product would need a million changes a second to
have overtaken it. The base is noted in every file of the store, so it is the same after each crash, and it is lost
only with the store itself.

An example. A product had version 500 when the folder was lost. The flow starts over on 2026-11-26 at 08:00 UTC. The
first event gives the product version 1,795,680,000,000,001, which Redis, relays and dashboards take for newer."""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import msgspec

import telemetry
from core.errors import StartRefusedError
from dataflows.recovery.epochs import open_store

TABLES = ("exs", "fronts", "snaps")
"""Tables of Bytewax's store that have rows once a flow has run."""

log = telemetry.get_logger("recovery")


class Traces(msgspec.Struct, frozen=True):
    """Traces of an earlier life. messages: read and committed by the flow's group. products: with a version in
    Redis. highest: the highest of these versions."""

    messages: int = 0
    products: int = 0
    highest: int = 0

    def __bool__(self) -> bool:
        return self.messages > 0 or self.products > 0

    def __str__(self) -> str:
        read = [f"the group of its topics has read {self.messages} messages"] if self.messages else []
        kept = [f"Redis holds prices of {self.products} products"] if self.products else []
        return " and ".join((*read, *kept))


def find_version_base(stores: Sequence[Path]) -> int | None:
    """The base that was noted in a store when its first execution began; 0 for a store of an older version that has
    run. None if the flow has no state: no execution has begun on the store.

    A store that cannot be read counts as one that has run: Bytewax reports its problem."""
    base = None
    for store in stores:
        try:
            with closing(open_store(store)) as database:
                names = {
                    name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                }
                if "pricewax" in names:
                    ((noted,),) = database.execute("SELECT max(version_base) FROM pricewax")
                    base = max(base or 0, noted) if noted is not None else base
                for table in names & {*TABLES}:
                    if base is None and database.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone():  # noqa: S608
                        base = 0
        except sqlite3.Error:
            base = base or 0
    return base


def choose_version_base(traces: Traces, *, start_over: bool, place: str) -> int:
    """The base for a flow without state. 0 if there are no traces of an earlier life. Raises StartRefusedError if
    there are some and the flow may not start over. place: where the state should be."""
    if not traces:
        return 0
    if not start_over:
        raise StartRefusedError(
            f"{place} has no state, but {traces}: restore the state, or set START_OVER=yes to start over"
            " (docs/operations.md, starting over)"
        )
    base = max(time.time_ns() // 1000, traces.highest)
    log.warning("the flow starts over", place=place, found=str(traces), versions_from=base + 1)
    return base


def note_version_base(stores: Sequence[Path], base: int) -> int:
    """Note the base in every file of the store. Returns the one that counts: that of the process of a cluster that
    noted its own first. A file that cannot be written is left to Bytewax, which reports it."""
    for store in stores:
        with suppress(sqlite3.Error), closing(open_store(store)) as database:
            database.isolation_level = None
            database.execute("BEGIN IMMEDIATE")
            database.execute("CREATE TABLE IF NOT EXISTS pricewax (version_base INTEGER NOT NULL)")
            ((noted,),) = database.execute("SELECT max(version_base) FROM pricewax")
            if noted is None:
                database.execute("INSERT INTO pricewax VALUES (?)", (base,))
            else:
                base = noted
            database.execute("COMMIT")
    return base
