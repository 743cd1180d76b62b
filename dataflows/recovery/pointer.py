"""The pointer of a shard's log: which bytes of which files hold the shard."""

import msgspec


class Extent(msgspec.Struct, frozen=True, array_like=True):
    """The part of a file that counts for a log: its records from byte `start` to byte `end`. file: in the folder of
    the state log."""

    file: str
    end: int
    start: int = 0

    @property
    def is_of_one_log(self) -> bool:
        """True if the file is of a version before decision 34: in a folder of its log."""
        return "/" in self.file


class LogPointer(msgspec.Struct, frozen=True):
    """Resume state of a shard. log: 32 hexadecimal digits, the mark of its records. extents: in the order of
    writing. format: 0 before decision 34, then 1."""

    log: str
    extents: list[Extent]
    format: int = 0


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(LogPointer)


def encode_pointer(log: str, extents: list[Extent]) -> bytes:
    """A pointer in MessagePack."""
    return _encoder.encode(LogPointer(log, extents, 1))


def read_pointer(resume_state: bytes) -> LogPointer | None:
    """The pointer in a resume state. None if the state is a document of the whole shard."""
    # A pointer is a map in MessagePack, a document an array.
    if resume_state[0] >> 4 != 0x8:
        return None
    pointer = _decoder.decode(resume_state)
    if pointer.format:
        return pointer
    extents = [Extent(f"{pointer.log}/{each.file}", each.end) for each in pointer.extents]
    return LogPointer(pointer.log, extents, 1)
