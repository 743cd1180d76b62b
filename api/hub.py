"""Fan-out: one update to every client that wants it, encoded once; no client slows another."""

import asyncio
from collections import deque
from collections.abc import Collection, Mapping

import telemetry

QUEUE_FRAMES_MAX = 50_000

Update = tuple[str, int, str]
"""Product, version, frame. One object for all clients: what waits for a client is a reference."""


class Client:
    """What waits for one WebSocket client.

    Frames wait in order; beyond `QUEUE_FRAMES_MAX`, and always with `conflate`, only the newest of each
    product waits. So memory per client is bounded by the products it watches.
    """

    def __init__(self, products: Collection[str] | None, conflate: bool) -> None:
        self.products = None if products is None else frozenset(products)
        self._conflate = conflate
        self._queue: deque[Update] = deque()
        self._newest: dict[str, Update] = {}
        self._waiting = asyncio.Event()
        self._asked: dict[str, int] = {}

    def ask_for(self, known: Mapping[str, int]) -> None:
        """The client wants the state of these products as far as it is newer than what it has."""
        self._asked = dict(known)
        self._waiting.set()

    def asked_for(self) -> dict[str, int]:
        """What it has asked for since the last call."""
        asked, self._asked = self._asked, {}
        return asked

    def offer(self, update: Update) -> None:
        if self._conflate or self._newest or len(self._queue) >= QUEUE_FRAMES_MAX:
            if self._newest.pop(update[0], None):
                telemetry.WS_CONFLATED.inc()
            self._newest[update[0]] = update
        else:
            self._queue.append(update)
        self._waiting.set()

    async def take(self) -> list[Update]:
        """All that waits. Waits until there is something, be it a wish of the client."""
        await self._waiting.wait()
        self._waiting.clear()
        updates = [*self._queue, *self._newest.values()]
        self._queue.clear()
        self._newest.clear()
        return updates


class Hub:
    """The clients, by what they watch. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self.clients = 0
        self._everything: set[Client] = set()
        self._by_product: dict[str, set[Client]] = {}

    def add(self, client: Client) -> None:
        self._watch(client)
        self.clients += 1
        telemetry.WS_CLIENTS.inc()

    def remove(self, client: Client) -> None:
        self._unwatch(client)
        self.clients -= 1
        telemetry.WS_CLIENTS.dec()

    def change(self, client: Client, known: Mapping[str, int]) -> None:
        """From now on the client watches the products of `known`, whose versions it has."""
        self._unwatch(client)
        client.products = frozenset(known)
        self._watch(client)
        client.ask_for(known)

    def _watch(self, client: Client) -> None:
        if client.products is None:
            self._everything.add(client)
        else:
            for product_id in client.products:
                self._by_product.setdefault(product_id, set()).add(client)

    def _unwatch(self, client: Client) -> None:
        self._everything.discard(client)
        for product_id in client.products or ():
            watching = self._by_product[product_id]
            watching.discard(client)
            if not watching:
                del self._by_product[product_id]

    def publish(self, updates: list[Update]) -> None:
        """Offer updates to whoever watches their product."""
        for update in updates:
            for client in self._everything:
                client.offer(update)
            for client in self._by_product.get(update[0], ()):
                client.offer(update)
