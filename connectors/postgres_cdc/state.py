"""The resume state of a reading, and whether it can go on from there."""

from collections.abc import Mapping

import msgspec

from clients.postgres_replication import format_lsn, parse_lsn
from connectors.postgres_cdc.published import Names
from connectors.postgres_cdc.rows import Table
from connectors.postgres_cdc.slot import Slot


class Watched(msgspec.Struct, frozen=True):
    """A table to read. name: in the settings. topic: that gets its rows. names: as in `read_published`."""

    name: str
    table: Table
    topic: str
    partitions: int
    names: Names


class ReadState(msgspec.Struct, frozen=True):
    """The resume state. system, database: name the database. tables: their names in the settings. is_read: the
    first reading is done. lsn: changes from transactions before it were handed on. base: added to all positions in
    messages, so that those of a new database are behind those of an earlier one. columns: in use, by table."""

    slot: str
    tables: tuple[str, ...]
    system: str = ""
    database: str = ""
    is_read: bool = False
    lsn: int = 0
    base: int = 0
    columns: dict[str, tuple[str, ...]] = {}


def find_problem(
    state: ReadState, wanted: ReadState, server: Mapping[str, str], slot: Slot | None, lsn: int
) -> str:
    """The reason for which changes may have been missed since `state`; empty if none were. wanted: a new state, as
    the settings and the server have it. server: its answer to IDENTIFY_SYSTEM. lsn: changes before it were read."""
    if (state.slot, state.tables) != (wanted.slot, wanted.tables):
        return f"the recovery folder belongs to the slot {state.slot} and the tables {', '.join(state.tables)}"
    if (state.system, state.database) != (wanted.system, wanted.database):
        return "this is another database than the one that was read before"
    if slot is None:
        return f"there is no replication slot {state.slot} any more, so changes may have been missed"
    if slot.is_lost:
        return f"the server has dropped changes that the slot {state.slot} needs (max_slot_wal_keep_size)"
    if slot.confirmed > lsn:
        reader = f" (process {slot.pid} still does)" if slot.pid else ""
        return (
            f"the slot {state.slot} has moved on to {format_lsn(slot.confirmed)}, behind {format_lsn(lsn)} of the"
            f" recovery folder: another reader used it{reader}, or the folder is old"
        )
    if parse_lsn(server["xlogpos"]) < lsn:
        return (
            f"the database ends at {server['xlogpos']}, before {format_lsn(lsn)}, which was read: it was restored,"
            " or a fail-over lost changes"
        )
    return ""
