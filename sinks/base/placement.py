"""Placement: the partitions of every sink, and the one that takes a shard's rows."""

from functools import cache

SINK_PARTITIONS = 4
"""Number of partitions of every sink. They spread a sink over processes. Fixed at deployment, like a topic's."""

_MASK = 2**64 - 1


def partition_names() -> list[str]:
    """The names of a sink's partitions: their numbers, from 0."""
    return [str(partition) for partition in range(SINK_PARTITIONS)]


@cache
def sink_partition(shard: str) -> int:
    """The partition that takes a shard's rows.

    Bytewax gives key `k` to worker `hash(k) % workers` and partition `i` to worker `i % workers`. So if the number
    of workers divides `SINK_PARTITIONS`, rows stay in the worker that holds their shard."""
    return _bytewax_hash(shard) % SINK_PARTITIONS


def _bytewax_hash(key: str) -> int:
    """SipHash-1-3 (Aumasson and Bernstein, 2012), without a key, of the UTF-8 bytes and a byte 0xff. This is the
    hash of a string by Rust's `DefaultHasher`, with which Bytewax 0.21.1 routes."""
    data = key.encode() + b"\xff"
    v0, v1, v2, v3 = (int.from_bytes(word, "big") for word in (b"somepseu", b"dorandom", b"lygenera", b"tedbytes"))

    def mix(rounds: int) -> None:
        nonlocal v0, v1, v2, v3
        for _ in range(rounds):
            v0, v2 = _add(v0, v1), _add(v2, v3)
            v1, v3 = _rotate(v1, 13) ^ v0, _rotate(v3, 16) ^ v2
            v0, v2 = _add(_rotate(v0, 32), v3), _add(v2, v1)
            v3, v1 = _rotate(v3, 21) ^ v0, _rotate(v1, 17) ^ v2
            v2 = _rotate(v2, 32)

    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) % 256])
    for start in range(0, len(padded), 8):
        word = int.from_bytes(padded[start : start + 8], "little")
        v3 ^= word
        mix(1)
        v0 ^= word
    v2 ^= 0xFF
    mix(3)
    return v0 ^ v1 ^ v2 ^ v3


def _add(a: int, b: int) -> int:
    return (a + b) & _MASK


def _rotate(word: int, bits: int) -> int:
    return (word << bits | word >> 64 - bits) & _MASK
