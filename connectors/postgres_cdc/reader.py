"""The reader: first all rows of the tables as of the moment at which the slot is made, then every change since.

The steps are a generator. Bytewax asks for the next batch again and again, and each `yield` gives one, often an
empty one. All that waits does so by yielding: for the server, for an epoch, for another reader of the slot.

A position is confirmed to the server once an epoch that holds it is committed, and not before: the server then
forgets the changes before it. A reading of the tables that was cut off begins again with a new slot. Rows that its
messages hold and that the tables no longer have are removed."""

import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec
import psycopg
from psycopg import sql

import telemetry
from clients import postgres
from clients.kafka import ClientOptions
from clients.postgres_replication import ReplicationConnection, ReplicationError, parse_lsn
from clients.throttle import Throttle
from connectors.postgres_cdc.decoding import RowMessage, TableDecoding, require_columns
from connectors.postgres_cdc.pgoutput import (
    Begin,
    Commit,
    Delete,
    Insert,
    MalformedError,
    Relation,
    Truncate,
    Update,
    decode,
)
from connectors.postgres_cdc.published import Published, read_published
from connectors.postgres_cdc.rows import Row, RowChange
from connectors.postgres_cdc.slot import SlotWatch, read_slot
from connectors.postgres_cdc.state import ReadState, Watched, find_problem
from connectors.postgres_cdc.steps import Batch, Steps, meanwhile, pause, stepwise
from connectors.postgres_cdc.tables import FoundTable, check_server, find_tables
from core.errors import ReadRefusedError, describe_error

READ_ROWS = 2_000
"""Most messages or rows of a batch."""

CONFIRM_EVERY_S = 1.0
BACK_OFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
IN_USE_S = 15.0
IN_USE_AGAIN_S = 120.0
"""How long the slot may have another reader before the flow ends: at the start, and after a connection was lost,
when the server may take this process's own old connection for alive."""

START_AGAIN = "drop the slot and start with START_OVER=yes: all tables are then read again"
OBJECT_IN_USE, NO_OBJECT = "55006", "42704"
_REFUSED_CLASSES = ("0A", "22", "28", "42", "55")

log = telemetry.get_logger("cdc")


