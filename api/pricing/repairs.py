"""Repairs: prices that this process knows and Redis lacks. The flow is asked to write them again.

A Redis that drops keys when its memory is full, or that lost some, would answer 404 until the next event of the
product."""

import asyncio
import time
from collections.abc import Iterable

import telemetry
from api.pricing.board import Board
from sinks.redis.reader import PriceReader, StoredPrice

AGAIN_AFTER_S = 10.0
"""Shortest time between two requests for a product."""

ASKED_MAX = 10_000
"""Products whose requests are remembered. While so many were asked for, no others are."""

log = telemetry.get_logger("api")


class Repairs:
    """Requests to the flow to write products to Redis again. Belongs to the event loop's thread."""

    def __init__(self, prices: PriceReader, board: Board) -> None:
        self._prices = prices
        self._board = board
        self._asked: dict[str, float] = {}
        self._tasks: set[asyncio.Task[bool]] = set()

    async def find(self, product_id: str) -> tuple[StoredPrice | None, bool]:
        """For a product without a price in Redis: the price if there is one by now, and if Redis has lost it. Asks
        the flow for a product that is lost, or that the board knows. Raises RedisDownError."""
        stored, listed = await self._prices.look_again(product_id)
        if stored is not None:
            return stored, False
        # Redis may have lost its list too. The board hears of a withdrawal a moment after Redis.
        lost = listed or self._board.get(product_id) is not None
        if lost:
            self.ask([product_id])
        return None, lost

    def check(self, wanted: Iterable[str], found: Iterable[StoredPrice]) -> None:
        """Ask the flow for those of the wanted products that the board knows and that were not found in Redis."""
        missing = set(wanted).difference(stored.product_id for stored in found)
        self.ask(name for name in missing if self._board.get(name) is not None)

    def ask(self, product_ids: Iterable[str]) -> None:
        """Ask the flow for products, in a task. A product that was asked for a moment ago is left out."""
        now = time.monotonic()
        # The oldest come first.
        while self._asked and next(iter(self._asked.values())) < now - AGAIN_AFTER_S:
            del self._asked[next(iter(self._asked))]
        wanted = [name for name in product_ids if name not in self._asked][: ASKED_MAX - len(self._asked)]
        if not wanted:
            return
        self._asked.update(dict.fromkeys(wanted, now))
        log.warning("Redis lacks prices; the flow is asked for them", products=wanted[:10], count=len(wanted))
        task = asyncio.ensure_future(self._prices.ask_for(wanted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
