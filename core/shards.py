"""Shards: the units into which keyed state is divided."""

from zlib import crc32


def shard_of(key: bytes, shards: int) -> int:
    """Number of the shard that owns a key, from 0 to `shards` - 1. It is a CRC-32, because Python's `hash()`
    differs between processes."""
    return crc32(key) % shards
