"""The calls of the readers of Redis, which the API uses: with a time limit, and one error for all problems."""

import asyncio
import heapq
import time
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from redis import RedisError

from clients.redis import RedisEndpoint, connect_async
from core.errors import RedisDownError
from sinks.redis.keys import REPAIR_IDS_MAX

ANSWER_WITHIN_S = 3.0
"""Longest time of a call, with waiting for a connection, connecting, and a second try."""

IDS_FRESH_S = 1.0
"""Shortest time for which ids are kept in memory."""

IDS_READ_SHARE = 0.05
"""Largest share of the time that reading ids may take."""

IDS_KEPT_MAX = 1000

CALLS_MAX = 500
"""Commands in one round trip. Its answers are in memory together."""

SCAN_COUNT = 1_000
SCAN_WITHIN_S = 2.5


Row = TypeVar("Row")


class Listing(msgspec.Struct, Generic[Row], frozen=True):
    """A part of a list, in order. after: the name after which the next part begins; None at the end."""

    rows: list[Row]
    after: str | None


class RedisReader:
    """The base of the readers. Belongs to one event loop. repair: the key of the set of missing ids.

    Every method but `ping`, `ask_for`, `reconnect` and `close` raises RedisDownError if Redis does not answer
    within `ANSWER_WITHIN_S`."""

    repair: str

    def __init__(self, endpoint: RedisEndpoint) -> None:
        self._client = connect_async(endpoint)
        self._ids: dict[str, tuple[float, list[str]]] = {}

    async def ping(self) -> bool:
        """True if Redis answers."""
        try:
            return bool(await self._call("PING"))
        except RedisDownError:
            return False

    async def ask_for(self, ids: Iterable[str]) -> bool:
        """Ask the flow to write the rows of these ids again. False if too many are asked for already, or Redis
        takes no writes."""
        try:
            if int(await self._call("SCARD", self.repair)) >= REPAIR_IDS_MAX:
                return False
            await self._call("SADD", self.repair, *ids)
        except RedisDownError:
            return False
        return True

    async def reconnect(self) -> None:
        """Close the connections that are not in use. The next calls lead to the master of the moment."""
        await self._client.connection_pool.disconnect(inuse_connections=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _members(self, key: str) -> list[str]:
        """The members of a set, sorted.

        They are kept in memory for at least `IDS_FRESH_S`, and longer if reading them is slow: reading takes at
        most `IDS_READ_SHARE` of the time."""
        kept = self._ids.get(key)
        started = time.monotonic()
        if kept is not None and started < kept[0]:
            return kept[1]
        ids = sorted(member.decode() for member in await self._call("SMEMBERS", key))
        if len(self._ids) > IDS_KEPT_MAX:
            self._ids.clear()
        read = time.monotonic()
        self._ids[key] = (read + max(IDS_FRESH_S, (read - started) / IDS_READ_SHARE), ids)
        return ids

    async def _first(self, scan: str, key: str, limit: int, after: str) -> tuple[list[str], str | None]:
        """The first `limit` members of a set (SSCAN) or fields of a hash (HSCAN) after a text, sorted, and the last
        of them if there are more.

        They are read in steps, and only the first ones are kept, so that memory does not grow with the set. Raises
        RedisDownError if that takes longer than `SCAN_WITHIN_S`."""
        kept: set[bytes] = set()
        # The order of UTF-8 bytes is that of code points.
        last, cursor = after.encode(), 0
        ends_s = time.monotonic() + SCAN_WITHIN_S
        while True:
            cursor, members = await self._call(scan, key, str(cursor), "COUNT", str(SCAN_COUNT))
            kept.update(member for member in members if member > last)
            if len(kept) > limit + SCAN_COUNT:
                # One more than the limit, which says that there are more.
                kept = set(heapq.nsmallest(limit + 1, kept))
            if not int(cursor):
                first = [member.decode(errors="replace") for member in heapq.nsmallest(limit, kept)]
                return first, first[-1] if len(kept) > limit else None
            if time.monotonic() > ends_s:
                raise RedisDownError(f"{key} has too many members to be read in {SCAN_WITHIN_S} s")

    async def _call(self, *command: str) -> Any:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self._client.execute_command(*command)  # type: ignore[no-untyped-call]
        except (RedisError, OSError, TimeoutError) as error:
            raise RedisDownError(f"{type(error).__name__}: {error}") from None

    async def _calls(self, commands: Sequence[tuple[str, ...]]) -> list[Any]:
        if not commands:
            return []
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise RedisDownError(f"{type(error).__name__}: {error}") from None
