"""Shards: the units that keyed state is split into."""

from zlib import crc32


def shard_of(key: bytes, shards: int) -> int:
    """Number of the shard, from 0 to `shards` - 1, that owns a key. CRC-32, because `hash()` differs between
    processes."""
    return crc32(key) % shards
