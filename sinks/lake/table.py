"""A table of the lake, to which one flow appends."""

from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.table import Table

import telemetry
from core.errors import StartRefusedError
from sinks.lake.tables import NAMESPACE, LakeTableKind

PROPERTIES = {
    # pyiceberg would put rows that another commit has overtaken on top of it. This flow looks first at what the
    # other one was.
    "commit.retry.num-retries": "0",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    "write.parquet.compression-codec": "zstd",
}

log = telemetry.get_logger("lake")


class LakeTable:
    """A table of the lake. Belongs to one thread. Methods raise what the catalogue and the store raise: pyiceberg
    has no common error.

    Every snapshot carries the mark of the rows that the table holds with it, so that rows and mark change in one
    commit. `mark` is read from the newest snapshot that has one, for other programs may have made newer ones."""

    def __init__(self, kind: LakeTableKind, table: Table) -> None:
        self.kind = kind
        self.table = table

    @classmethod
    def open(cls, catalog: Catalog, kind: LakeTableKind) -> "LakeTable":
        """The table, made if it is missing. Columns that it does not have are added as optional ones; columns of
        others stay, and are empty in new rows. Raises StartRefusedError if the table cannot be used."""
        catalog.create_namespace_if_not_exists(NAMESPACE)
        name = f"{NAMESPACE}.{kind.name}"
        try:
            table = catalog.load_table(name)
        except NoSuchTableError:
            try:
                table = catalog.create_table(
                    name, kind.schema, partition_spec=kind.partitions, properties=PROPERTIES
                )
                log.info("table made", table=name, location=table.location())
            except TableAlreadyExistsError:
                table = catalog.load_table(name)
        opened = cls(kind, table)
        opened._adapt()
        if opened.mark() is None and table.current_snapshot() is not None:
            raise StartRefusedError(
                f"the table {name} has rows, and no snapshot says up to which message: another program has expired"
                f" those of this flow, or made the table. Set the table's property {kind.mark} to the last one"
                " that the flow has logged, or rename the table"
            )
        return opened

    def _adapt(self) -> None:
        """Bring the table of an earlier release, or of another program, to the columns of this one."""
        there = self.table.schema().as_struct()
        missing = [field.name for field in self.kind.schema.fields if there.field_by_name(field.name) is None]
        if missing:
            with self.table.update_schema() as update:
                for name in missing:
                    update.add_column(name, self.kind.schema.find_field(name).field_type)
            log.info("columns added", table=self.kind.name, columns=missing)
        wrong = {name: value for name, value in PROPERTIES.items() if self.table.properties.get(name) != value}
        if wrong:
            with self.table.transaction() as change:
                change.set_properties(wrong)

    def refresh(self) -> None:
        """Read the newest state of the table."""
        self.table.refresh()

    def mark(self) -> str | None:
        """The mark of the rows that the table holds; None if it never had any."""
        snapshot = self.table.current_snapshot()
        if snapshot is None:
            return None
        while snapshot is not None:
            if snapshot.summary is not None and (found := snapshot.summary.get(self.kind.mark)) is not None:
                return str(found)
            parent = snapshot.parent_snapshot_id
            snapshot = None if parent is None else self.table.snapshot_by_id(parent)
        return self.table.properties.get(self.kind.mark)

    def append(self, rows: pa.Table, mark: str) -> None:
        """Add rows, and set the mark, in one commit. Raises CommitFailedException if another program has changed
        the table since it was read."""
        with self.table.transaction() as change:
            # Beside the snapshots, for the case that another program expires all of this flow.
            change.set_properties({self.kind.mark: mark})
            change.append(self.fitted(rows), snapshot_properties={self.kind.mark: mark})

    def fitted(self, rows: pa.Table) -> pa.Table:
        """Rows with the columns of the table: those of other programs are empty."""
        schema = self.table.schema().as_arrow()
        columns = [
            rows.column(field.name).cast(field.type)
            if field.name in rows.column_names
            else pa.nulls(len(rows), field.type)
            for field in schema
        ]
        return pa.Table.from_arrays(columns, schema=schema)

    def rows(self, columns: tuple[str, ...], where: str) -> pa.Table:
        """Rows of the table, in no order. columns: those to read. where: in the form of pyiceberg."""
        return self.table.scan(row_filter=where, selected_fields=columns).to_arrow()


def is_overtaken(error: Exception) -> bool:
    """True if an error means that another commit came first, so that the own one is not in the table."""
    return isinstance(error, CommitFailedException)


def reason_of(error: Any) -> str:
    """An error of the catalogue or the store as one line."""
    return f"{type(error).__name__}: {str(error).strip() or 'no text'}".splitlines()[0][:300]
