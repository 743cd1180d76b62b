"""Placement: the worker of each key. A worker is a thread of a process of the flow.

Bytewax gives key `k` to worker `hash(k) % workers`, and partition `i` of a sink to worker `i % workers`."""

import itertools
from functools import cache

_MASK = 2**64 - 1


class Placement:
    """The keys of each worker. `workers` is 1 until Bytewax says how many there are (`connectors/workers.py`).

    State is kept by shard, so that it can move. Events travel by lane: each worker has one, which takes the events
    of all its shards. So the events of a poll are one item for each worker, and not one for each shard."""

    def __init__(self) -> None:
        self.workers = 1

    def worker_of(self, key: str) -> int:
        """The worker that has a key."""
        return _hash(key) % self.workers

    def lanes_of(self, shards: int) -> list[str]:
        """The lane of each shard: a key of the same worker. Lanes sort behind shards, because Bytewax hands a
        worker the items of its keys in the order of the keys."""
        return _lanes_of(shards, self.workers)


@cache
def _lanes_of(shards: int, workers: int) -> list[str]:
    names = (f"lane-{number}" for number in itertools.count())
    lanes: dict[int, str] = {}
    while len(lanes) < workers:
        lanes.setdefault(_hash(name := next(names)) % workers, name)
    return [lanes[_hash(str(shard)) % workers] for shard in range(shards)]


@cache
def _hash(key: str) -> int:
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
