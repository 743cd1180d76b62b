"""Versions that Redis holds: a flow without state looks if it has had an earlier life."""

from collections.abc import Iterable

import redis

from sinks.redis.pricing import PRODUCTS, price_key

READ_PRODUCTS = 1_000


def find_versions(client: "redis.Redis") -> tuple[int, int]:
    """The number of products with a version above 0, and the highest version. Both are 0 if there are none. Raises
    redis.RedisError."""
    count = highest = 0
    names: list[str] = []

    def read(product_ids: Iterable[str]) -> None:
        nonlocal count, highest
        pipeline = client.pipeline(transaction=False)
        for product_id in product_ids:
            pipeline.hget(price_key(product_id), "version")
        # A key that holds something else is an error in its place.
        for value in pipeline.execute(raise_on_error=False):
            version = int(value) if isinstance(value, bytes) and value.isdigit() else 0
            count += version > 0
            highest = max(highest, version)

    for member in client.sscan_iter(PRODUCTS, count=READ_PRODUCTS):
        names.append(member.decode())
        if len(names) >= READ_PRODUCTS:
            read(names)
            names.clear()
    read(names)
    return count, highest
