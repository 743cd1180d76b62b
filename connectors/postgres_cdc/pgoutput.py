"""The decoder of pgoutput, the output plugin of Postgres's logical replication, protocol version 1: bytes to
messages. Pure.

Source: Postgres's manual, "Logical Replication Message Formats"."""

import struct
from enum import Enum

import msgspec

_BEGIN = struct.Struct("!xQQI")
_COMMIT = struct.Struct("!xBQQQ")
_INT = struct.Struct("!I")
_SHORT = struct.Struct("!H")
_COLUMN = struct.Struct("!Ii")


class Unchanged(Enum):
    """The value of a column that is stored apart from its row (TOAST) and did not change: the stream does not have
    it."""

    VALUE = 0


Value = str | Unchanged | None
"""A column's value: its text form, None for NULL."""

Values = tuple[Value, ...]


class Begin(msgspec.Struct, frozen=True):
    """A transaction begins. All of its messages come before those of the next one."""


class Commit(msgspec.Struct, frozen=True):
    """A transaction ends. end_lsn: the position behind it."""

    end_lsn: int


class Column(msgspec.Struct, frozen=True):
    """A column of a relation. is_key: part of the replica identity."""

    name: str
    is_key: bool


class Relation(msgspec.Struct, frozen=True):
    """The columns of a table, before the first change of it and after each change of its columns. oid: names the
    table in its changes."""

    oid: int
    schema: str
    name: str
    columns: tuple[Column, ...]


class Insert(msgspec.Struct, frozen=True):
    """A new row."""

    oid: int
    new: Values


class Update(msgspec.Struct, frozen=True):
    """A changed row. old: the row before with replica identity FULL; with any other, only its key, the other
    columns are None, and only if the key changed. None otherwise."""

    oid: int
    old: Values | None
    new: Values


class Delete(msgspec.Struct, frozen=True):
    """A removed row. old: the row with replica identity FULL; with any other only its key, the other columns are
    None. is_whole: true for FULL."""

    oid: int
    old: Values
    is_whole: bool


class Truncate(msgspec.Struct, frozen=True):
    """Tables that were emptied."""

    oids: tuple[int, ...]


Message = Begin | Commit | Relation | Insert | Update | Delete | Truncate


class MalformedError(ValueError):
    """Bytes that are no message of pgoutput's protocol version 1."""


def decode(data: bytes) -> Message | None:
    """The message of one frame; None for a kind without a meaning here: the origin of a transaction, a type, a
    message of an application. Raises MalformedError."""
    try:
        return _decode(data)
    except MalformedError:
        raise
    except (struct.error, IndexError, ValueError) as error:
        raise MalformedError(f"a message of kind {data[:1]!r} ends too early or is not UTF-8: {error}") from None


def _decode(data: bytes) -> Message | None:
    kind = data[:1]
    if kind == b"I":
        reader = _Reader(data, 1)
        oid = reader.number()
        reader.expect("N")
        return Insert(oid, reader.values())
    if kind == b"U":
        reader = _Reader(data, 1)
        oid, old = reader.number(), None
        if (part := reader.letter()) in "KO":
            old = reader.values()
            part = reader.letter()
        if part != "N":
            raise MalformedError("an update has no new row")
        return Update(oid, old, reader.values())
    if kind == b"D":
        reader = _Reader(data, 1)
        oid = reader.number()
        part = reader.expect("KO")
        return Delete(oid, reader.values(), part == "O")
    if kind == b"B":
        _BEGIN.unpack(data)
        return Begin()
    if kind == b"C":
        return Commit(_COMMIT.unpack(data)[2])
    if kind == b"R":
        return _relation(_Reader(data, 1))
    if kind == b"T":
        reader = _Reader(data, 1)
        count = reader.number()
        reader.letter()
        return Truncate(tuple(reader.number() for _ in range(count)))
    if kind in (b"O", b"Y", b"M"):
        return None
    raise MalformedError(f"a message of the unknown kind {kind!r}")


def _relation(reader: "_Reader") -> Relation:
    oid, schema, name = reader.number(), reader.text(), reader.text()
    reader.letter()
    columns = []
    for _ in range(reader.short()):
        is_key = reader.letter() == "\x01"
        columns.append(Column(reader.text(), is_key))
        reader.skip(_COLUMN.size)
    # The schema of system tables is empty; it stands for pg_catalog.
    return Relation(oid, schema or "pg_catalog", name, tuple(columns))


class _Reader:
    """A place in the bytes of a message."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def number(self) -> int:
        self._at += 4
        value: int = _INT.unpack_from(self._data, self._at - 4)[0]
        return value

    def short(self) -> int:
        self._at += 2
        value: int = _SHORT.unpack_from(self._data, self._at - 2)[0]
        return value

    def letter(self) -> str:
        self._at += 1
        return chr(self._data[self._at - 1])

    def expect(self, letters: str) -> str:
        if (found := self.letter()) not in letters:
            raise MalformedError(f"{found!r} stands where one of {letters} must")
        return found

    def skip(self, count: int) -> None:
        self._at += count
        if self._at > len(self._data):
            raise IndexError("a column is cut off")

    def text(self) -> str:
        end = self._data.index(0, self._at)
        found = self._data[self._at : end].decode()
        self._at = end + 1
        return found

    def values(self) -> Values:
        """The columns of a row."""
        data, at = self._data, self._at + 2
        found: list[Value] = []
        for _ in range(self.short()):
            kind = data[at]
            at += 1
            if kind == 0x74:  # t
                size: int = _INT.unpack_from(data, at)[0]
                at += 4 + size
                if at > len(data):
                    raise IndexError("a value is cut off")
                found.append(data[at - size : at].decode())
            elif kind == 0x6E:  # n
                found.append(None)
            elif kind == 0x75:  # u
                found.append(Unchanged.VALUE)
            else:
                raise MalformedError(f"a value of the unknown kind {chr(kind)!r}")
        self._at = at
        return tuple(found)