class Reader:
    """The reader of a slot. Belongs to the worker's thread.

    start_over: tables may be read again if changes may have been missed."""

    def __init__(
        self,
        url: str,
        watched: Mapping[str, Watched],
        *,
        slot: str,
        publication: str,
        client: ClientOptions,
        state: ReadState | None,
        start_over: bool,
        stop: threading.Event,
    ) -> None:
        self._url = url
        self._watched = watched
        self._slot = slot
        self._publication = publication
        self._client = client
        self._resumed = state
        self._state = state or ReadState(slot, self._names)
        self._start_over = start_over
        self._stop = stop
        self._lsn = self._state.lsn
        self._confirmed = 0
        self._ends: deque[int] = deque(maxlen=2)
        self._epochs = 0
        self._had_slot = False
        self._level_at = time.monotonic()
        telemetry.CDC_LAG_S.set_function(lambda: time.monotonic() - self._level_at)

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(watched.name for watched in self._watched.values())

    def snapshot(self) -> ReadState:
        """The resume state at the end of an epoch. The epoch before the last one is committed by now."""
        self._epochs += 1
        if self._state.is_read:
            if len(self._ends) == 2:
                self._confirmed = max(self._confirmed, self._ends[0])
            self._ends.append(self._lsn)
        return msgspec.structs.replace(self._state, lsn=self._lsn)

    def steps(self) -> Steps:
        """Batches, without an end. Raises ReadRefusedError."""
        failures = 0
        throttle = Throttle()
        while True:
            connected_at = time.monotonic()
            try:
                yield from self._read()
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if isinstance(error, ReplicationError) and error.state[:2] in _REFUSED_CLASSES:
                    raise ReadRefusedError(f"Postgres refuses to go on: {describe_error(error)}") from None
                reason = describe_error(error)
            except (psycopg.Error, MalformedError) as error:
                raise ReadRefusedError(f"Postgres refuses to go on: {describe_error(error)}") from None
            telemetry.CDC_RECONNECTS.inc()
            telemetry.set_alert("tables_not_read", holds=True)
            failures = 0 if time.monotonic() - connected_at > max(BACK_OFF_S) else failures + 1
            if throttle.is_due():
                log.warning("Postgres cannot be read; trying again", error=reason)
            yield from pause(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])

    def _read(self) -> Steps:
        database = postgres.connect(self._url)
        replication = watch = None
        try:
            check_server(database)
            replication = ReplicationConnection.open(self._url)
            self._resume(database, replication)
            found = self._find(database, makes=not self._state.is_read)
            for name, table in found.items():
                in_use = {*self._state.columns.get(name, ())}
                require_columns(self._watched[name].name, in_use, {*table.columns})
            if not self._state.is_read:
                # The state must be committed before the slot is made: a start that finds a slot and no state
                # cannot know whose it is.
                yield from self._settle()
                yield from self._read_tables(database, replication, found)
            yield from self._start(replication)
            telemetry.set_alert("tables_not_read", holds=False)
            watch = SlotWatch(self._url, self._slot, found, lambda each: self._find(each, makes=False), self._stop)
            stream = self._stream(database, replication, found, watch)
            yield from meanwhile(stream, lambda: replication.confirm(self._confirmed), CONFIRM_EVERY_S)
        finally:
            database.close()
            if replication is not None:
                replication.close()
            if watch is not None:
                watch.end()

    def _find(self, database: psycopg.Connection, *, makes: bool) -> dict[str, FoundTable]:
        wanted = {watched.name: watched.table for watched in self._watched.values()}
        found = find_tables(database, wanted, self._publication, makes=makes)
        return {name: found[watched.name] for name, watched in self._watched.items()}

    def _resume(self, database: psycopg.Connection, replication: ReplicationConnection) -> None:
        """Find out if the stream can go on where it was. If not, and START_OVER allows it, the tables are read
        again. Raises ReadRefusedError."""
        server = replication.command("IDENTIFY_SYSTEM")
        slot = read_slot(database, self._slot)
        if slot is not None and (slot.plugin, slot.database) != ("pgoutput", server["dbname"]):
            raise ReadRefusedError(f"the replication slot {self._slot} is not one of pgoutput on this database")
        if self._state.is_read:
            problem = find_problem(self._state, self._new_state(server), server, slot, self._lsn)
        else:
            foreign = slot is not None and self._resumed is None and not self._had_slot
            problem = f"there is a replication slot {self._slot}, but no state that knows it" if foreign else ""
        if problem and not self._start_over:
            raise ReadRefusedError(f"{problem}; {START_AGAIN}")
        if problem:
            log.warning("starting over: all tables are read again", reason=problem)
        self._start_over = False
        if problem or not self._state.is_read:
            self._state = self._new_state(server)
            self._lsn = 0
            self._ends.clear()

    def _new_state(self, server: Mapping[str, str]) -> ReadState:
        return ReadState(self._slot, self._names, server["systemid"], server["dbname"])

    def _settle(self) -> Steps:
        """Wait until all that was handed on is in Kafka, and the state with it in the recovery store."""
        target = self._epochs + 2
        while self._epochs < target:
            yield {}

    def _read_tables(
        self, database: psycopg.Connection, replication: ReplicationConnection, found: Mapping[str, FoundTable]
    ) -> Steps:
        """Make the slot, and read the tables in the snapshot that it exports."""
        earlier = yield from self._read_topics()
        if read_slot(database, self._slot) is not None:
            yield from self._patiently(
                lambda: database.execute("SELECT pg_drop_replication_slot(%s)", [self._slot])
            )
        # A transaction may begin before the slot is made, and commit afterwards. Its changes are in the stream, so
        # the rows must have a position before all of them.
        ((text,),) = database.execute("SELECT pg_current_wal_insert_lsn()::text").fetchall()
        at = parse_lsn(text)
        base = max(0, max(published.highest for published in earlier.values()) - at + 1)
        lsn = at + base
        made: dict[str, str] = yield from stepwise(
            replication.run(f'CREATE_REPLICATION_SLOT "{self._slot}" LOGICAL pgoutput EXPORT_SNAPSHOT')
        )
        self._had_slot = True
        log.info("reading the tables", tables=", ".join(self._names), slot=self._slot, at=made["consistent_point"])
        connection = postgres.connect(self._url)
        try:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(made["snapshot_name"]))
            connection.execute("SET LOCAL statement_timeout = 0")
            for name, table in found.items():
                yield from self._copy(connection, name, table, earlier[name], lsn)
        finally:
            connection.close()
        for name, published in earlier.items():
            published.keep_before(lsn)
            yield from self._remove(name, published, lsn)
        self._lsn = parse_lsn(made["consistent_point"])
        columns = {name: table.columns for name, table in found.items()}
        self._state = msgspec.structs.replace(self._state, is_read=True, base=base, columns=columns)
        log.info("the tables are read")

    def _copy(
        self, connection: psycopg.Connection, name: str, table: FoundTable, earlier: Published, lsn: int
    ) -> Steps:
        """All rows of a table. Those that are there are dropped from `earlier`."""
        columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
        rows_read = 0
        throttle = Throttle()
        throttle.is_due()
        key = table.columns.index(self._watched[name].table.key)
        with connection.cursor() as cursor:
            query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(columns, table.identifier)
            with cursor.copy(query) as copy:
                rows: Iterator[tuple[Any, ...]] = copy.rows()
                while chunk := list(islice(rows, READ_ROWS)):
                    for row in chunk:
                        earlier.rows.pop(row[key], None)
                    rows_read += len(chunk)
                    telemetry.CDC_ROWS.labels(name, "read").inc(len(chunk))
                    if throttle.is_due():
                        log.info("reading a table", table=self._watched[name].name, rows=rows_read)
                    yield {
                        name: [RowChange(dict(zip(table.columns, row, strict=True)), None, lsn) for row in chunk]
                    }

    def _remove(self, name: str, published: Published, lsn: int) -> Steps:
        """Remove rows that messages hold and the table does not."""
        key = self._watched[name].table.key
        left = iter(published.rows.items())
        while chunk := list(islice(left, READ_ROWS)):
            telemetry.CDC_ROWS.labels(name, "removed").inc(len(chunk))
            gone: list[Row] = [{"product_id": known.product, key: row_id} for row_id, known in chunk]
            yield {name: [RowChange(None, row, lsn) for row in gone]}

    def _read_topics(self) -> Generator[Batch, None, dict[str, Published]]:
        earlier = {}
        for name in self._watched:
            earlier[name] = yield from self._read_topic(name)
        return earlier

    def _read_topic(self, name: str) -> Generator[Batch, None, Published]:
        watched = self._watched[name]
        steps = read_published(self._client, watched.topic, watched.partitions, watched.names)
        found: Published = yield from stepwise(steps)
        return found

    def _start(self, replication: ReplicationConnection) -> Steps:
        """Begin to stream. Waits for another reader of the slot to end, for a while."""
        yield from self._patiently(lambda: replication.start(self._slot, self._lsn, self._publication))
        self._had_slot = True

    def _patiently(self, use: Any) -> Steps:
        """Use the slot once no other reader does. Raises ReadRefusedError if one goes on to."""
        within_s = IN_USE_AGAIN_S if self._had_slot else IN_USE_S
        deadline = time.monotonic() + within_s
        throttle = Throttle()
        while True:
            try:
                use()
                return
            except psycopg.OperationalError as error:
                state = error.state if isinstance(error, ReplicationError) else error.sqlstate
                if state != OBJECT_IN_USE:
                    raise
                if time.monotonic() > deadline:
                    raise ReadRefusedError(
                        f"the replication slot {self._slot} has another reader ({describe_error(error)}); end that,"
                        " or give each flow a slot of its own (CDC_SLOT)"
                    ) from None
                if throttle.is_due():
                    log.warning("waiting for another reader of the slot to end", slot=self._slot)
            yield from pause(0.25)

    def _stream(
        self,
        database: psycopg.Connection,
        replication: ReplicationConnection,
        found: Mapping[str, FoundTable],
        watch: SlotWatch,
    ) -> Steps:
        """Hand on the changes of the slot."""
        tables = {
            table.oid: (
                name,
                TableDecoding(
                    self._watched[name].name,
                    self._watched[name].table,
                    table,
                    {*self._state.columns.get(name, ()), *table.columns},
                ),
            )
            for name, table in found.items()
        }
        is_open = False
        while True:
            if watch.problem is not None:
                raise ReadRefusedError(watch.problem)
            batch: Batch = {}
            streamed = replication.read(READ_ROWS)
            for each in streamed:
                message = decode(each.data)
                if isinstance(message, Insert | Update | Delete):
                    if (table := tables.get(message.oid)) is not None:
                        self._add(batch, table, message, each.lsn, database)
                elif isinstance(message, Begin):
                    is_open = True
                elif isinstance(message, Commit):
                    self._lsn, is_open = message.end_lsn, False
                elif isinstance(message, Relation):
                    if (table := tables.get(message.oid)) is not None:
                        table[1].learn(message)
                elif isinstance(message, Truncate):
                    for name in [tables[oid][0] for oid in message.oids if oid in tables]:
                        yield batch
                        batch = {}
                        yield from self._empty(name, each.lsn)
            if not streamed:
                self._level_at = time.monotonic()
                if not is_open:
                    # Nothing of the tables waits before this position, which moves with all other tables too.
                    self._lsn = max(self._lsn, replication.server_end)
            yield batch

    def _add(
        self,
        batch: Batch,
        table: tuple[str, TableDecoding],
        message: RowMessage,
        lsn: int,
        database: psycopg.Connection,
    ) -> None:
        name, decoding = table

        def fetch(row_id: str) -> Row | None:
            columns = sql.SQL(", ").join(
                sql.SQL("{}::text").format(sql.Identifier(each)) for each in decoding.in_use
            )
            query = sql.SQL("SELECT {} FROM {} WHERE {} = %s").format(
                columns, decoding.found.identifier, sql.Identifier(decoding.table.key)
            )
            with postgres.time_limit(database):
                row = database.execute(query, [row_id]).fetchone()
            return None if row is None else dict(zip(decoding.in_use, row, strict=True))

        change = decoding.change(message, lsn + self._state.base, fetch)
        if change is not None:
            telemetry.CDC_ROWS.labels(name, type(message).__name__.lower()).inc()
            batch.setdefault(name, []).append(change)

    def _empty(self, name: str, lsn: int) -> Steps:
        """Remove all rows that messages from before a truncation hold. The stream has no rows of one, so the topic
        is read, once it has all that was handed on."""
        log.info("a table was emptied; its rows are removed", table=self._watched[name].name)
        yield from self._settle()
        published = yield from self._read_topic(name)
        published.keep_before(lsn + self._state.base)
        yield from self._remove(name, published, lsn + self._state.base)
