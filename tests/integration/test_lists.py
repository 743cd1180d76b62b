"""Lists that the API reads from Redis: in parts, in order, in memory that does not grow with the set."""

import asyncio
import tracemalloc

import redis

from clients.redis import parse_address
from sinks.redis.reader import PriceReader
from stack.redis import RedisServer

MANY = 30_000


def test_parts_of_a_list_have_every_entry_once_and_in_order(redis_server: RedisServer) -> None:
    client = redis.Redis(port=redis_server.port)
    names = [f"{number:05d}" + "é" * 200 for number in range(MANY)]
    with client.pipeline(transaction=False) as pipeline:
        for start in range(0, MANY, 1000):
            pipeline.sadd("categories", *names[start : start + 1000])
        for number in range(3):
            pipeline.sadd("overrides", f"P{number}")
            # A set may hold an id whose override has just ended.
            if number != 1:
                pipeline.hset(f"override:P{number}", mapping={"override_price": "1.00", "reason": "r"})
            scope = f"category:{number}"
            freeze = f'{{"scope":"{scope}","reason":"r","set_by":"s","set_at":"t"}}'
            pipeline.hset("freezes", scope, freeze)
        pipeline.execute()
    client.close()

    async def read() -> None:
        reader = PriceReader(parse_address(redis_server.address))
        tracemalloc.start()
        try:
            part = await reader.categories(100)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # The whole set has 12 MB.
        assert peak < 4_000_000, f"{peak / 1e6:.1f} MB"
        assert (part.rows, part.after) == (names[:100], names[99])
        found, after = [], ""
        while True:
            part = await reader.categories(7_000, after)
            found += part.rows
            if part.after is None:
                break
            after = part.after
        assert found == names
        assert await reader.is_category(names[17])
        assert not await reader.is_category("17")
        first = await reader.overrides(2)
        assert ([each.product_id for each in first.rows], first.after) == (["P0"], "P1")
        second = await reader.overrides(2, "P1")
        assert ([each.product_id for each in second.rows], second.after) == (["P2"], None)
        freezes = await reader.freezes(2)
        assert ([each.scope for each in freezes.rows], freezes.after) == (
            ["category:0", "category:1"],
            "category:1",
        )
        assert (await reader.freezes(2, "category:1")).after is None
        assert await reader.freeze("category:2") == (await reader.freezes()).rows[2]
        assert await reader.freeze("all") is None
        await reader.close()

    asyncio.run(read())
