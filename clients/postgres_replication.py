"""Connections for Postgres's streaming replication protocol, over the libpq that psycopg has. It sends the position
that the caller gives, and no other (docs/decisions/0037).

Source of the formats: Postgres's manual, "Streaming Replication Protocol"."""

import select
import struct
import time
from collections.abc import Generator
from typing import Self

import msgspec
import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo
from psycopg.pq.abc import PGconn

from clients.postgres import parameters

REPLY_WITHIN_S = 15.0
"""A server that sends nothing for this long, although it is asked, is taken for lost."""

CONNECT_WITHIN_S = 10.0
COMMAND_WITHIN_S = 10.0

_XLOG = struct.Struct("!cQQQ")
_KEEPALIVE = struct.Struct("!cQQB")
_STATUS = struct.Struct("!cQQQQB")
_EPOCH_NS = 946_684_800_000_000_000
"""Unix time of Postgres's first moment, 2000-01-01."""

SESSION = ("SET datestyle TO 'ISO, YMD'", "SET timezone TO 'UTC'", "SET extra_float_digits TO 3")
"""Statements that fix the text forms of values: times are ISO and UTC, doubles are whole."""

_READING, _WRITING = pq.PollingStatus.READING, pq.PollingStatus.WRITING


class Streamed(msgspec.Struct, frozen=True, gc=False):
    """A message of the stream. lsn: position of the change in the log; 0 for one that is no change. data: as
    the output plugin made it."""

    lsn: int
    data: bytes


class ReplicationError(psycopg.OperationalError):
    """The connection was lost, or the server refused a command. state: the SQLSTATE, empty for a lost
    connection."""

    def __init__(self, text: str, state: str = "") -> None:
        super().__init__(text)
        self.state = state


class ReplicationConnection:
    """A connection to one database in replication mode. Belongs to one thread. All methods raise ReplicationError.

    server_end: all changes before this position of the log were sent; 0 before the first message."""

    def __init__(self, connection: PGconn) -> None:
        self._pg = connection
        self.server_end = 0
        self._heard_at = time.monotonic()

    @classmethod
    def open(cls, url: str) -> Self:
        """Connect to the database of a URL. The role must have REPLICATION."""
        text = make_conninfo("", **{**parameters(url), "replication": "database"})
        connection = pq.PGconn.connect_start(text.encode())
        deadline = time.monotonic() + CONNECT_WITHIN_S
        waits: int = _WRITING
        while True:
            _wait(connection, waits, deadline)
            waits = connection.connect_poll()
            if waits not in (_READING, _WRITING):
                break
        if waits != pq.PollingStatus.OK:
            text = _line(connection.error_message)
            connection.finish()
            raise ReplicationError(text)
        made = cls(connection)
        try:
            for statement in SESSION:
                made.command(statement)
        except ReplicationError:
            made.close()
            raise
        return made

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self._pg.finish()

    def command(self, statement: str) -> dict[str, str]:
        """Run a command that returns at most one row. Returns its columns that are not null, by name."""
        deadline = time.monotonic() + COMMAND_WITHIN_S
        steps = self.run(statement)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                found: dict[str, str] = end.value
                return found
            _wait(self._pg, _READING, deadline)

    def run(self, statement: str) -> Generator[None, None, dict[str, str]]:
        """As `command`, for a command that may wait for others. Yields while it runs."""
        self._pg.send_query(statement.encode())
        found: dict[str, str] = {}
        failure: ReplicationError | None = None
        # To the end of the results, also after an error: libpq takes no other command before.
        while True:
            while self._pg.is_busy():
                yield
                self._consume()
            result = self._pg.get_result()
            if result is None and failure is not None:
                raise failure
            if result is None:
                return found
            if result.status == pq.ExecStatus.FATAL_ERROR:
                state = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
                failure = ReplicationError(_line(result.error_message), state.decode())
            if result.status == pq.ExecStatus.COPY_BOTH:
                return found
            for column in range(result.nfields if result.ntuples else 0):
                value = result.get_value(0, column)
                if value is not None:
                    found[(result.fname(column) or b"").decode()] = value.decode()

    def start(self, slot: str, lsn: int, publication: str) -> None:
        """Begin to stream a slot's changes from a position, or from the one that was last confirmed if that is
        later."""
        name = publication.replace('"', '""').replace("'", "''")
        self.command(
            f'START_REPLICATION SLOT "{slot}" LOGICAL {format_lsn(lsn)}'
            f" (proto_version '1', publication_names '\"{name}\"')"
        )
        self._pg.nonblocking = 1
        self._heard_at = time.monotonic()

    def read(self, most: int) -> list[Streamed]:
        """The messages that have come, at most `most`. Does not wait."""
        found: list[Streamed] = []
        self._consume()
        while len(found) < most:
            size, data = self._pg.get_copy_data(1)
            if size == 0:
                break
            if size < 0:
                result = self._pg.get_result()
                text = result.error_message if result is not None else b""
                raise ReplicationError(_line(text or self._pg.error_message) or "the server ended the stream")
            kind = bytes(data[:1])
            if kind == b"w":
                _, lsn, _, _ = _XLOG.unpack_from(data)
                found.append(Streamed(lsn, bytes(data[_XLOG.size :])))
            elif kind == b"k":
                _, self.server_end, _, _ = _KEEPALIVE.unpack(data)
            self._heard_at = time.monotonic()
        if not found and time.monotonic() - self._heard_at > REPLY_WITHIN_S:
            raise ReplicationError(f"the server has sent nothing for {REPLY_WITHIN_S:.0f} s")
        return found

    def confirm(self, lsn: int) -> None:
        """Tell the server that all changes before a position are kept, so that it may forget them. It answers with
        its own position. To be called about every second."""
        now_us = (time.time_ns() - _EPOCH_NS) // 1000
        try:
            self._pg.put_copy_data(_STATUS.pack(b"r", lsn, lsn, lsn, now_us, 1))
            self._pg.flush()
        except psycopg.Error as error:
            raise ReplicationError(_line(str(error))) from None

    def _consume(self) -> None:
        try:
            self._pg.consume_input()
        except psycopg.Error as error:
            raise ReplicationError(_line(str(error))) from None


def format_lsn(lsn: int) -> str:
    """A position in the form of Postgres, such as 0/16B3748."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def parse_lsn(text: str) -> int:
    """The number of a position in the form of Postgres."""
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def _wait(connection: PGconn, waits: int, deadline: float) -> None:
    """Wait until a socket can be read or written. Raises ReplicationError after the deadline."""
    left_s = deadline - time.monotonic()
    sockets = ([connection.socket], []) if waits == _READING else ([], [connection.socket])
    if left_s <= 0 or not any(select.select(*sockets, [], left_s)):
        raise ReplicationError("the server does not answer in time")


def _line(text: bytes | str) -> str:
    """One line of an error text. libpq's texts name the host and the user, never the password."""
    plain = text.decode(errors="replace") if isinstance(text, bytes) else text
    lines = plain.strip().splitlines()
    return lines[0].removeprefix("ERROR:").removeprefix("FATAL:").strip() if lines else ""
