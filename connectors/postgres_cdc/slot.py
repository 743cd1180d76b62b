"""The replication slot: Postgres keeps its log from the position that the slot has confirmed."""

import math
import threading
from collections.abc import Callable, Mapping

import msgspec
import psycopg

import telemetry
from clients import postgres
from clients.postgres_replication import parse_lsn
from connectors.postgres_cdc.tables import FoundTable
from core.errors import ReadRefusedError, describe_error

LOOK_EVERY_S = 2.0

_SLOT = """
SELECT plugin, database, confirmed_flush_lsn::text, coalesce(wal_status = 'lost', false), active_pid,
       pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::float8
  FROM pg_replication_slots WHERE slot_name = %s
"""

Find = Callable[[psycopg.Connection], Mapping[str, FoundTable]]
"""A function that gives the tables as they are now. Raises ReadRefusedError and psycopg.Error."""

log = telemetry.get_logger("cdc")


class Slot(msgspec.Struct, frozen=True):
    """A slot. confirmed: the position from which the server keeps its log. is_lost: the server has thrown away
    changes that were not confirmed. pid: of the server's process for its reader. lag_bytes: log since
    `confirmed`."""

    plugin: str
    database: str
    confirmed: int
    is_lost: bool
    pid: int | None
    lag_bytes: float


def read_slot(connection: psycopg.Connection, name: str) -> Slot | None:
    """The slot of a name; None if there is none. Raises psycopg.Error."""
    rows = connection.execute(_SLOT, (name,)).fetchall()
    if not rows:
        return None
    plugin, database, confirmed, is_lost, pid, lag = rows[0]
    # A slot that is being made has no position yet.
    return Slot(plugin, database, parse_lsn(confirmed) if confirmed else 0, is_lost, pid, lag or 0.0)


class SlotWatch:
    """A thread that looks at the database now and then, for what the stream cannot tell: a table that was made
    again is not in it. `problem`: one line once the tables can no longer be read; None until then.

    found: the tables as they were. find: gives them as they are."""

    def __init__(
        self, url: str, slot: str, found: Mapping[str, FoundTable], find: Find, stop: threading.Event
    ) -> None:
        self._url = url
        self._slot = slot
        self._found = found
        self._find = find
        self._stop = stop
        self._ended = threading.Event()
        self.problem: str | None = None
        threading.Thread(target=self._run, name="slot-watch", daemon=True).start()

    def end(self) -> None:
        """End the thread, soon."""
        self._ended.set()

    def _run(self) -> None:
        connection: psycopg.Connection | None = None
        while not self._stop.is_set() and self.problem is None:
            try:
                connection = connection or postgres.connect(self._url)
                with postgres.time_limit(connection):
                    self._look(connection)
            except ReadRefusedError as error:
                self.problem = str(error)
            except psycopg.Error as error:
                telemetry.CDC_LAG_BYTES.set(math.nan)
                log.debug("the slot cannot be looked at", error=describe_error(error))
                if connection is not None:
                    connection.close()
                connection = None
            if self._ended.wait(LOOK_EVERY_S):
                break
        if connection is not None:
            connection.close()

    def _look(self, connection: psycopg.Connection) -> None:
        slot = read_slot(connection, self._slot)
        telemetry.CDC_LAG_BYTES.set(math.nan if slot is None else slot.lag_bytes)
        now = self._find(connection)
        for name, table in self._found.items():
            if now[name].oid != table.oid:
                raise ReadRefusedError(
                    f"the table {table.schema}.{table.name} was made again, and its new rows are not in the stream;"
                    " drop the replication slot and start with START_OVER=yes: all tables are then read again"
                )
