"""Versions that Redis holds: a flow without state looks if it has had an earlier life."""

from collections.abc import Callable, Iterable

import redis

from sinks.redis.market import SYMBOLS, tick_key
from sinks.redis.pricing import PRODUCTS, price_key

READ_KEYS = 1_000


def find_versions(client: "redis.Redis") -> tuple[int, int]:
    """The number of products with a version above 0, and the highest version. Both are 0 if there are none. Raises
    redis.RedisError."""
    return _find(client, PRODUCTS, price_key, "version")


def find_sequences(client: "redis.Redis") -> tuple[int, int]:
    """The number of symbols with ticks, and the highest number of a tick, as `find_versions`."""
    return _find(client, SYMBOLS, tick_key, "seq")


def _find(client: "redis.Redis", members: str, key_of: Callable[[str], str], field: str) -> tuple[int, int]:
    count = highest = 0
    names: list[str] = []

    def read(found: Iterable[str]) -> None:
        nonlocal count, highest
        pipeline = client.pipeline(transaction=False)
        for name in found:
            pipeline.hget(key_of(name), field)
        # A key that holds something else is an error in its place.
        for value in pipeline.execute(raise_on_error=False):
            version = int(value) if isinstance(value, bytes) and value.isdigit() else 0
            count += version > 0
            highest = max(highest, version)

    for member in client.sscan_iter(members, count=READ_KEYS):
        names.append(member.decode())
        if len(names) >= READ_KEYS:
            read(names)
            names.clear()
    read(names)
    return count, highest
