"""From messages of the stream to changes of rows of the watched tables."""

from collections.abc import Callable, Mapping

import msgspec

from connectors.postgres_cdc.pgoutput import Delete, Insert, Relation, Unchanged, Update, Values
from connectors.postgres_cdc.rows import Row, RowChange, Table
from connectors.postgres_cdc.tables import FoundTable
from core.errors import ReadRefusedError

RowMessage = Insert | Update | Delete

Fetch = Callable[[str], Row | None]
"""The row with an id, as the table has it now; None if there is none."""


class TableDecoding(msgspec.Struct):
    """The decoding of one table's messages. name: for people. in_use: columns; grows with the table. places: by
    place in a row, the column in use, or None."""

    name: str
    table: Table
    found: FoundTable
    in_use: set[str]
    places: list[str | None] = []

    def learn(self, relation: Relation) -> None:
        """Take the table's columns from the stream. Raises ReadRefusedError if it has another name, or if a column
        in use is gone."""
        if (relation.schema, relation.name) != (self.found.schema, self.found.name):
            raise ReadRefusedError(
                f"the table {self.name} is called {relation.schema}.{relation.name} now; set CDC_INVENTORY_TABLE or"
                " CDC_ORDERS_TABLE, and start with START_OVER=yes"
            )
        there = {column.name for column in relation.columns}
        require_columns(self.name, self.in_use, there)
        self.in_use |= there & {*self.table.columns}
        self.places = [column.name if column.name in self.in_use else None for column in relation.columns]

    def change(self, message: RowMessage, lsn: int, fetch: Fetch) -> RowChange | None:
        """The change of a message. fetch: reads values that the stream leaves out. None for an update of a row that
        lacks values and is gone: a later message removes it."""
        if isinstance(message, Delete):
            return RowChange(None, self._row(message.old), lsn)
        if isinstance(message, Insert):
            return RowChange(self._row(message.new), None, lsn)
        old: Row | None = None if message.old is None else self._row(message.old)
        new = self._row(message.new)
        if Unchanged.VALUE in message.new:
            missing = {name for name, value in new.items() if value is Unchanged.VALUE}
            whole: Row | None = (
                old if old is not None and all(old.get(name) is not None for name in missing) else None
            )
            if missing and whole is None:
                row_id = new[self.table.key]
                whole = fetch(row_id) if isinstance(row_id, str) else None
                if whole is None:
                    return None
            new |= {name: whole[name] for name in missing} if whole else {}
        return RowChange(new, old, lsn, is_update=True)

    def _row(self, values: Values) -> dict[str, str | Unchanged | None]:
        named = zip(self.places, values, strict=True)
        return {name: value for name, value in named if name is not None}


def require_columns(name: str, in_use: set[str], there: set[str] | Mapping[str, object]) -> None:
    """Check that a table still has its columns in use. Raises ReadRefusedError."""
    if gone := sorted(in_use - {*there}):
        raise ReadRefusedError(
            f"the table {name} has no column {', '.join(gone)} any more, which is needed; bring it back, or drop"
            " the replication slot and start with START_OVER=yes: all tables are then read again"
        )
